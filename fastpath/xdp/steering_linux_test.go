package xdp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/fastdisc/discv5/fastpath"
)

// Results of XDP programs.
const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpRedirect = 4
)

// verdictOf runs a program on a frame.
func verdictOf(t *testing.T, p *ebpf.Program, frame []byte) uint32 {
	t.Helper()
	v, err := p.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		t.Fatalf("BPF_PROG_RUN: %v", err)
	}
	return v
}

// steered opens a device of the given groups, so that its program redirects. BPF_PROG_RUN says that
// frames come from queue 0.
func steered(t *testing.T, l *lab, filter Filter, addrs ...netip.AddrPort) *device {
	t.Helper()
	gs := l.groupsOf(fastpath.Config{MinSize: 63, MaxSize: 1280}, addrs...)
	d, err := newDevice(Interface{Name: nodeEnd}, Options{Frames: 64, Filter: filter}, gs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	if a := d.acceleration(); a.Mode == "" {
		t.Fatal(a)
	}
	return d
}

// TestSteering runs the steering program on crafted frames.
func TestSteering(t *testing.T) {
	l := newLab(t, 1)
	d := steered(t, l, nil, netip.MustParseAddrPort("0.0.0.0:9000"), netip.MustParseAddrPort("[::]:9000"),
		netip.AddrPortFrom(node4, 9100))
	type change func(f []byte, addrs, udp int) []byte
	set := func(at int, b ...byte) change {
		return func(f []byte, _, _ int) []byte { copy(f[at:], b); return f }
	}
	setUDP := func(at int, b ...byte) change {
		return func(f []byte, _, udp int) []byte { copy(f[udp+at:], b); return f }
	}
	source := func(a string) change {
		return func(f []byte, addrs, _ int) []byte { copy(f[addrs:], netip.MustParseAddr(a).AsSlice()); return f }
	}
	target := func(a string) change {
		return func(f []byte, addrs, udp int) []byte {
			copy(f[(addrs+udp)/2:], netip.MustParseAddr(a).AsSlice())
			return f
		}
	}
	for _, family := range []struct {
		name     string
		from, to netip.AddrPort
	}{
		{"IPv4", netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), 30303), netip.AddrPortFrom(node4, 9000)},
		{"IPv6", netip.AddrPortFrom(netip.MustParseAddr("2001:db8::7"), 30303), netip.AddrPortFrom(node6, 9000)},
	} {
		for _, c := range []struct {
			name   string
			family string // empty: both
			size   int
			change change
			want   uint32
		}{
			{"a request", "", 95, nil, xdpRedirect},
			{"the smallest", "", 63, nil, xdpRedirect},
			{"the largest", "", 1280, nil, xdpRedirect},
			{"too small", "", 62, nil, xdpPass},
			{"too large", "", 1281, nil, xdpPass},
			{"padded", "", 63, func(f []byte, _, _ int) []byte { return append(f, make([]byte, 9)...) }, xdpRedirect},
			{"a partial checksum", "", 95, func(f []byte, _, _ int) []byte { return partial(f) }, xdpRedirect},
			{"another port", "", 95, setUDP(2, 0x23, 0x29), xdpPass},
			{"port 0", "", 95, setUDP(0, 0, 0), xdpPass},
			{"a broadcast frame", "", 95, set(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), xdpPass},
			{"a multicast frame", "", 95, set(0, 0x33, 0x33), xdpPass},
			{"a multicast sender", "", 95, set(6, 0x03), xdpPass},
			{"a VLAN tag", "", 95, func(f []byte, _, _ int) []byte {
				return append(append(append([]byte{}, f[:12]...), 0x81, 0, 0, 7), f[12:]...)
			}, xdpPass},
			{"two VLAN tags", "", 95, func(f []byte, _, _ int) []byte {
				return append(append(append([]byte{}, f[:12]...), 0x88, 0xa8, 0, 7, 0x81, 0, 0, 7), f[12:]...)
			}, xdpPass},
			{"ARP", "", 95, set(12, 0x08, 0x06), xdpPass},
			{"a length that lies", "", 95, setUDP(4, 1, 0), xdpPass},
			{"a UDP length below the packet", "", 95, setUDP(4, 0, 90), xdpPass},
			{"a cut frame, which parse drops", "", 95, func(f []byte, _, _ int) []byte { return f[:len(f)-1] }, xdpRedirect},
			{"cut in the UDP header", "", 95, func(f []byte, _, udp int) []byte { return f[:udp+7] }, xdpPass},

			{"the port of one address", "IPv4", 95, setUDP(2, 0x23, 0x8c), xdpRedirect},
			{"an address of another host", "IPv4", 95, target("10.88.0.77"), xdpPass},
			{"the broadcast address", "IPv4", 95, target("10.88.0.255"), xdpPass},
			{"options", "IPv4", 95, set(14, 0x46), xdpPass},
			{"more fragments", "IPv4", 95, set(20, 0x20, 0), xdpPass},
			{"the last fragment", "IPv4", 95, set(20, 0, 9), xdpPass},
			{"do not fragment", "IPv4", 95, set(20, 0x40, 0), xdpRedirect},
			{"TCP", "IPv4", 95, set(23, 6), xdpPass},
			{"ICMP", "IPv4", 95, set(23, 1), xdpPass},
			{"total length 0", "IPv4", 95, set(16, 0, 0), xdpPass},
			{"total length above the frame", "IPv4", 95, set(16, 5, 0), xdpPass},
			{"source 0.0.0.0", "IPv4", 95, source("0.0.0.0"), xdpPass},
			{"source loopback", "IPv4", 95, source("127.0.0.1"), xdpPass},
			{"source multicast", "IPv4", 95, source("224.0.0.1"), xdpPass},
			{"source broadcast", "IPv4", 95, source("255.255.255.255"), xdpPass},
			{"source link-local", "IPv4", 95, source("169.254.3.4"), xdpPass},
			{"source next to link-local", "IPv4", 95, source("169.253.3.4"), xdpRedirect},

			{"the port of an IPv4 address", "IPv6", 95, setUDP(2, 0x23, 0x8c), xdpPass},
			{"an address of another host", "IPv6", 95, target("fd88::77"), xdpPass},
			{"multicast", "IPv6", 95, target("ff02::1"), xdpPass},
			{"hop-by-hop options", "IPv6", 95, set(20, 0), xdpPass},
			{"a fragment header", "IPv6", 95, set(20, 44), xdpPass},
			{"version 4", "IPv6", 95, set(14, 0x45), xdpPass},
			{"payload length 0", "IPv6", 95, set(18, 0, 0), xdpPass},
			{"payload length above the frame", "IPv6", 95, set(18, 5, 0), xdpPass},
			{"source ::", "IPv6", 95, source("::"), xdpPass},
			{"source ::1", "IPv6", 95, source("::1"), xdpPass},
			{"source multicast", "IPv6", 95, source("ff02::2"), xdpPass},
			{"source link-local", "IPv6", 95, source("fe80::9"), xdpPass},
			{"source IPv4-mapped", "IPv6", 95, source("::ffff:192.0.2.7"), xdpPass},
			{"source unique local", "IPv6", 95, source("fd12::9"), xdpRedirect},
		} {
			if c.family != "" && c.family != family.name {
				continue
			}
			t.Run(family.name+"/"+c.name, func(t *testing.T) {
				f := newFrame(family.from, family.to, text(c.size))
				if addrs, udp := offsets(f); c.change != nil {
					f = c.change(f, addrs, udp)
				}
				if got := verdictOf(t, d.program, f); got != c.want {
					t.Errorf("verdict %d, want %d", got, c.want)
				}
			})
		}
	}
	t.Run("a queue without a socket", func(t *testing.T) {
		f := newFrame(families[0].from, netip.AddrPortFrom(node4, 9000), text(95))
		d.closeSocket(d.conns[0])
		if got := verdictOf(t, d.program, f); got != xdpPass {
			t.Errorf("verdict %d, want %d", got, xdpPass)
		}
	})
}

