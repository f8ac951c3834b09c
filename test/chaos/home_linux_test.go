package chaos

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// more gives the host a further address on an interface. options is what else the command ip is to
// be told.
func (h *host) more(t *testing.T, addr, dev, options string) {
	t.Helper()
	a := netip.MustParseAddr(addr)
	bits := 128
	if a.Is4() {
		bits = 32
	} else {
		options += " nodad"
	}
	h.ip(t, fmt.Sprintf("address add %v/%d dev %s %s", a, bits, dev, options))
	h.f.attach(h.port, append(h.port.addrs, a)...)
}

// less takes an address from the host.
func (h *host) less(t *testing.T, addr, dev string) {
	t.Helper()
	bits := 128
	if netip.MustParseAddr(addr).Is4() {
		bits = 32
	}
	h.ip(t, fmt.Sprintf("address del %s/%d dev %s", addr, bits, dev))
}

// at is a contact of a node at another address than its record names.
func (n *node) at(t *testing.T, addr string) discv5.Contact {
	return contactAt(t, n.LocalRecord(), addr)
}

func contactAt(t *testing.T, r *enr.Record, addr string) discv5.Contact {
	t.Helper()
	key, _ := r.PublicKey()
	c, err := discv5.EnodeContact(enr.Enode{PublicKey: key}, netip.AddrPortFrom(netip.MustParseAddr(addr), udpPort))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sources watches which addresses a host sends UDP datagrams from, and which ones others send to.
type sources struct {
	mu          sync.Mutex
	sent, asked map[netip.Addr]int
}

func (f *fabric) watchSources(host *host) *sources {
	s := &sources{sent: make(map[netip.Addr]int), asked: make(map[netip.Addr]int)}
	f.set(func() {
		f.tap = func(p *port, h header, b []byte) {
			if !h.udp(b) {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if p == host.port {
				s.sent[h.src]++
			} else {
				s.asked[h.dst]++
			}
		}
	})
	return s
}

// only checks that all datagrams since the last call came from one address, unless a peer has asked
// at another one meanwhile: nodes make lookups of their own.
func (s *sources) only(t *testing.T, what, addr string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	home := netip.MustParseAddr(addr)
	if n := s.sent[home]; len(s.sent) != 1 || n == 0 {
		if n := s.asked[home]; n == 0 || len(s.asked) == 1 {
			t.Errorf("%s: datagrams left from %v, want %s alone", what, s.sent, addr)
		}
	}
	clear(s.sent)
	clear(s.asked)
}

// alone has a node make no requests but those of the test, each of them once. It still makes
// lookups, which ask whoever has answered: when it starts, four seconds later, and then less often.
func alone(cfg *discv5.Config) {
	cfg.DetectAddress, cfg.Resend, cfg.RequestTimeout = -1, 0, patience/4
	cfg.TableFilter = func(*enr.Record) bool { return false }
	cfg.RefreshInterval = time.Hour
}

// meetsAt has a node reach another one at the address in its record and then at a second one. The
// node fetches the record when it has a new session, and probes the address in it, which moves the
// requests of the other node there. This must not happen while a test counts: meetsAt returns when
// it is over.
func (n *node) meetsAt(t *testing.T, x *node, first, second string) {
	t.Helper()
	for _, addr := range []string{first, second} {
		n.answers(t, x.at(t, addr), "answer from "+addr)
		// Ten times the pause between two ticks. Looks are counted, not the time: the machine may
		// pause.
		received, looks := uint64(0), 0
		eventually(t, "the end of what follows a new session", func() bool {
			looks++
			if now := x.Stats().Counters[engine.PacketsIn]; now != received {
				received, looks = now, 0
			}
			return looks > 10
		})
	}
}

// homes are the addresses of a host that has several.
type homes struct {
	family family
	second string
	dev    string // of the second one
	vip    bool
}

var allHomes = []homes{
	{ipv4, "10.7.0.101", device, false}, {ipv6, "fd77::101", device, false}, {ipv4, "10.9.0.1", "lo", true}, {ipv6, "fd79::1", "lo", true},
}

// A node on a host with two addresses, or with a virtual address on its loopback interface, is
// reached at each of them, and asks a peer from where that peer last reached it.
func TestSecondAddress(t *testing.T) {
	heavy(t)
	for _, c := range allHomes {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/portable=%v", c.family.name, c.dev, portable), func(t *testing.T) {
				t.Parallel()
				f := newFabric(t)
				h := f.host(t, c.family.addr(1)...)
				first := c.family.addr(1)[0]
				h.more(t, c.second, c.dev, "")
				quiet := func(cfg *discv5.Config) {
					alone(cfg)
					cfg.Portable = portable
				}
				x := h.node(t, quiet)
				y := f.host(t, c.family.addr(2)...).node(t, quiet)
				y.meetsAt(t, x, first, c.second)
				s := f.watchSources(h)
				for _, addr := range []string{c.second, first, c.second} {
					y.answers(t, x.at(t, addr), "answer from "+addr)
					s.only(t, "answers", addr)
					for range 3 { // with the session of that address
						if _, err := x.Ping(t.Context(), y.contact()); err != nil {
							t.Errorf("request of the node to a peer that has reached %s: %v", addr, err)
						}
					}
					s.only(t, "requests", addr)
					// Answers of several packets, as GSO batches where the kernel has them.
					if _, err := y.Talk(t.Context(), x.at(t, addr), echo, make([]byte, 1000)); err != nil {
						t.Errorf("TALKREQ to %s: %v", addr, err)
					}
					if _, err := y.FindNode(t.Context(), x.at(t, addr), 0, 256, 255); err != nil {
						t.Errorf("FINDNODE to %s: %v", addr, err)
					}
					s.only(t, "more answers", addr)
				}
				if st := x.Stats().Sockets; st.SendErrors.Sum() != 0 || st.LocalFallbacks != 0 || st.LocalUnknown != 0 {
					t.Errorf("counted %+v", st)
				}
				result(t, "every request was answered from where it was asked")
			})
		}
	}
}

