package filter

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/limits"
)

// once is a rate that lets n datagrams through during a test, and no more.
func once(n int) limits.Rate { return limits.Rate{PerSecond: 1, Burst: n} }

// listen opens the sockets of a node.
func listen(t *testing.T, addr string, sockets int) *fastpath.Group {
	t.Helper()
	g, err := fastpath.Listen(fastpath.Config{Addr: ap(addr), Sockets: sockets, RecvBuffer: 1 << 20, MinSize: testMin, MaxSize: testMax})
	if err != nil {
		t.Skipf("probed for a socket filter: %v", err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// newFilter attaches a filter that must take the given mode.
func newFilter(t *testing.T, cfg Config, want Mode, groups ...*fastpath.Group) *Filter {
	t.Helper()
	needBPF(t)
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Attach(fastpath.FilterTarget{Groups: groups, Held: held}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if i := f.Info(); i.Mode != want.String() {
		t.Fatalf("mode %v, want %v", i, want)
	}
	return f
}

// inbox reads what reaches the sockets of a group.
type inbox chan netip.AddrPort

func readAll(t *testing.T, g *fastpath.Group) inbox {
	in := make(inbox, 4096)
	for _, c := range g.Conns() {
		go func() {
			rx := fastpath.NewRx(64, 2048)
			for {
				if err := c.ReadBatch(rx); err != nil {
					return
				}
				for i := range rx.Len() {
					in <- rx.Addr(i)
				}
			}
		}()
	}
	return in
}

// wait returns the sources of the next n datagrams.
func (in inbox) wait(t *testing.T, n int) map[netip.AddrPort]int {
	t.Helper()
	got := make(map[netip.AddrPort]int)
	for i := range n {
		select {
		case a := <-in:
			got[a]++
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d datagrams have arrived: %v", i, n, got)
		}
	}
	return got
}

// sender is a socket at an address.
func sender(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ap(addr)))
	if err != nil {
		t.Skipf("probed for a socket filter: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func send(t *testing.T, c *net.UDPConn, to netip.AddrPort, size, n int) {
	t.Helper()
	for range n {
		if _, err := c.WriteToUDPAddrPort(make([]byte, size), to); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSocket: the filter at the sockets lets held endpoints through and limits the others; without
// it everything passes once more.
func TestSocket(t *testing.T) {
	for _, c := range []struct {
		name, node      string
		peer, junk, far string
	}{
		{"IPv4", "127.0.0.1:0", "127.0.1.1:0", "127.0.2.1:0", "127.0.3.1:0"},
		{"IPv4 wildcard", "0.0.0.0:0", "127.0.1.1:0", "127.0.2.1:0", "127.0.3.1:0"},
		{"IPv6", "[::1]:0", "[::1]:0", "[::1]:0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := listen(t, c.node, 2)
			f := newFilter(t, Config{Mode: Socket, PrefixRate: once(2), TotalRate: once(3)}, Socket, g)
			in := readAll(t, g)
			to := g.Addr()
			if to.Addr().IsUnspecified() {
				to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
			}
			peer, junk := sender(t, c.peer), sender(t, c.junk)
			f.Hold(addrOf(peer))
			f.Flush()
			send(t, junk, to, 100, 200)
			send(t, junk, to, testMin-1, 5)
			send(t, peer, to, 100, 100)
			send(t, peer, to, testMax+1, 7)
			want := fastpath.FilterStats{PassedHeld: 100, PassedNew: 1, PassedHandshake: HandshakePackets, DroppedSize: 12, Held: 1}
			if c.far != "" {
				far := sender(t, c.far)
				send(t, far, to, 100, 50)
			}
			deadline := time.Now().Add(30 * time.Second)
			for f.Stats().DroppedSize < want.DroppedSize && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			s := f.Stats()
			got := in.wait(t, 100+int(s.PassedNew+s.PassedHandshake))
			if got[addrOf(peer)] != 100 {
				t.Errorf("%d of 100 datagrams of the held endpoint arrive", got[addrOf(peer)])
			}
			// A token may come back while the test runs, so that the counts have a little room.
			if s.PassedHeld != 100 || s.DroppedSize != 12 || s.Held != 1 || s.DroppedPrefix+s.DroppedTotal < 150 || s.PassedNew < 1 || s.PassedNew > 40 {
				t.Errorf("counts %+v", s)
			}

			f.Release(addrOf(peer))
			f.Flush()
			if n := f.Stats().Held; n != 0 {
				t.Errorf("%d endpoints are held after their release", n)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			send(t, junk, to, 100, 20)
			if got := in.wait(t, 20); got[addrOf(junk)] != 20 {
				t.Errorf("after Close: %v", got)
			}
			send(t, junk, to, testMin-1, 20)
			send(t, peer, to, 100, 1)
			in.wait(t, 1)
			if n := g.Stats().Short; n != 0 {
				t.Errorf("the filter for sizes is gone: %d short datagrams were read", n)
			}
		})
	}
}

// TestRefused: a filter that the system or the node rules out says why, and passes everything.
func TestRefused(t *testing.T) {
	f, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Attach(fastpath.FilterTarget{}); err != nil {
		t.Fatal(err)
	}
	if i := f.Info(); i.Mode != "none" || i.Reason == "" {
		t.Errorf("without sockets: %v", i)
	}
	if err := f.Attach(fastpath.FilterTarget{}); !errors.Is(err, errAttached) {
		t.Errorf("a second Attach: %v", err)
	}
	f.Hold(node4)
	f.Flush()
	f.Release(node4)
	if s := f.Stats(); s != (fastpath.FilterStats{}) {
		t.Errorf("counts %+v", s)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if f, _ = New(Config{}); f.Close() != nil || !errors.Is(f.Attach(fastpath.FilterTarget{}), errAttached) {
		t.Error("Attach after Close succeeds")
	}

	needBPF(t)
	g := listen(t, "127.0.0.1:0", 1)
	for _, m := range []Mode{XDP, TC, Auto} { // no interface but loopback has the address
		x := newFilter(t, Config{Mode: m}, Socket, g)
		if i := x.Info(); !strings.Contains(i.Reason, errNoInterface.Error()) || strings.Contains(i.Reason, "xdp:") == (m == TC) {
			t.Errorf("%v: %v", m, i)
		}
		x.Close()
	}
	x := newFilter(t, Config{Mode: XDP, Interfaces: []string{"no-such-if"}}, Socket, g)
	if i := x.Info(); !strings.Contains(i.Reason, "no-such-if") {
		t.Errorf("an unknown interface: %v", i)
	}
}

// TestWithoutRights: what the kernel refuses is the reason in Info.
func TestWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("probed for root, whose rights it gives up: this is another user")
	}
	g := listen(t, "127.0.0.1:0", 1)
	f, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unprivileged(t, func() {
		if err := f.Attach(fastpath.FilterTarget{Groups: []*fastpath.Group{g}, Held: 4}); err != nil {
			t.Fatal(err)
		}
	})
	if i := f.Info(); i.Mode == "none" && !strings.Contains(i.Reason, "not permitted") || i.Mode != "none" && i.Reason == "" {
		t.Errorf("%v", i)
	}
	f.Hold(node4)
	f.Flush()
}

// TestRights: the capabilities that docs/OPERATING.md names are enough.
func TestRights(t *testing.T) {
	needBPF(t)
	if os.Geteuid() != 0 {
		t.Skip("probed for root, whose rights it gives up: this is another user")
	}
	for _, c := range []struct {
		hook hook
		typ  ebpf.ProgramType
		caps []int
	}{
		{hookSocket, ebpf.SocketFilter, []int{unix.CAP_BPF}},
		{hookTC, ebpf.SchedCLS, []int{unix.CAP_BPF, unix.CAP_NET_ADMIN}},
		{hookXDP, ebpf.XDP, []int{unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON}},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			unprivileged(t, func() {
				m, err := newMaps(4)
				if err != nil {
					t.Error(err)
					return
				}
				defer m.close()
				b := &builder{hook: c.hook, maps: m, ports: []uint16{9000}, min: testMin, max: testMax, network: slow(1), total: slow(1)}
				p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: c.typ, License: license, Instructions: b.standalone()})
				if err != nil {
					t.Errorf("%+v", err)
					return
				}
				p.Close()
			}, c.caps...)
		})
	}
}
