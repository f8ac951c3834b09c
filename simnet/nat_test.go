package simnet

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

var kinds = []NATKind{FullCone, AddressRestricted, PortRestricted, Symmetric}

// probe is a socket that remembers the last datagram.
type probe struct {
	*Socket
	from netip.AddrPort
	text string
}

func newProbe(t *testing.T, n *Network, cfg SocketConfig) *probe {
	t.Helper()
	p := &probe{}
	cfg.Receive = func(from netip.AddrPort, b []byte) { p.from, p.text = from, string(b) }
	s, err := n.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Socket = s
	return p
}

// reaches sends from p to an address and reports whether it arrives at q.
func (p *probe) reaches(n *Network, q *probe, to netip.AddrPort) bool {
	q.text = ""
	p.Send(to, []byte("hello"))
	n.Run(time.Second)
	return q.text == "hello"
}

func newNAT(t *testing.T, n *Network, cfg NATConfig) *NAT {
	t.Helper()
	nat, err := n.NewNAT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return nat
}

// A host behind a NAT has sent to one endpoint. The kind of the NAT decides which of these gets in:
// that endpoint, another port of the same address, another address.
func TestNATFiltering(t *testing.T) {
	for _, c := range []struct {
		kind                   NATKind
		same, port, addr, once bool // once: another endpoint sees the host at the same place
	}{
		{FullCone, true, true, true, true},
		{AddressRestricted, true, true, false, true},
		{PortRestricted, true, false, false, true},
		{Symmetric, true, false, false, false},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			n := ForTest(t, Config{})
			nat := newNAT(t, n, NATConfig{Kind: c.kind})
			host := newProbe(t, n, SocketConfig{NAT: nat})
			asked := newProbe(t, n, SocketConfig{})
			neighbor := newProbe(t, n, SocketConfig{Addr: netip.AddrPortFrom(asked.Addr().Addr(), 7)})
			other := newProbe(t, n, SocketConfig{})

			if other.reaches(n, host, netip.AddrPortFrom(nat.Addr(), host.Addr().Port())) {
				t.Fatal("an unsolicited packet gets in before anything was sent")
			}
			if !host.reaches(n, asked, asked.Addr()) {
				t.Fatal("the host gets nothing out")
			}
			seen := asked.from
			if seen.Addr() != nat.Addr() {
				t.Fatalf("the host is seen at %v", seen)
			}
			for _, o := range []struct {
				name string
				p    *probe
				want bool
			}{{"who was asked", asked, c.same}, {"another port", neighbor, c.port}, {"another address", other, c.addr}} {
				if got := o.p.reaches(n, host, seen); got != o.want {
					t.Errorf("%s gets in: %v, want %v", o.name, got, o.want)
				}
			}
			host.reaches(n, other, other.Addr())
			if got := other.from == seen; got != c.once {
				t.Errorf("another endpoint sees the host at %v, the first one at %v", other.from, seen)
			}
			n.Run(3 * time.Minute)
			if asked.reaches(n, host, seen) {
				t.Error("the mapping has not expired")
			}
		})
	}
}

// Hosts behind two NATs send to where a third one sees them, both at the same time. The kinds of
// the NATs decide whether they reach each other.
func TestNATHolePunching(t *testing.T) {
	want := map[[2]NATKind]bool{}
	for _, a := range kinds {
		for _, b := range kinds {
			// With a symmetric NAT the other one sees a port that nobody could tell it.
			want[[2]NATKind{a, b}] = !(a == Symmetric && b >= PortRestricted || b == Symmetric && a >= PortRestricted)
		}
	}
	for _, ka := range kinds {
		for _, kb := range kinds {
			t.Run(fmt.Sprintf("%s, %s", ka, kb), func(t *testing.T) {
				n := ForTest(t, Config{})
				a := newProbe(t, n, SocketConfig{NAT: newNAT(t, n, NATConfig{Kind: ka})})
				b := newProbe(t, n, SocketConfig{NAT: newNAT(t, n, NATConfig{Kind: kb})})
				third := newProbe(t, n, SocketConfig{})
				a.reaches(n, third, third.Addr())
				atA := third.from
				b.reaches(n, third, third.Addr())
				atB := third.from
				a.text, b.text = "", ""
				for range 2 {
					a.Send(atB, []byte("a"))
					b.Send(atA, []byte("b"))
					n.Run(time.Second)
					// A host that has received something answers to where it came from.
					if a.text != "" {
						a.Send(a.from, []byte("a"))
					}
					if b.text != "" {
						b.Send(b.from, []byte("b"))
					}
					n.Run(time.Second)
				}
				if met := a.text == "b" && b.text == "a"; met != want[[2]NATKind{ka, kb}] {
					t.Errorf("they meet: %v", met)
				}
			})
		}
	}
}

