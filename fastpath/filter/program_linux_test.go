package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/limits"
)

// needBPF skips a test where the system lets nobody load programs.
func needBPF(t testing.TB) {
	t.Helper()
	m, err := newMaps(1)
	if err != nil {
		t.Skipf("probed for root, or CAP_BPF, CAP_NET_ADMIN and Linux 5.12: %v", err)
	}
	m.close()
}

// bench runs one program on frames.
type bench struct {
	t    testing.TB
	maps *maps
	prog *ebpf.Program
	hook hook
}

var (
	node4 = ap("192.0.2.1:9000")
	node6 = ap("[2001:db8::1]:9000")
)

const (
	testMin, testMax = 63, 1280
	held             = 64 // endpoints
)

// slow is a rate at which no token returns during a test.
func slow(burst int) bucket { return bucket{interval: hour, depth: int64(burst) * hour} }

const hour = int64(time.Hour)

func newBench(t testing.TB, h hook, prefix, total bucket) *bench {
	t.Helper()
	needBPF(t)
	m, err := newMaps(held)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	locals := map[endpoint]bool{endpointOf(node4): true, endpointOf(node6): true}
	if err := m.setLocals(locals); err != nil {
		t.Fatal(err)
	}
	b := &builder{hook: h, maps: m, ports: []uint16{30303, 9000}, min: testMin, max: testMax, network: prefix, total: total}
	typ := ebpf.XDP
	if h == hookTC {
		typ = ebpf.SchedCLS
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: typ, License: license, Instructions: b.standalone()})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { prog.Close() })
	return &bench{t, m, prog, h}
}

// hooks are those whose programs take whole frames.
var hooks = []struct {
	name string
	hook hook
}{{"xdp", hookXDP}, {"tc", hookTC}}

// skb is what the program reads of struct __sk_buff.
type skb struct {
	_    [skbGSOSegs]byte
	segs uint32
	_    [skbGSOSize - skbGSOSegs - 4]byte
	size uint32
	_    [12]byte
}

// run reports whether a frame passes.
func (b *bench) run(frame []byte, batch ...uint32) bool {
	b.t.Helper()
	opts := &ebpf.RunOptions{Data: frame}
	if len(batch) > 0 {
		opts.Context = &skb{segs: batch[0], size: batch[1]}
	}
	v, err := b.prog.Run(opts)
	if err != nil {
		b.t.Fatalf("BPF_PROG_RUN: %v", err)
	}
	drop, pass := b.hook.verdicts()
	if int32(v) != drop && int32(v) != pass {
		b.t.Fatalf("verdict %d", int32(v))
	}
	return int32(v) == pass
}

func (b *bench) counts() (n [numCauses]uint64) {
	for i := range n {
		n[i] = b.maps.count(uint32(i))
	}
	return n
}

func (b *bench) hold(addrs ...netip.AddrPort) {
	b.t.Helper()
	for _, a := range addrs {
		if failed := b.maps.add([]endpoint{endpointOf(a)}); len(failed) > 0 {
			b.t.Fatalf("cannot hold %v", a)
		}
	}
}

const uncounted = -1

