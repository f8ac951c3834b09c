package filter

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath/filter"
	"github.com/fastdisc/discv5/internal/proctest"
)

// occupy puts an XDP program of somebody else on an interface of the host.
func occupy(t *testing.T, h *host, name string) (free func(), err error) {
	t.Helper()
	h.do(func() {
		var p *ebpf.Program
		if p, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}}); err != nil {
			return
		}
		defer p.Close()
		var i *net.Interface
		if i, err = net.InterfaceByName(name); err != nil {
			return
		}
		var l link.Link
		if l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: i.Index}); err == nil {
			free = func() { l.Close() }
			t.Cleanup(free)
		}
	})
	return free, err
}

// TestInterfaces: the filter follows the interfaces that have an address of the node.
func TestInterfaces(t *testing.T) {
	for _, mode := range []filter.Mode{filter.TC, filter.XDP} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLab(t)
			node, f := l.start(t, filter.Config{Mode: mode, PrefixRate: rate(1, 1), TotalRate: rate(1, 1)}, "0.0.0.0:9000", "[::]:9001")
			needFilter(t, f, mode)
			on := func(what string, names ...string) {
				t.Helper()
				eventually(t, what, func() bool {
					i := f.Info()
					if i.Mode != mode.String() {
						t.Fatalf("%s: %v", what, i)
					}
					return slices.Equal(i.Interfaces, names)
				})
			}
			on("at the start", "vn")
			dropped := func(what, to string) {
				t.Helper()
				before := f.Stats().Dropped()
				stop := l.junk(t, to, 20)
				eventually(t, what+": junk is dropped", func() bool { return f.Stats().Dropped() > before+50 })
				stop()
			}
			dropped("at the start", node4+":9000")
			dropped("IPv6", "["+node6+"]:9001")

			// A new interface.
			l.wire(t, "vn2", "vp2", "10.2.0.1", "fd02::1", 2)
			on("a second interface", "vn", "vn2")
			dropped("a second interface", "10.2.0.1:9000")

			// A new address of an interface.
			l.node.ip(t, "addr add 10.1.0.77/24 dev vn")
			dropped("a new address", "10.1.0.77:9000")

			// Down and up.
			l.node.ip(t, "link set vn down", "link set vn up")
			l.net.ip(t, "link set vp up")
			l.node.ip(t, "route replace default via 10.1.0.254", "addr replace fd01::1/64 dev vn nodad", "route replace ::/0 via fd01::fe")
			dropped("after down and up", node4+":9000")

			// Gone, and a new one of the same name.
			l.node.ip(t, "link del vn2")
			on("an interface has gone", "vn")
			l.wire(t, "vn2", "vp2", "10.2.0.1", "fd02::1", 2)
			on("the interface has come back", "vn", "vn2")
			dropped("the interface has come back", "10.2.0.1:9000")

			// All gone: sockets remain. The filter comes back with the interfaces.
			l.node.ip(t, "link del vn2", "link del vn")
			l.wire(t, "vn", "vp", node4, node6, 1)
			l.node.ip(t, "route add default via 10.1.0.254")
			eventually(t, "the filter is back", func() bool { return slices.Equal(f.Info().Interfaces, []string{"vn"}) })
			dropped("all interfaces are new", node4+":9000")
			if s := f.Stats(); s.Fallbacks != 0 {
				t.Errorf("%d fallbacks", s.Fallbacks)
			}
			node.Close()
			if free, err := occupy(t, l.node, "vn"); err != nil {
				t.Errorf("after Close: %v", err)
			} else {
				free()
			}
		})
	}
}

// TestAnotherProgram: where XDP is taken, the filter does without, at the start and later.
func TestAnotherProgram(t *testing.T) {
	for _, mode := range []filter.Mode{filter.Auto, filter.XDP} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLab(t)
			free, err := occupy(t, l.node, "vn")
			if err != nil {
				t.Skipf("probed for XDP: %v", err)
			}
			_, first := l.start(t, filter.Config{Mode: mode}, "0.0.0.0:9000")
			if i := first.Info(); i.Mode == "xdp" || !strings.Contains(i.Reason, "xdp: vn: another program") {
				t.Errorf("XDP is taken: %v", i)
			}
			first.Close()
			free()

			node, f := l.start(t, filter.Config{Mode: mode, PrefixRate: rate(1, 1), TotalRate: rate(1, 1)}, "0.0.0.0:9001")
			needFilter(t, f, filter.XDP)
			if i := f.Info(); i.Mode != "xdp" {
				t.Fatalf("XDP is free: %v", i)
			}
			// An interface whose XDP is taken before the node has an address on it.
			l.node.ip(t, fmt.Sprintf("link add vn3 type veth peer name vp3 netns %d", l.net.TID()))
			if _, err := occupy(t, l.node, "vn3"); err != nil {
				t.Fatal(err)
			}
			l.node.ip(t, "addr add 10.3.0.1/24 dev vn3", "link set vn3 up")
			l.net.ip(t, "addr add 10.3.0.254/24 dev vp3", "link set vp3 up")
			eventually(t, "the filter falls back", func() bool { return f.Info().Mode != "xdp" })
			i := node.SourceFilter()
			if !strings.Contains(i.Reason, "vn3: another program") || i.Mode == "none" || f.Stats().Fallbacks != 1 {
				t.Errorf("%v, %+v", i, f.Stats())
			}
			for _, to := range []string{node4 + ":9001", "10.3.0.1:9001"} {
				before := f.Stats().Dropped()
				stop := l.junk(t, to, 20)
				eventually(t, "junk to "+to+" is dropped", func() bool { return f.Stats().Dropped() > before+50 })
				stop()
			}
			p := l.peerOf(t, node)
			ping(t, p, node, "a session")

			l.node.ip(t, "link del vn3")
			eventually(t, "the filter returns to XDP", func() bool { return f.Info().Mode == "xdp" })
			if i := node.SourceFilter(); i.Reason != "" || len(i.Interfaces) == 0 {
				t.Errorf("%v", i)
			}
			before := f.Stats().Dropped()
			stop := l.junk(t, node4+":9001", 20)
			eventually(t, "junk is dropped in XDP", func() bool { return f.Stats().Dropped() > before+50 })
			stop()
			ping(t, p, node, "a session after the return")
		})
	}
}

