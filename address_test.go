package discv5

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// oneToOne is a router that gives one inner address an outer one, which may change: everybody gets
// in.
type oneToOne struct{ inner, outer netip.Addr }

func (r *oneToOne) route(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
	if from.Addr() == r.inner {
		from = netip.AddrPortFrom(r.outer, from.Port())
	}
	switch to.Addr() {
	case r.outer:
		to = netip.AddrPortFrom(r.inner, to.Port())
	case r.inner:
		return from, to, false // nobody outside can send there
	}
	return from, to, true
}

// village is a network of nodes with public addresses, which start from the first of them.
type village struct {
	t     *testing.T
	w     *wiretest.Net
	nodes []*Node
}

func newVillage(t *testing.T, count int) *village {
	v := &village{t: t, w: newWire()}
	v.w.Delay = 20 * time.Millisecond
	for range count {
		v.add()
	}
	return v
}

// add adds a node at the next address. All are of one /16.
func (v *village) add() {
	v.nodes = append(v.nodes, v.join(netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 0, byte(len(v.nodes)), 1}), 9000), nil))
}

func (v *village) join(at netip.AddrPort, change func(*Config)) *Node {
	v.t.Helper()
	cfg := Config{Conns: []fastpath.Conn{v.w.Conn(at)}, Sockets: 1, MaxSessions: 256, MaxChallenges: 256}
	if len(v.nodes) > 0 {
		cfg.Bootnodes = Contacts(v.nodes[0].LocalRecord())
	}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := n.Start(v.t.Context()); err != nil {
		v.t.Fatal(err)
	}
	return n
}

func (v *village) close() {
	for _, n := range v.nodes {
		n.Close()
	}
}

// listing is how many nodes of the village have a node in their tables at an endpoint.
func (v *village) listing(n *Node, at netip.AddrPort) (count int) {
	for _, o := range v.nodes {
		if k, ok := o.Known(n.ID()); ok && k.Addr == at && k.Live {
			count++
		}
	}
	return count
}

func named4(n *Node) netip.AddrPort {
	a, _ := n.LocalRecord().UDPEndpoint4()
	return a
}

// until waits until a condition holds, and returns how long that took.
func until(limit time.Duration, holds func() bool) (took time.Duration, ok bool) {
	for start := time.Now(); ; time.Sleep(time.Second) {
		if took = time.Since(start); holds() {
			return took, true
		} else if took > limit {
			return took, false
		}
	}
}

// A reachable node behind a 1:1 NAT in a network in which all know each other learns its address
// and keeps it, though nobody new comes by.
func TestAddressStaysInQuietNetwork(t *testing.T) {
	inner, outer := netip.MustParseAddrPort("10.9.0.2:9000"), netip.MustParseAddrPort("21.1.1.1:9000")
	for _, c := range []struct{ before, after int }{{12, 0}, {30, 0}, {1, 19}} {
		t.Run(fmt.Sprintf("%d nodes before it and %d after", c.before, c.after), func(t *testing.T) {
			longNetwork(t, c.before == 12)
			synctest.Test(t, func(t *testing.T) {
				v := newVillage(t, c.before)
				defer v.close()
				v.w.SetRoute((&oneToOne{inner.Addr(), outer.Addr()}).route)
				time.Sleep(time.Minute)
				n := v.join(inner, nil)
				defer n.Close()
				for range c.after {
					v.add()
				}
				if took, ok := until(5*time.Minute, func() bool { return named4(n) == outer }); !ok {
					t.Fatalf("after %v the record names %v; %+v", took, named4(n), n.AddressState(IPv4))
				}
				seq := n.LocalRecord().Seq()
				for range 6 {
					time.Sleep(10 * time.Minute)
					if got := n.LocalRecord(); got.Seq() != seq {
						t.Fatalf("a new record names %v; %+v", named4(n), n.AddressState(IPv4))
					}
				}
				if s := n.AddressState(IPv4); s.Endpoint != outer || s.Source != AddressVoted || s.InDoubt || s.Votes < 5 || s.Interface != inner {
					t.Errorf("state %+v", s)
				}
				if k := v.listing(n, outer); k < len(v.nodes)/2 {
					t.Errorf("it is in %d of %d tables", k, len(v.nodes))
				}
			})
		})
	}
}