// TestVerdicts has one frame for each verdict and cause.
func TestVerdicts(t *testing.T) {
	peer4, peer6 := ap("198.51.100.7:30303"), ap("[2001:db8:5::7]:30303")
	junk4, junk6 := ap("203.0.113.9:1234"), ap("[2001:db8:6::9]:1234")
	for _, c := range []struct {
		name  string
		frame frame
		cause int
	}{
		{"held", frame{from: peer4, to: node4, payload: 100}, passedHeld},
		{"held, IPv6", frame{from: peer6, to: node6, payload: 100}, passedHeld},
		{"held, options", frame{from: peer4, to: node4, payload: 100, options: 40}, passedHeld},
		{"held, an extension header", frame{from: peer6, to: node6, payload: 100, headers: []byte{60}}, passedHeld},
		{"held, first fragment", frame{from: peer4, to: node4, payload: 64, fragment: 0x2000, udpLen: 1000}, passedHeld},
		{"port of a held endpoint differs", frame{from: netip.AddrPortFrom(peer4.Addr(), 30304), to: node4, payload: 100}, passedNew},
		{"new", frame{from: junk4, to: node4, payload: 100}, passedNew},
		{"new, IPv6", frame{from: junk6, to: node6, payload: 100}, passedNew},
		{"new, options", frame{from: junk4, to: node4, payload: 100, options: 4}, passedNew},
		{"new, first fragment", frame{from: junk4, to: node4, payload: 64, fragment: 0x2000, udpLen: 900}, passedNew},
		{"new, don't fragment", frame{from: junk4, to: node4, payload: 64, fragment: 0x4000}, passedNew},
		{"new, four extension headers", frame{from: junk6, to: node6, payload: 100, headers: []byte{0, 43, 60, 44}, fragment: 1}, passedNew},
		{"least size", frame{from: junk4, to: node4, payload: testMin}, passedNew},
		{"largest size", frame{from: junk6, to: node6, payload: testMax}, passedNew},
		{"short", frame{from: peer4, to: node4, payload: testMin - 1}, droppedSize},
		{"short, IPv6", frame{from: junk6, to: node6, payload: testMin - 1}, droppedSize},
		{"long", frame{from: junk4, to: node4, payload: testMax + 1}, droppedSize},
		{"empty", frame{from: junk4, to: node4}, droppedSize},
		{"empty, IPv6", frame{from: junk6, to: node6}, droppedSize},
		{"UDP length below its header", frame{from: junk4, to: node4, payload: 100, udpLen: 7}, droppedSize},
		{"source port 0", frame{from: netip.AddrPortFrom(junk4.Addr(), 0), to: node4, payload: 100}, droppedSource},
		{"source 0.0.0.0", frame{from: ap("0.0.0.0:5"), to: node4, payload: 100}, droppedSource},
		{"source 224.0.0.1", frame{from: ap("224.0.0.1:5"), to: node4, payload: 100}, droppedSource},
		{"source 255.255.255.255", frame{from: ap("255.255.255.255:5"), to: node4, payload: 100}, droppedSource},
		{"source 223.255.255.255", frame{from: ap("223.255.255.255:5"), to: node4, payload: 100}, passedNew},
		{"source ::", frame{from: ap("[::]:5"), to: node6, payload: 100}, droppedSource},
		{"source ff02::1", frame{from: ap("[ff02::1]:5"), to: node6, payload: 100}, droppedSource},
		{"source that begins like the prefix of an IPv4 one", frame{from: ap("[ffff:ffff:cb00:7100::7f]:5"), to: node6, payload: 100}, droppedSource},
		{"IPv6 source with the IPv4 address of a held endpoint", frame{from: netip.AddrPortFrom(netip.AddrFrom16(peer4.Addr().As16()), peer4.Port()), to: node6, payload: 100}, droppedSource},
		{"source ::1:0:0", frame{from: ap("[::1:0:0]:5"), to: node6, payload: 100}, passedNew},

		{"another port", frame{from: junk4, to: ap("192.0.2.1:9001"), payload: 100}, uncounted},
		{"a port of another address", frame{from: junk4, to: ap("192.0.2.1:30303"), payload: 100}, uncounted},
		{"another host", frame{from: junk4, to: ap("192.0.2.2:9000"), payload: 100}, uncounted},
		{"another host, IPv6", frame{from: junk6, to: ap("[2001:db8::2]:9000"), payload: 100}, uncounted},
		{"TCP", frame{from: junk4, to: node4, payload: 100, protocol: 6}, uncounted},
		{"TCP, IPv6", frame{from: junk6, to: node6, payload: 100, protocol: 6}, uncounted},
		{"later fragment", frame{from: junk4, to: node4, payload: 100, fragment: 0x2001}, uncounted},
		{"last fragment", frame{from: junk4, to: node4, payload: 100, fragment: 0x0009}, uncounted},
		{"later fragment, IPv6", frame{from: junk6, to: node6, payload: 100, headers: []byte{44}, fragment: 8}, uncounted},
		{"five extension headers", frame{from: junk6, to: node6, payload: 100, headers: []byte{0, 60, 60, 60, 60}}, uncounted},
		{"an unknown extension header", frame{from: junk6, to: node6, payload: 100, headers: []byte{51}}, uncounted},
		{"ARP", frame{from: junk4, to: node4, payload: 100, etherType: 0x0806}, uncounted},
		{"VLAN", frame{from: junk4, to: node4, payload: 100, etherType: 0x8100}, uncounted},
	} {
		for _, h := range hooks {
			t.Run(h.name+"/"+c.name, func(t *testing.T) {
				b := newBench(t, h.hook, slow(8), slow(8))
				b.hold(peer4, peer6)
				passed := b.run(c.frame.bytes())
				if want := c.cause < droppedPrefix; passed != want {
					t.Errorf("passed: %v, want %v", passed, want)
				}
				var want [numCauses]uint64
				if c.cause != uncounted {
					want[c.cause] = 1
				}
				if got := b.counts(); got != want {
					t.Errorf("counts %v, want %v", got, want)
				}
			})
		}
	}
}