func TestNATInside(t *testing.T) {
	n := ForTest(t, Config{})
	for _, hairpin := range []bool{false, true} {
		nat := newNAT(t, n, NATConfig{Hairpin: hairpin})
		a, b := newProbe(t, n, SocketConfig{NAT: nat}), newProbe(t, n, SocketConfig{NAT: nat})
		if !a.reaches(n, b, b.Addr()) || b.from != a.Addr() {
			t.Errorf("neighbors do not see each other: from %v", b.from)
		}
		out := newProbe(t, n, SocketConfig{})
		b.reaches(n, out, out.Addr())
		if got := a.reaches(n, b, out.from); got != hairpin {
			t.Errorf("hairpin %v: a host gets back in: %v", hairpin, got)
		}
		if err := nat.Forward(4444, a.Addr()); err != nil {
			t.Fatal(err)
		}
		if !out.reaches(n, a, netip.AddrPortFrom(nat.Addr(), 4444)) {
			t.Error("a forwarded port does not lead in")
		}
		if err := nat.Forward(4444, b.Addr()); err == nil {
			t.Error("a port is forwarded twice")
		}
		if other := newProbe(t, n, SocketConfig{NAT: newNAT(t, n, NATConfig{})}); other.reaches(n, a, a.Addr()) {
			t.Error("a private address is reached from another network")
		}
	}
}

// A NAT's memory is bounded, and what has expired gives room.
func TestNATBounded(t *testing.T) {
	for _, kind := range kinds {
		n := must(New(Config{}))
		nat := newNAT(t, n, NATConfig{Kind: kind, MaxMappings: 100})
		host := newProbe(t, n, SocketConfig{NAT: nat})
		for round := range 2 {
			for i := range 1000 {
				host.Send(netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}), uint16(1+round)), []byte("x"))
			}
			if nat.Held() > 100 || kind != FullCone && nat.Held() < 100 {
				t.Errorf("%s: %d held", kind, nat.Held())
			}
			n.Run(3 * time.Minute)
		}
		out := newProbe(t, n, SocketConfig{})
		if !host.reaches(n, out, out.Addr()) {
			t.Errorf("%s: nothing gets out after all has expired", kind)
		}
	}
}

// Nodes behind NATs find their address if all others see the same, and keep it in the record only
// if unsolicited packets get in there.
func TestNodesBehindNATs(t *testing.T) {
	n := ForTest(t, Config{Seed: 3, InsecureCurve: true, Conditions: Conditions{Loss: 0.01}})
	boot := addNode(t, n, NodeConfig{engine: calm})
	cfg := NodeConfig{engine: calm, Bootnodes: []*Node{boot}}
	for range scaled(30, 18) {
		addNode(t, n, cfg)
	}
	nodes := map[NATKind]*Node{}
	for _, k := range kinds {
		cfg.NAT = newNAT(t, n, NATConfig{Kind: k})
		nodes[k] = addNode(t, n, cfg)
	}
	cfg.NAT = nil
	for range 10 { // new nodes keep coming
		addNode(t, n, cfg)
		addNode(t, n, cfg)
		n.Run(time.Minute)
	}
	late := addNode(t, n, cfg) // unknown to all
	n.Run(10 * time.Minute)
	for _, want := range []struct {
		kind            NATKind
		proven, revoked bool
	}{
		{FullCone, true, false}, {AddressRestricted, false, true}, {PortRestricted, false, true}, {Symmetric, false, false},
	} {
		k := want.kind
		nd := nodes[k]
		s := nd.engine().AddressState(n.Now(), netaddr.IPv4)
		if s.Proven != want.proven || s.Revoked.IsValid() != want.revoked {
			t.Errorf("%s: proven %v, revoked %v, want %+v", k, s.Proven, s.Revoked, want)
		}
		endpoint, named := nd.Record().UDPEndpoint4()
		// A node whose public address is revoked goes back to that of its interface.
		if public := named && !endpoint.Addr().IsPrivate(); public != (k == FullCone) {
			t.Errorf("%s: the record names %v", k, endpoint)
		}
		if known := nd.engine().Table().LiveLen(); known < 12 {
			t.Errorf("%s: knows %d nodes", k, known)
		}
		r := late.ping(nd)
		if r.Err != nil { // one datagram in a hundred is lost
			r = late.ping(nd)
		}
		if (r.Err == nil) != (k == FullCone) {
			t.Errorf("%s: an unsolicited PING: %v", k, r.Err)
		}
		listed := 0
		for _, o := range n.Nodes() {
			if _, _, ok := o.engine().Table().Get(nd.ID()); ok {
				listed++
			}
		}
		// A node or two may not have checked it since its record changed.
		if k == FullCone && listed < 10 || k != FullCone && listed > 2 {
			t.Errorf("%s: in %d of %d tables", k, listed, len(n.Nodes()))
		}
	}
}