// markFilter drops frames whose sender begins with the byte marked.
type markFilter struct {
	off                bool
	attached, detached int
}

const marked = 0x76

func (m *markFilter) Detached(int) { m.detached++ }

func (m *markFilter) XDP(int) (func(next string) asm.Instructions, bool) {
	if m.off {
		return nil, false
	}
	m.attached++
	return func(next string) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
			asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, 14),
			asm.JGT.Reg(asm.R4, asm.R3, next),
			asm.LoadMem(asm.R4, asm.R2, 6, asm.Byte),
			asm.JNE.Imm(asm.R4, marked, next),
			asm.Mov.Imm(asm.R0, xdpDrop),
			asm.Return(),
		}
	}, true
}

// TestFilter: the instructions of a filter see every frame, and decide or go on. The filter learns
// when they are gone.
func TestFilter(t *testing.T) {
	l := newLab(t, 1)
	m := &markFilter{}
	d := steered(t, l, m, netip.MustParseAddrPort("0.0.0.0:9000"))
	f := newFrame(families[0].from, netip.AddrPortFrom(node4, 9000), text(95))
	if got := verdictOf(t, d.program, f); got != xdpRedirect {
		t.Errorf("verdict %d, want %d", got, xdpRedirect)
	}
	f[6] = marked
	if got := verdictOf(t, d.program, f); got != xdpDrop {
		t.Errorf("verdict %d, want %d", got, xdpDrop)
	}
	d.close()
	if m.attached != 1 || m.detached != 1 {
		t.Errorf("attached %d times, detached %d times", m.attached, m.detached)
	}
	m.off = true
	d = steered(t, l, m, netip.MustParseAddrPort("0.0.0.0:9001"))
	f[37]++ // the port
	if got := verdictOf(t, d.program, f); got != xdpRedirect {
		t.Errorf("verdict %d of a program without filter, want %d", got, xdpRedirect)
	}
	d.close()
	if m.detached != 1 {
		t.Error("a filter that was not attached is detached")
	}
}

