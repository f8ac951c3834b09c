package limiter

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/fastdisc/discv5/limits"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func rate(perSecond, burst int) limits.Rate { return limits.Rate{PerSecond: perSecond, Burst: burst} }

// count returns how many of n datagrams from addr the limiter allows at now.
func count(l *Limiter, now time.Duration, addr netip.Addr, n int) (passed int) {
	for range n {
		if l.Allow(now, addr) {
			passed++
		}
	}
	return passed
}

func TestLayout(t *testing.T) {
	if s := unsafe.Sizeof(set{}); s != setSize {
		t.Errorf("a set takes %d bytes, not %d", s, setSize)
	}
	if l := New(Config{}); l.Size() != DefaultSize || DefaultSize != 1<<20 {
		t.Errorf("default size %d, constant %d", l.Size(), DefaultSize)
	}
	for _, sets := range []int{1, 2, 3, 1000} {
		l := New(Config{Sets: sets, Rates: limits.Rates{Address: rate(1, 1)}})
		if n := int(l.levels[0][0].sets.mask + 1); n < sets || n&(n-1) != 0 || l.Size() != n*setSize {
			t.Errorf("Sets %d: %d sets, %d bytes", sets, n, l.Size())
		}
	}
}

// TestMemoryWhenNeeded: a limiter allocates memory for the sources it sees.
func TestMemoryWhenNeeded(t *testing.T) {
	l := New(Config{Seed: 1})
	taken := func() (n int) {
		seen := make(map[*sets]bool)
		for family := range l.levels {
			for i := range l.levels[family] {
				s := &l.levels[family][i].sets
				if seen[s] || family == 1 && len(l.levels[family]) == 0 {
					continue
				}
				seen[s] = true
				for j := range s.chunks {
					if s.chunks[j].Load() != nil {
						n++
					}
				}
			}
		}
		return n
	}
	if n := taken(); n != 0 {
		t.Errorf("%d chunks without a source", n)
	}
	for i := range 10 {
		l.Allow(0, netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}))
	}
	// Both families share the table of a level, so a chunk counts for both.
	if n := taken(); n == 0 || n > 2*11 {
		t.Errorf("%d chunks for 10 addresses of one /24", n)
	}
	for i := range 1 << 16 {
		l.Allow(0, netip.AddrFrom4([4]byte{byte(1 + i>>13), byte(i >> 8), byte(i), 1}))
	}
	if n := taken(); n*chunkSets*setSize > 2*DefaultSize {
		t.Errorf("%d chunks, more than the bound", n)
	}
}

func TestLevels(t *testing.T) {
	rates := limits.Rates{Address: rate(1, 10), Prefix64: rate(1, 25), Prefix56: rate(1, 35), Network: rate(1, 45)}
	tests := []struct {
		name string
		// other sends after 198.51.100.7 or 2001:db8:1:102::7 has used up the limit of its address.
		other string
		left  int // datagrams that other may still send
		cause cause
	}{
		{"same v4 address", "198.51.100.7", 0, overAddress},
		{"same v4 address, mapped", "::ffff:198.51.100.7", 0, overAddress},
		{"same /24", "198.51.100.8", 10, overAddress},
		{"other /24", "198.51.101.7", 10, overAddress},
		{"same v6 address", "2001:db8:1:102::7", 0, overAddress},
		{"same v6 address, zone", "2001:db8:1:102::7%eth0", 0, overAddress},
		{"same /64", "2001:db8:1:102::8", 10, overAddress},
		{"same /56", "2001:db8:1:103::7", 10, overAddress},
		{"same /48", "2001:db8:1:202::7", 10, overAddress},
		{"other /48", "2001:db8:2:102::7", 10, overAddress},
	}
	for _, tt := range tests {
		l := New(Config{Rates: rates, Sets: 64, Seed: 1})
		a := ip("198.51.100.7")
		if ip(tt.other).Unmap().Is6() {
			a = ip("2001:db8:1:102::7")
		}
		if n := count(l, time.Second, a, 100); n != 10 {
			t.Errorf("%s: first source sent %d", tt.name, n)
		}
		if n := count(l, time.Second, ip(tt.other), 100); n != tt.left {
			t.Errorf("%s: %d allowed, want %d", tt.name, n, tt.left)
		}
		if c := l.charge(time.Second, ip(tt.other)); c != tt.cause {
			t.Errorf("%s: then %s, want %s", tt.name, c, tt.cause)
		}
	}
}