// The public address changes nine times, 8 minutes apart. Each is learned within two minutes.
func TestEveryChangeOfAddressIsLearned(t *testing.T) {
	longNetwork(t, false)
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, 20)
		defer v.close()
		inner := netip.MustParseAddrPort("10.9.0.2:9000")
		r := &oneToOne{inner: inner.Addr(), outer: netip.MustParseAddr("21.0.0.1")}
		v.w.SetRoute(r.route)
		n := v.join(inner, nil)
		defer n.Close()
		for i := range 10 {
			// Some are addresses of before.
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, byte(i % 7), 1, 1}), 9000)
			v.w.Locked(func() { r.outer = at.Addr() })
			start := time.Now()
			took, ok := until(2*time.Minute, func() bool { return named4(n) == at })
			if !ok {
				t.Fatalf("change %d to %v: the record names %v after %v; %+v", i, at, named4(n), took, n.AddressState(IPv4))
			}
			t.Logf("change %d: after %v", i, took)
			time.Sleep(8*time.Minute - time.Since(start))
			if named4(n) != at {
				t.Fatalf("change %d: the record names %v in the end", i, named4(n))
			}
		}
		if _, ok := until(5*time.Minute, func() bool { return v.listing(n, named4(n)) >= 10 }); !ok {
			t.Errorf("in %d tables", v.listing(n, named4(n)))
		}
	})
}

// In a private network the record names the host's other address. The peers' votes correct it.
func TestPrivateNetworkCorrectsAddress(t *testing.T) {
	for _, count := range []int{4, 20} {
		t.Run(fmt.Sprintf("%d peers", count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &village{t: t, w: newWire()}
				defer v.close()
				at := func(i int) netip.AddrPort {
					return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(i)}), 9000)
				}
				for i := range count {
					v.nodes = append(v.nodes, v.join(at(1+i), nil))
				}
				n := v.join(at(99), nil)
				defer n.Close()
				if err := n.UpdateRecord(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("172.17.0.1")) }); err != nil {
					t.Fatal(err)
				}
				if took, ok := until(2*time.Minute, func() bool { return named4(n) == at(99) }); !ok {
					t.Fatalf("after %v the record names %v; %+v", took, named4(n), n.AddressState(IPv4))
				}
				if _, ok := until(5*time.Minute, func() bool { return v.listing(n, at(99)) >= min(count, 10) }); !ok {
					t.Errorf("in %d tables", v.listing(n, at(99)))
				}
			})
		})
	}
}

// After a restart behind a NAT the record keeps naming the public address, without a new record,
// until something speaks against it: the router has got another address meanwhile.
func TestAddressSurvivesRestart(t *testing.T) {
	for _, withStates := range []bool{true, false} {
		t.Run(fmt.Sprintf("with states %v", withStates), func(t *testing.T) {
			longNetwork(t, false)
			synctest.Test(t, func(t *testing.T) {
				v := newVillage(t, 20)
				defer v.close()
				inner, outer := netip.MustParseAddrPort("10.9.0.2:9000"), netip.MustParseAddrPort("21.1.1.1:9000")
				r := &oneToOne{inner.Addr(), outer.Addr()}
				v.w.SetRoute(r.route)
				key := newKey(t)
				n := v.join(inner, func(c *Config) { c.PrivateKey = key })
				until(2*time.Minute, func() bool { return named4(n) == outer })
				time.Sleep(2 * time.Minute)
				for range 6 {
					v.add() // nodes that it has not contacted
				}
				if _, ok := until(5*time.Minute, func() bool { return n.AddressState(IPv4).Proven }); !ok {
					t.Fatalf("not proven: %+v", n.AddressState(IPv4))
				}
				previous := n.LocalRecord()
				saved, err := json.Marshal(n.AddressStates())
				if err != nil {
					t.Fatal(err)
				}
				proven := n.AddressState(IPv4)
				n.Close()

				time.Sleep(time.Hour)
				saves := 0
				n = v.join(inner, func(c *Config) {
					c.PrivateKey, c.Previous = key, previous
					c.SaveRecord = func(*enr.Record) error { saves++; return nil }
					if withStates {
						if err := json.Unmarshal(saved, &c.PreviousAddresses); err != nil {
							t.Fatal(err)
						}
					}
				})
				defer n.Close()
				time.Sleep(time.Second)
				if got := n.LocalRecord(); got.String() != previous.String() || saves != 0 {
					t.Fatalf("after the restart the record names %v, with sequence number %d, %d before", named4(n), got.Seq(), previous.Seq())
				}
				s := n.AddressState(IPv4)
				if s.Source != AddressSaved && s.Source != AddressVoted || s.Interface != inner || s.Proven != withStates {
					t.Errorf("state %+v", s)
				}
				if withStates && (!s.ProvenAt.Equal(proven.ProvenAt) || !slices.Equal(s.ProvenBy, proven.ProvenBy)) {
					t.Errorf("proven by %v at %v, want %v at %v", s.ProvenBy, s.ProvenAt, proven.ProvenBy, proven.ProvenAt)
				}
				time.Sleep(10 * time.Minute)
				if n.LocalRecord().Seq() != previous.Seq() || n.AddressState(IPv4).Source != AddressVoted {
					t.Errorf("ten minutes later: record %d, state %+v", n.LocalRecord().Seq(), n.AddressState(IPv4))
				}
				n.Close()

				moved := netip.MustParseAddrPort("21.2.2.2:9000")
				v.w.Locked(func() { r.outer = moved.Addr() })
				n = v.join(inner, func(c *Config) { c.PrivateKey, c.Previous = key, previous })
				defer n.Close()
				if took, ok := until(2*time.Minute, func() bool { return named4(n) == moved }); !ok {
					t.Errorf("after a restart elsewhere the record names %v for %v", named4(n), took)
				}
			})
		})
	}
}