// TestTruncated: a frame that ends inside of its headers passes; nothing is read behind its end.
func TestTruncated(t *testing.T) {
	for _, h := range hooks {
		for name, f := range map[string]frame{
			"IPv4":         {from: ap("203.0.113.9:1234"), to: node4},
			"IPv4 options": {from: ap("203.0.113.9:1234"), to: node4, options: 40},
			"IPv6":         {from: ap("[2001:db8:6::9]:1234"), to: node6},
			"IPv6 headers": {from: ap("[2001:db8:6::9]:1234"), to: node6, headers: []byte{0, 43, 60}},
		} {
			t.Run(h.name+"/"+name, func(t *testing.T) {
				b := newBench(t, h.hook, slow(8), slow(8))
				whole, n := f.bytes(), 14
				if h.hook == hookTC { // BPF_PROG_RUN wants an IP header there
					n = 54
					if f.from.Addr().Is4() {
						n = 34
					}
				}
				for ; n < len(whole); n++ {
					if !b.run(whole[:n]) {
						t.Fatalf("%d of %d bytes: dropped", n, len(whole))
					}
				}
				if b.run(whole) {
					t.Error("the whole frame, an empty datagram, passes")
				}
			})
		}
	}
}

// TestHandshakePasses: a source that a bucket let through may send a few more datagrams, and no
// other source of its network may.
func TestHandshakePasses(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			one := frame{from: ap("203.0.113.9:1234"), to: node4, payload: 100}
			other := frame{from: ap("203.0.113.9:1235"), to: node4, payload: 100}
			far := frame{from: ap("198.18.7.9:1235"), to: node4, payload: 100}
			var b *bench
			var before time.Duration
			// A machine that pauses for as long as a handshake may take gets another chance.
			for try := 1; ; try++ {
				b, before = newBench(t, h.hook, slow(1), slow(1)), monotonic()
				passed := 0
				for passed < 1+HandshakePackets && b.run(one.bytes()) {
					passed++
				}
				if passed == 1+HandshakePackets {
					break
				}
				if took := monotonic() - before; took < HandshakeTime || try == 3 {
					t.Fatalf("datagram %d is dropped after %v", passed+1, took)
				}
			}
			if b.run(one.bytes()) || b.run(other.bytes()) || b.run(far.bytes()) {
				t.Error("passes with empty buckets")
			}
			want := [numCauses]uint64{passedNew: 1, passedHandshake: HandshakePackets, droppedPrefix: 2, droppedTotal: 1}
			if got := b.counts(); got != want {
				t.Errorf("counts %v, want %v", got, want)
			}
			// The time of the handshake ends.
			var left [2]uint64
			k := endpointOf(one.from)
			if err := b.maps.handshakes.Lookup(k, &left); err != nil {
				t.Fatal(err)
			}
			if end := time.Duration(left[0]); end < before+HandshakeTime || end > monotonic()+HandshakeTime || left[1] != 0 {
				t.Errorf("ends %v after the first datagram, %d datagrams left", end-before, left[1])
			}
			if err := b.maps.handshakes.Put(k, [2]uint64{uint64(monotonic()), 4}); err != nil {
				t.Fatal(err)
			}
			if b.run(one.bytes()) {
				t.Error("passes after the time of the handshake")
			}
		})
	}
}