// TestRotation: each wider prefix bounds rotation inside it.
func TestRotation(t *testing.T) {
	rates := limits.Rates{Address: rate(1, 10), Prefix64: rate(1, 20), Prefix56: rate(1, 30), Network: rate(1, 40)}
	v6 := func(third, iid int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, 1, byte(third >> 8), byte(third), 14: byte(iid >> 8), 15: byte(iid)})
	}
	tests := []struct {
		name   string
		source func(i int) netip.Addr
		want   int
		cause  cause
	}{
		{"addresses of a /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }, 40, overNetwork},
		{"addresses of a /64", func(i int) netip.Addr { return v6(1, i) }, 20, over64},
		{"/64s of a /56", func(i int) netip.Addr { return v6(i&0xff, i) }, 30, over56},
		{"/56s of a /48", func(i int) netip.Addr { return v6(i<<8, i) }, 40, overNetwork},
	}
	for _, tt := range tests {
		l := New(Config{Rates: rates, Sets: 64, Seed: 1})
		passed := 0
		for i := range 250 {
			c := l.charge(0, tt.source(i))
			if c == allowed {
				passed++
			} else if c != tt.cause {
				t.Fatalf("%s: refused: %s, want %s", tt.name, c, tt.cause)
			}
		}
		if passed != tt.want {
			t.Errorf("%s: %d allowed, want %d", tt.name, passed, tt.want)
		}
	}
}

func TestRefill(t *testing.T) {
	l := New(Config{Rates: limits.Rates{Address: rate(10, 5)}, Seed: 2})
	a := ip("203.0.113.1")
	for _, step := range []struct {
		at   time.Duration
		want int
	}{
		{0, 5}, {0, 0}, {99 * time.Millisecond, 0}, {100 * time.Millisecond, 1}, {350 * time.Millisecond, 2},
		{time.Hour, 5}, {time.Hour - time.Second, 0}, // the clock of another worker is behind
		{time.Hour + 100*time.Millisecond, 1},
	} {
		if n := count(l, step.at, a, 20); n != step.want {
			t.Errorf("at %v: %d allowed, want %d", step.at, n, step.want)
		}
	}
}

func TestRateForms(t *testing.T) {
	for _, tt := range []struct {
		rate limits.Rate
		want int // of 3000 datagrams at the same time
	}{{rate(100, 0), 100}, {rate(100, 1), 1}, {rate(1, math.MaxInt), 3000}, {rate(math.MaxInt, 7), 7}, {rate(0, 5), 3000}, {rate(-1, 5), 3000}} {
		l := New(Config{Rates: limits.Rates{Address: tt.rate, Network: rate(1<<30, 1<<30)}})
		if n := count(l, time.Minute, ip("203.0.113.1"), 3000); n != tt.want {
			t.Errorf("%+v: %d allowed, want %d", tt.rate, n, tt.want)
		}
	}
	var none *Limiter
	if !none.Allow(0, ip("203.0.113.1")) {
		t.Error("a nil limiter refuses")
	}
	if n := count(New(Config{}), 0, netip.Addr{}, 500); n != 200 {
		t.Errorf("the invalid address may send %d", n)
	}
}

func TestExempt(t *testing.T) {
	tests := []struct {
		addr            string
		local, loopback bool // allowed with ExemptLocal, ExemptLoopback
	}{
		{"127.0.0.1", true, true}, {"127.255.255.255", true, true}, {"::1", true, true}, {"::ffff:127.0.0.1", true, true},
		{"10.0.0.0", true, false}, {"10.255.255.255", true, false}, {"9.255.255.255", false, false}, {"11.0.0.0", false, false},
		{"172.16.0.0", true, false}, {"172.31.255.255", true, false}, {"172.15.255.255", false, false}, {"172.32.0.0", false, false},
		{"192.168.0.0", true, false}, {"192.168.255.255", true, false}, {"192.167.0.1", false, false}, {"192.169.0.1", false, false},
		{"169.254.0.1", true, false}, {"169.253.0.1", false, false}, {"169.255.0.1", false, false},
		{"100.64.0.0", true, false}, {"100.127.255.255", true, false}, {"100.63.0.1", false, false}, {"100.128.0.1", false, false},
		{"::ffff:192.168.1.1", true, false}, {"fc00::1", true, false}, {"fdff::1", true, false}, {"fe00::1", false, false},
		{"fe80::1", true, false}, {"febf::1", true, false}, {"fec0::1", false, false}, {"fbff::1", false, false},
		{"::", false, false}, {"::2", false, false}, {"8.8.8.8", false, false}, {"2001:4860::1", false, false},
	}
	for _, tt := range tests {
		for e, pass := range map[Exempt]bool{ExemptLocal: tt.local, ExemptLoopback: tt.loopback, ExemptNone: false} {
			l := New(Config{Exempt: e, Sets: 1, Rates: limits.Rates{Address: rate(1, 1)}})
			if n := count(l, 0, ip(tt.addr), 2); (n == 2) != pass {
				t.Errorf("%s, exemption %d: %d of 2 passed", tt.addr, e, n)
			}
		}
	}
}