// The endpoints that a node takes from the record of its last life depend on the addresses that the
// machine has now, and on what the node saved about them.
func TestPreviousEndpoints(t *testing.T) {
	const own, otherOwn, public, otherPublic = "10.0.0.1:9000", "10.0.0.2:9000", "9.9.9.9:9000", "8.8.8.8:9000"
	state := func(endpoint, iface string, source AddressSource) []AddressState {
		return []AddressState{{Family: IPv4, Endpoint: netip.MustParseAddrPort(endpoint), Source: source, Interface: netip.MustParseAddrPort(iface)}}
	}
	for name, c := range map[string]struct {
		bound, previous string
		change          func(*Config)
		want            string
		source          AddressSource
	}{
		"the same":                      {own, own, nil, own, AddressInterface},
		"public, own private":           {own, public, nil, public, AddressSaved},
		"public, own public":            {public, otherPublic, nil, public, AddressInterface},
		"private, own private":          {own, otherOwn, nil, own, AddressInterface},
		"private, own public":           {public, own, nil, public, AddressInterface},
		"public, votes off":             {own, public, func(c *Config) { c.DetectAddress = -1 }, own, AddressInterface},
		"public, another configured":    {own, public, func(c *Config) { c.Advertise = []netip.AddrPort{netip.MustParseAddrPort(otherPublic)} }, otherPublic, AddressConfigured},
		"no endpoint":                   {own, public, func(c *Config) { c.NoEndpoint = true }, "", AddressNone},
		"configured then":               {own, public, func(c *Config) { c.PreviousAddresses = state(public, own, AddressConfigured) }, own, AddressInterface},
		"mapped then":                   {own, public, func(c *Config) { c.PreviousAddresses = state(public, own, AddressPinned) }, public, AddressSaved},
		"voted, own public":             {otherPublic, public, func(c *Config) { c.PreviousAddresses = state(public, otherPublic, AddressVoted) }, public, AddressSaved},
		"voted, own public and another": {otherPublic, public, func(c *Config) { c.PreviousAddresses = state(public, "8.8.8.7:9000", AddressVoted) }, otherPublic, AddressInterface},
		"voted private":                 {own, otherOwn, func(c *Config) { c.PreviousAddresses = state(otherOwn, own, AddressVoted) }, otherOwn, AddressSaved},
		"another port now":              {"10.0.0.1:9001", public, func(c *Config) { c.PreviousAddresses = state(public, own, AddressVoted) }, "9.9.9.9:9001", AddressSaved},
		"a mapped port, another now":    {"10.0.0.1:9001", "9.9.9.9:41000", func(c *Config) { c.PreviousAddresses = state("9.9.9.9:41000", own, AddressVoted) }, "9.9.9.9:41000", AddressSaved},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			p := netip.MustParseAddrPort(c.previous)
			previous, err := enr.NewBuilder().SetSeq(7).SetIP(p.Addr()).SetUDP(p.Port()).SetString("client", "x").Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			cfg := Config{PrivateKey: key, Previous: previous, Conns: []fastpath.Conn{newWire().Conn(netip.MustParseAddrPort(c.bound))}, MaxSessions: 64, MaxChallenges: 64}
			if c.change != nil {
				c.change(&cfg)
			}
			n, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			want := netip.AddrPort{}
			if c.want != "" {
				want = netip.MustParseAddrPort(c.want)
			}
			s := n.AddressState(IPv4)
			if named4(n) != want || s.Endpoint != want || s.Source != c.source {
				t.Errorf("the record names %v; state %+v; want %v, %v", named4(n), s, want, c.source)
			}
			if seq := n.LocalRecord().Seq(); (want == p) != (seq == 7) {
				t.Errorf("sequence number %d", seq)
			}
		})
	}
	for _, bad := range []AddressState{{Family: 2}, {Family: IPv6, Endpoint: netip.MustParseAddrPort("1.2.3.4:5")}} {
		if err := (Config{PreviousAddresses: []AddressState{bad}}).Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("a state of a wrong family: %v", err)
		}
	}
}

// A bootnode that nobody has named is contacted like the others, and the engine is told the
// difference.
func TestUnvouchedContact(t *testing.T) {
	n := loopback(t, "127.0.0.1:0", nil)
	other := loopback(t, "127.0.0.1:0", nil)
	c := contact(other)
	for _, want := range []bool{false, true} {
		if want {
			c = c.Unvouched()
		}
		p, err := c.bootPeer(n.engine)
		if err != nil || p.Unvouched != want || p.Addr != other.Addrs()[0] || c.ID() != other.ID() {
			t.Errorf("peer %+v, %v; want one that is unvouched %v", p, err, want)
		}
	}
}