// A second address comes after the start, and the kernel prefers it from then on. Peers that ask
// the first one are answered from there all the same.
func TestSecondAddressLater(t *testing.T) {
	heavy(t)
	for _, c := range allHomes[:2] {
		t.Run(c.family.name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			first := c.family.addr(1)[0]
			h := f.host(t, first)
			x := h.node(t, alone)
			y := f.host(t, c.family.addr(2)...).node(t, alone)
			y.answers(t, x.at(t, first), "answer from the only address")
			time.Sleep(2 * time.Second) // by now the node knows that it is
			y.answers(t, x.at(t, first), "answer from the only address")

			h.more(t, c.second, c.dev, "")
			if c.family.name == ipv4.name {
				h.ip(t, "route replace default dev "+device+" src "+c.second)
			} else {
				h.ip(t, "route replace ::/0 dev "+device+" src "+c.second)
			}
			took := eventually(t, "answer from the first address", func() bool {
				_, err := y.Ping(t.Context(), x.at(t, first))
				return err == nil
			})
			s := f.watchSources(h)
			y.answers(t, x.at(t, c.second), "answer from the second address")
			s.only(t, "answers", c.second)
			for range 3 {
				if _, err := y.Ping(t.Context(), x.at(t, first)); err != nil {
					t.Errorf("PING to the first address: %v", err)
				}
			}
			s.only(t, "answers", first)
			result(t, "the first address answered %s after the second one came", seconds(took))
		})
	}
}

// A bootnode whose record names an address that the kernel does not send from by default is in the
// tables of all others: one of two addresses, a virtual one on the loopback interface, a deprecated
// IPv6 one.
func TestExternalIPOfMachine(t *testing.T) {
	heavy(t)
	list := append([]homes{{ipv6, "fd77::102", device, false}}, allHomes...)
	for i, c := range list {
		t.Run(fmt.Sprintf("%s/%s/%d", c.family.name, c.dev, i), func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			h := f.host(t, c.family.addr(1)...)
			options := ""
			if i == 0 {
				options = "preferred_lft 0"
			}
			h.more(t, c.second, c.dev, options)
			named := netip.AddrPortFrom(netip.MustParseAddr(c.second), udpPort)
			boot := h.node(t, func(cfg *discv5.Config) { cfg.Advertise = []netip.AddrPort{named} })
			var nodes []*node
			for k := range 3 {
				nodes = append(nodes, f.host(t, c.family.addr(k+2)...).node(t, nil, boot.LocalRecord()))
			}
			took := eventually(t, "all nodes in all tables", func() bool {
				for _, n := range nodes {
					if n.Stats().Live < len(nodes) || !n.meets(boot.LocalRecord(), named) {
						return false
					}
				}
				return boot.Stats().Live == len(nodes)
			})
			result(t, "all tables full after %s", seconds(took))
		})
	}
}

// follows makes a node that listens on all addresses of a host and chooses the address that it
// advertises.
func (h *host) follows(t *testing.T, boot ...*enr.Record) *node {
	return h.node(t, func(cfg *discv5.Config) {
		for _, c := range cfg.PacketConns {
			c.Close()
		}
		cfg.PacketConns, cfg.Advertise, cfg.DetectAddress = nil, nil, -1
		cfg.ListenAddrs = []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), udpPort), netip.AddrPortFrom(netip.IPv6Unspecified(), udpPort),
		}
	}, boot...)
}

// names checks, now or in a while, what the node's record names of a family.
func (n *node) names(t *testing.T, v6 bool, addr string) time.Duration {
	t.Helper()
	want := netip.AddrPort{}
	if addr != "" {
		want = netip.AddrPortFrom(netip.MustParseAddr(addr), udpPort)
	}
	return eventually(t, fmt.Sprintf("record that names %v", want), func() bool { return n.named(v6) == want })
}