// reference is an unbounded limiter: a map per level. It counts tokens instead of arrival times.
type reference struct {
	rates  []limits.Rate
	bits   [2][]int // prefix lengths of IPv4, IPv6; -1 for none
	tokens []map[netip.Prefix]*tokens
}

type tokens struct {
	left int64 // in units of 1/interval datagrams
	at   time.Duration
}

func newReference(r limits.Rates) *reference {
	w := &reference{rates: []limits.Rate{r.Address, r.Prefix64, r.Prefix56, r.Network}, bits: [2][]int{{32, -1, -1, 24}, {128, 64, 56, 48}}}
	for range w.rates {
		w.tokens = append(w.tokens, map[netip.Prefix]*tokens{})
	}
	return w
}

func (w *reference) allow(now time.Duration, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	bits := w.bits[0]
	if addr.Is6() {
		bits = w.bits[1]
	}
	var take []*tokens
	var cost []int64
	for i, r := range w.rates {
		if bits[i] < 0 {
			continue
		}
		p, _ := addr.Prefix(bits[i])
		interval := int64(time.Second) / int64(r.PerSecond)
		full := interval * int64(r.Burst)
		k := w.tokens[i][p]
		if k == nil {
			k = &tokens{left: full}
			w.tokens[i][p] = k
		}
		k.left, k.at = min(full, k.left+int64(now-k.at)), now
		if k.left < interval {
			return false
		}
		take, cost = append(take, k), append(cost, interval)
	}
	for i, k := range take {
		k.left -= cost[i]
	}
	return true
}

// TestReference: a limiter whose sets are not full decides like the reference implementation.
func TestReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	rates := limits.Rates{Address: rate(100, 20), Prefix64: rate(150, 30), Prefix56: rate(200, 40), Network: rate(300, 50)}
	for round := range 20 / scale {
		l, w := New(Config{Rates: rates, Seed: rnd.Uint64(), Exempt: ExemptNone}), newReference(rates)
		now := time.Duration(0)
		passed := 0
		const n = 20000
		for i := range n {
			now += time.Duration(rnd.Int64N(int64(time.Millisecond)))
			var a netip.Addr
			if rnd.IntN(2) == 0 {
				a = netip.AddrFrom4([4]byte{10, 0, byte(rnd.IntN(3)), byte(rnd.IntN(4))})
			} else {
				a = netip.AddrFrom16([16]byte{0x20, 1, 5: byte(rnd.IntN(2)), 6: byte(rnd.IntN(3)), 7: byte(rnd.IntN(3)), 15: byte(rnd.IntN(4))})
			}
			got := l.charge(now, a)
			if want := w.allow(now, a); (got == allowed) != want {
				t.Fatalf("round %d, datagram %d from %s: %s, reference %v", round, i, a, got, want)
			}
			if got == allowed {
				passed++
			}
		}
		if passed < n/10 || passed > n*9/10 {
			t.Fatalf("%d of %d passed: this tests nothing", passed, n)
		}
	}
}

func TestAllowAllocs(t *testing.T) {
	l := New(Config{Seed: 3})
	sources := []netip.Addr{ip("203.0.113.1"), ip("2001:db8::1"), ip("127.0.0.1"), ip("::ffff:198.51.100.1")}
	i := 0
	if n := testing.AllocsPerRun(10000, func() {
		l.Allow(time.Duration(i)*time.Microsecond, sources[i%len(sources)])
		l.Allow(time.Duration(i)*time.Microsecond, netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