// TestSteeringFollowsAddresses: the program redirects for the addresses that the interface has at
// the time.
func TestSteeringFollowsAddresses(t *testing.T) {
	l := newLab(t, 1)
	d := steered(t, l, nil, netip.MustParseAddrPort("0.0.0.0:9000"), netip.MustParseAddrPort("[::]:9000"))
	for _, c := range []struct{ from, addr, bits string }{
		{"192.0.2.7:30303", "10.88.7.7", "/32"},
		{"[2001:db8::7]:30303", "fd88:7::7", "/128"},
	} {
		f := newFrame(netip.MustParseAddrPort(c.from), netip.AddrPortFrom(netip.MustParseAddr(c.addr), 9000), text(95))
		if got := verdictOf(t, d.program, f); got != xdpPass {
			t.Fatalf("%s before it is there: verdict %d", c.addr, got)
		}
		l.try("addr", "add", c.addr+c.bits, "dev", nodeEnd, "nodad")
		await(t, "a new address", func() bool { return verdictOf(t, d.program, f) == xdpRedirect })
		l.ip("addr", "del", c.addr+c.bits, "dev", nodeEnd)
		await(t, "the end of the address", func() bool { return verdictOf(t, d.program, f) == xdpPass })
	}
}

// FuzzSteering: the program and parse agree. A frame that the program redirects is parsed, except
// for its checksums, which the program does not look at.
func FuzzSteering(f *testing.F) {
	sockets, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		f.Skipf("probed for the right to load programs: %v", err)
	}
	endpoints, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 20, ValueSize: 4, MaxEntries: 4})
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if err := endpoints.Put(newEndpointKey(family.to), uint32(1)); err != nil {
			f.Fatal(err)
		}
		f.Add(newFrame(family.from, family.to, text(63)))
		f.Add(newFrame(family.from, family.to, text(1280)))
	}
	s := steering{sockets: sockets, endpoints: endpoints, ports: []uint16{9000}, smallest: 63, largest: 1280}
	in := s.program()
	// There is no interface, and so no socket to redirect to: another verdict stands for it.
	for i := range in {
		if in[i].IsBuiltinCall() && in[i].Constant == int64(asm.FnRedirectMap) {
			in[i] = asm.Mov.Imm(asm.R0, xdpRedirect)
		}
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: in})
	if err != nil {
		f.Fatalf("%+v", err)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 3000 {
			return // BPF_PROG_RUN takes no others
		}
		got := verdictOf(t, p, frame)
		var o origin
		b, bad := o.parse(reseal4(frame))
		switch {
		case got != xdpPass && got != xdpRedirect:
			t.Fatalf("verdict %d", got)
		case got == xdpRedirect && bad != faultNone && bad != faultChecksum && !cut(frame):
			t.Fatalf("redirected, fault %d", bad)
		case got == xdpRedirect && bad == faultNone && (len(b) < 63 || len(b) > 1280 || o.to != families[0].to && o.to != families[1].to):
			t.Fatalf("redirected %d bytes to %v", len(b), o.to)
		}
	})
}

// cut reports whether a frame is shorter than its IP packet.
func cut(f []byte) bool {
	if f[12] == 8 {
		return int(binary.BigEndian.Uint16(f[16:])) > len(f)-etherLen
	}
	return int(binary.BigEndian.Uint16(f[18:])) > len(f)-etherLen-ipv6Len
}

// reseal4 fills in the checksum of an IPv4 header, if there is one.
func reseal4(f []byte) []byte {
	f = append([]byte(nil), f...)
	if len(f) >= head4 && f[12] == 8 && f[13] == 0 {
		f[24], f[25] = 0, 0
		binary.BigEndian.PutUint16(f[24:], ^slowSum(f[14:34]))
	}
	return f
}