// peerOf starts a node that this one contacts, whatever the filter does to unknown sources.
func (l *lab) peerOf(t *testing.T, node *discv5.Node) *discv5.Node {
	t.Helper()
	p := l.peer(t, "10.67.0.1:9000")
	ping(t, node, p, "an own request")
	return p
}

// TestForwardedTraffic: datagrams to the node's port at other addresses are none of its business.
func TestForwardedTraffic(t *testing.T) {
	for _, mode := range []filter.Mode{filter.TC, filter.XDP} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLab(t)
			_, f := l.start(t, filter.Config{Mode: mode, PrefixRate: rate(1, 1), TotalRate: rate(1, 1)}, node4+":9000")
			needFilter(t, f, mode)
			// Another program has the same port at another address of the host.
			l.node.ip(t, "addr add 10.1.0.88/24 dev vn")
			var other *net.UDPConn
			l.node.do(func() {
				other, _ = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addrs([]string{"10.1.0.88:9000"})[0]))
			})
			if other == nil {
				t.Fatal("no socket")
			}
			defer other.Close()
			before := f.Stats()
			stop := l.junk(t, "10.1.0.88:9000", 50)
			defer stop()
			b := make([]byte, 2000)
			for range 500 {
				if _, _, err := other.ReadFromUDPAddrPort(b); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			if s := f.Stats(); s != before {
				t.Errorf("counts %+v", s)
			}
		})
	}
}

const victim = "FILTER_TEST_VICTIM"

// TestMain is a node with a filter if the environment says so.
func TestMain(m *testing.M) {
	mode := os.Getenv(victim)
	if mode == "" {
		os.Exit(m.Run())
	}
	parsed, err := filter.ParseMode(mode)
	if err != nil {
		panic(err)
	}
	f, err := filter.New(filter.Config{Mode: parsed, Interfaces: []string{"vn"}})
	if err != nil {
		panic(err)
	}
	n, err := discv5.New(discv5.Config{SourceFilter: f, ListenAddrs: addrs([]string{"0.0.0.0:9000"})})
	if err != nil {
		panic(err)
	}
	fmt.Println(f.Info().Mode, n.ID())
	select {
	case <-n.Done():
	case <-time.After(2 * patience):
	}
}

// TestKill: SIGKILL takes the programs off the interface.
func TestKill(t *testing.T) {
	for _, mode := range []filter.Mode{filter.TC, filter.XDP} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLab(t)
			cmd := proctest.Self(victim)
			cmd.Env = append(os.Environ(), victim+"="+mode.String())
			p := proctest.Start(t, cmd, proctest.Options{Launch: l.node.Do})
			if first := p.First(t); !strings.HasPrefix(first, mode.String()+" ") {
				t.Skipf("probed for a faster mode than %s: there is none", first)
			}
			if mode == filter.XDP {
				if free, err := occupy(t, l.node, "vn"); err == nil {
					free()
					t.Fatal("the interface is free while the node runs")
				}
			}
			p.End(t, syscall.SIGKILL)
			eventually(t, "the program is gone", func() bool {
				out, err := l.node.Run("ip", "-d", "link", "show", "vn")
				return err == nil && !strings.Contains(out, "prog/xdp")
			})
			free, err := occupy(t, l.node, "vn")
			if err != nil {
				t.Errorf("after SIGKILL: %v", err)
			} else {
				free()
			}
			_, f := l.start(t, filter.Config{Mode: mode}, "0.0.0.0:9000")
			if i := f.Info(); i.Mode != mode.String() || i.Reason != "" {
				t.Errorf("a new node: %v", i)
			}
		})
	}
}