// monotonic is the kernel's clock.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// TestBuckets compares the buckets with a plain reference implementation. Random states lie so far
// from the limit that the time that the test takes does not matter.
func TestBuckets(t *testing.T) {
	const margin = int64(5 * time.Minute)
	prefix, total := newBucket(limits.Rate{PerSecond: 1, Burst: 3000}), newBucket(limits.Rate{PerSecond: 2, Burst: 9000})
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			b := newBench(t, h.hook, prefix, total)
			rnd := rand.New(rand.NewPCG(1, 2))
			verdicts := map[int]int{}
			for i := range 3000 {
				// A source of its own for each turn: none has a handshake under way.
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, byte(i >> 8), byte(i), 1}), 7)
				to := node4
				if i%2 == 1 {
					from = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 2, byte(i >> 8), byte(i), 15: 9}), 7)
					to = node6
				}
				segs := int64(1)
				if h.hook == hookTC && rnd.IntN(2) == 0 {
					segs = 2 + rnd.Int64N(60)
				}
				key := prefixOf(from.Addr())
				known := rnd.IntN(4) > 0
				now := int64(monotonic())
				states := [2]int64{0, max(0, now+rnd.Int64N(3*total.depth)-total.depth)}
				if known {
					states[0] = max(0, now+rnd.Int64N(3*prefix.depth)-prefix.depth)
					if err := b.maps.prefixes.Put(key, uint64(states[0])); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.maps.total.Put(uint32(0), uint64(states[1])); err != nil {
					t.Fatal(err)
				}
				want, near := passedNew, false
				for j, k := range []bucket{prefix, total} {
					left := now + k.depth - segs*k.interval - max(states[j], now)
					near = near || max(left, -left) < margin
					if left < 0 && want == passedNew {
						want = droppedPrefix + j
					}
				}
				if near {
					continue
				}
				before := b.counts()
				f := frame{from: from, to: to, payload: 100}.bytes()
				var passed bool
				if segs > 1 {
					passed = b.run(f, uint32(segs), 100)
				} else {
					passed = b.run(f)
				}
				after := b.counts()
				verdicts[want]++
				if passed != (want == passedNew) || after[want]-before[want] != uint64(segs) {
					t.Fatalf("states %v at %d, %d datagrams: passed %v, counts %v, want cause %d", states, now, segs, passed, after, want)
				}
				var got [2]uint64
				err := b.maps.prefixes.Lookup(key, &got[0])
				if want != passedNew && !known && err == nil {
					t.Fatal("a refused datagram has made an entry")
				}
				if err := b.maps.total.Lookup(uint32(0), &got[1]); err != nil {
					t.Fatal(err)
				}
				end := int64(monotonic())
				for j, k := range []bucket{prefix, total} {
					low, high := states[j], states[j] // refused: as it was
					if want == passedNew {
						low, high = max(states[j], now)+segs*k.interval, max(states[j], end)+segs*k.interval
					}
					if int64(got[j]) < low || int64(got[j]) > high {
						t.Fatalf("bucket %d has state %d, want %d to %d", j, got[j], low, high)
					}
				}
			}
			for _, v := range []int{passedNew, droppedPrefix, droppedTotal} {
				if verdicts[v] < 100 {
					t.Errorf("cause %d came up %d times", v, verdicts[v])
				}
			}
		})
	}
}

func prefixOf(a netip.Addr) (p [prefixSize]byte) {
	if a.Is4() {
		v4 := a.As4()
		return [prefixSize]byte{255, 255, 255, 255, v4[0], v4[1], v4[2], 0}
	}
	v6 := a.As16()
	return [prefixSize]byte(v6[:8])
}

// TestPrefixes: the sources of one /24 or /64 share a bucket, others have their own.
func TestPrefixes(t *testing.T) {
	for _, h := range hooks {
		t.Run(h.name, func(t *testing.T) {
			b := newBench(t, h.hook, slow(2), slow(1000))
			send := func(from string) bool {
				to := node6
				if ap(from).Addr().Is4() {
					to = node4
				}
				return b.run(frame{from: ap(from), to: to, payload: 100}.bytes())
			}
			for _, s := range []struct {
				from string
				want bool
			}{
				{"198.51.100.1:1", true}, {"198.51.100.255:1", true}, {"198.51.100.2:1", false},
				{"198.51.101.1:1", true}, {"198.50.100.1:1", true}, {"199.51.100.1:1", true},
				{"[2001:db8:0:1::1]:1", true}, {"[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", true}, {"[2001:db8:0:1::2]:1", false},
				{"[2001:db8:0:2::1]:1", true}, {"[2001:db9:0:1::1]:1", true},
			} {
				if got := send(s.from); got != s.want {
					t.Errorf("%s: passed %v, want %v", s.from, got, s.want)
				}
			}
		})
	}
}