// named is what the node's record names of a family.
func (n *node) named(v6 bool) (a netip.AddrPort) {
	if v6 {
		a, _ = n.LocalRecord().UDPEndpoint6()
	} else {
		a, _ = n.LocalRecord().UDPEndpoint4()
	}
	return a
}

// The record names the address that the kernel sends from, not the first in its list, and a stable
// IPv6 address in place of a deprecated or a temporary one.
func TestAdvertisedAddress(t *testing.T) {
	heavy(t)
	const stable, other = "2a01:77::5", "2a01:77::6"
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, h *host)
		v6    bool
		want  string
	}{
		{"source of the route", func(t *testing.T, h *host) {
			h.number(t, "91.7.1.1")
			h.more(t, "91.7.1.2", device, "")
			h.ip(t, "route replace default dev "+device+" src 91.7.1.2")
		}, false, "91.7.1.2"},
		{"another interface", func(t *testing.T, h *host) {
			h.number(t, "91.7.1.1")
			h.line(t, "tun1")
			h.ip(t, "address add 91.7.2.2/24 dev tun1", "route replace default dev tun1")
		}, false, "91.7.2.2"},
		{"no default route", func(t *testing.T, h *host) {
			h.ip(t, "address add 10.7.0.9/24 dev "+device, "address add 10.7.0.10/24 dev "+device,
				"route replace 10.7.0.0/24 dev "+device+" src 10.7.0.10")
		}, false, "10.7.0.10"},
		{"deprecated", func(t *testing.T, h *host) {
			h.ip(t, "address add "+other+"/64 dev "+device+" nodad preferred_lft 0", "address add "+stable+"/64 dev "+device+" nodad",
				"route replace ::/0 dev "+device)
		}, true, stable},
		{"temporary", func(t *testing.T, h *host) {
			if _, err := h.space.Run("sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/"+device+"/use_tempaddr"); err != nil {
				t.Skipf("probed for temporary addresses: %v", err)
			}
			h.ip(t, "address add "+stable+"/64 dev "+device+" nodad mngtmpaddr valid_lft 7200 preferred_lft 3600", "route replace ::/0 dev "+device)
			eventually(t, "temporary address", func() bool {
				out, err := h.space.Run("ip", "-6", "address", "show", "temporary")
				return err == nil && len(out) > 0
			})
			time.Sleep(2 * time.Second) // of duplicate address detection
		}, true, stable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			h := f.host(t)
			c.setup(t, h)
			n := h.follows(t)
			if got, want := n.named(c.v6), netip.AddrPortFrom(netip.MustParseAddr(c.want), udpPort); got != want {
				out, _ := h.space.Run("ip", "address", "show")
				t.Fatalf("the record names %v, want %v\n%s", got, want, out)
			}
			if c.v6 { // its requests leave from there too
				f.attach(h.port, netip.MustParseAddr(c.want))
				peer := f.host(t, publicAddr(true, 1, 1)).node(t, alone)
				s := f.watchSources(h)
				n.answers(t, peer.contact(), "answer of a peer")
				s.only(t, "requests", c.want)
			}
			result(t, "the record names %s", c.want)
		})
	}
}

// A link-local address means something on one interface only. A host has two; answers to a peer on
// the second one leave there.
func TestLinkLocal(t *testing.T) {
	heavy(t)
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			h, peer := f.host(t, "fd77::1"), f.host(t, "fd77::2")
			line := h.line(t, "tun1")
			linkLocal := func(h *host, p *port, dev, addr string) {
				h.ip(t, "address flush dev "+dev+" scope link", "address add "+addr+"/64 dev "+dev+" nodad")
				f.attach(p, append(p.addrs, netip.MustParseAddr(addr))...)
			}
			linkLocal(h, h.port, device, "fe80::a")
			linkLocal(h, line, "tun1", "fe80::b")
			linkLocal(peer, peer.port, device, "fe80::c")
			f.set(func() {
				// another link
				f.cut = func(from, to *port) bool { return from == h.port && to == peer.port }
			})
			quiet := func(cfg *discv5.Config) {
				alone(cfg)
				cfg.Portable, cfg.RequestTimeout = portable, time.Second
			}
			x, y := h.node(t, quiet), peer.node(t, quiet)
			took := y.answers(t, x.at(t, "fe80::b"), "answer on the second interface")
			if _, err := y.Talk(t.Context(), x.at(t, "fe80::b"), echo, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			// A request within the session leaves there too.
			if _, err := x.Ping(t.Context(), contactAt(t, y.LocalRecord(), "fe80::c")); err != nil {
				t.Error(err)
			}
			result(t, "answered on the second interface after %s", seconds(took))
		})
	}
}