// TestForgedSourcesEvictNothing: a flood under ever new names leaves the held endpoints and the
// buckets of those that were let through as they are.
func TestForgedSourcesEvictNothing(t *testing.T) {
	b := newBench(t, hookXDP, slow(1), slow(50))
	peers := make([]netip.AddrPort, held)
	for i := range peers {
		peers[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, 1, byte(i), 1}), 30303)
	}
	b.hold(peers...)
	n := 3 * Prefixes
	for i := range n {
		b.run(frame{from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(80 + i>>16), byte(i >> 8), byte(i), 1}), 9), to: node4, payload: 100}.bytes())
	}
	want := [numCauses]uint64{passedNew: 50, droppedTotal: uint64(n - 50)}
	if got := b.counts(); got != want {
		t.Errorf("counts %v, want %v", got, want)
	}
	for i := range 50 { // the first 50 have used their bucket up
		if b.run(frame{from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{80, 0, byte(i), 2}), 9), to: node4, payload: 100}.bytes()) {
			t.Fatalf("prefix %d has its tokens back", i)
		}
	}
	if got := b.counts(); got[droppedPrefix] != 50 {
		t.Errorf("%d of 50 prefixes are remembered", got[droppedPrefix])
	}
	for _, p := range peers {
		if !b.run(frame{from: p, to: node4, payload: 100}.bytes()) {
			t.Fatalf("%v does not pass", p)
		}
	}
	if failed := b.maps.add([]endpoint{endpointOf(ap("9.9.9.9:9"))}); len(failed) != 1 {
		t.Error("the table of held endpoints has no bound")
	}
}

// TestPrefix: the text passes packets on to what follows it, with the context in R1 and R6.
func TestPrefix(t *testing.T) {
	b := newBench(t, hookXDP, slow(1), slow(1))
	x := &builder{hook: hookXDP, maps: b.maps, ports: []uint16{9000}, min: testMin, max: testMax, network: slow(1), total: slow(1)}
	const redirect = 4
	text := append(asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}, x.prefix("next")...)
	text = append(text,
		asm.LoadMem(asm.R2, asm.R1, xdpData, asm.Word).WithSymbol("next"),
		asm.LoadMem(asm.R3, asm.R6, xdpDataEnd, asm.Word),
		asm.Sub.Reg(asm.R3, asm.R2),
		asm.Mov.Imm(asm.R0, redirect),
		asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: license, Instructions: text})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer prog.Close()
	peer := ap("198.51.100.7:30303")
	b.hold(peer)
	for _, c := range []struct {
		from netip.AddrPort
		to   netip.AddrPort
		want uint32
	}{
		{peer, node4, redirect}, {ap("203.0.113.9:1"), node4, redirect}, {ap("203.0.113.8:1"), node4, xdpDrop},
		{ap("203.0.113.8:1"), ap("192.0.2.7:9000"), redirect},
	} {
		got, err := prog.Run(&ebpf.RunOptions{Data: frame{from: c.from, to: c.to, payload: 100}.bytes()})
		if err != nil || got != c.want {
			t.Errorf("%v to %v: verdict %d, %v; want %d", c.from, c.to, got, err, c.want)
		}
	}
}

func BenchmarkProgram(b *testing.B) {
	peer := ap("198.51.100.7:30303")
	for _, c := range []struct {
		name string
		from func(i int) netip.AddrPort
		rate bucket
	}{
		{"held", func(int) netip.AddrPort { return peer }, slow(1)},
		{"prefix", func(int) netip.AddrPort { return ap("203.0.113.9:1") }, slow(1)},
	} {
		for _, h := range hooks {
			b.Run(fmt.Sprintf("%s/%s", h.name, c.name), func(b *testing.B) {
				x := newBench(b, h.hook, c.rate, slow(1000))
				x.hold(peer)
				f := frame{from: c.from(0), to: node4, payload: 100}.bytes()
				x.run(f)
				opts := &ebpf.RunOptions{Data: f, Repeat: uint32(max(b.N, 1))}
				if _, err := x.prog.Run(opts); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
