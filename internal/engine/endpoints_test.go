package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// S20, S31: an endpoint of a record that a peer relays counts only if the peer can know it and its
// port is not that of another service.
func TestS20NamedEndpoints(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	for _, c := range []struct {
		name, v4, v6 string
		by           table.AddrClass
		want         string
	}{
		{"both public", "30.1.1.1:9000", "[2a01::1]:9000", table.Global, "30.1.1.1:9000"},
		{"private IPv6 beside", "30.1.1.1:9000", "[fd00::1]:9000", table.Global, "30.1.1.1:9000"},
		{"private IPv4 beside", "10.0.0.1:9000", "[2a01::1]:9000", table.Global, "[2a01::1]:9000"},
		{"private IPv6 alone", "", "[fd00::1]:9000", table.Global, ""},
		{"loopback IPv6 alone", "", "[::1]:9000", table.Global, ""},
		{"link-local IPv6 alone", "", "[fe80::1]:9000", table.Global, ""},
		{"private IPv4 alone", "10.0.0.1:9000", "", table.Global, ""},
		{"both private", "10.0.0.1:9000", "[fd00::1]:9000", table.Global, ""},
		{"low port of IPv4", "30.1.1.1:53", "[2a01::1]:9000", table.Global, "[2a01::1]:9000"},
		{"low port of IPv6", "30.1.1.1:9000", "[2a01::1]:53", table.Global, "30.1.1.1:9000"},
		{"low port of IPv6 alone", "", "[2a01::1]:53", table.Global, ""},
		{"loopback named by a private peer", "127.0.0.1:9000", "", table.Private, ""},
		{"public named by a private peer", "30.1.1.1:9000", "", table.Private, "30.1.1.1:9000"},
		{"private named by a private peer", "10.0.0.1:9000", "", table.Private, "10.0.0.1:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := enr.GenerateKey(wiretest.Reader(7))
			if err != nil {
				t.Fatal(err)
			}
			b := enr.NewBuilder()
			if c.v4 != "" {
				v4 := netip.MustParseAddrPort(c.v4)
				b.SetIP(v4.Addr()).SetUDP(v4.Port())
			}
			if c.v6 != "" {
				v6 := netip.MustParseAddrPort(c.v6)
				b.SetIP(v6.Addr()).SetUDP6(v6.Port())
			}
			rec, err := b.Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := a.e.named(nw.now, rec, c.by)
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("%v, %v; want %q", got, ok, c.want)
			}
		})
	}
}

// S48: a list that others made names private and loopback addresses, and ports of other services. A
// node at a public address sends nothing there; a node of a private network uses what it can reach.
func TestS48ListedAddresses(t *testing.T) {
	listed := []string{"50.1.1.1:9000", "50.2.1.1:53", "10.0.0.9:9000", "192.168.1.1:9000", "127.0.0.1:9000", "169.254.1.1:9000"}
	for _, c := range []struct {
		self string
		want int // of the list are contacted
	}{{"20.0.0.1:9000", 1}, {"10.0.0.1:9000", 4}, {"127.0.0.9:9000", 5}} {
		t.Run(c.self, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add(c.self, nil)
			contacted := make(map[netip.AddrPort]int)
			nw.Tap = func(from, to netip.AddrPort, _ []byte) {
				if from == a.addr {
					contacted[to]++
				}
			}
			var boot []Peer
			for i, addr := range listed {
				s := nw.scriptedPeer(addr, uint64(i)+500)
				p, err := a.e.PeerOfListed(s.Record)
				if err != nil {
					if !errors.Is(err, ErrNoEndpoint) {
						t.Fatal(err)
					}
					// Should the address of this node change, the check is made again when it is
					// used.
					p = Peer{ID: s.Record.ID(), PublicKey: s.Key.PublicKey(), Addr: s.Addr, Record: s.Record, Listed: true}
				}
				boot = append(boot, p)
			}
			a.e.SetBootnodes(boot)
			nw.run(4 * time.Minute)
			if len(contacted) != c.want {
				t.Errorf("contacted %v, want %d", contacted, c.want)
			}
			for to, n := range contacted {
				if n > 1 {
					t.Errorf("%d packets to %v, which does not answer", n, to)
				}
			}
		})
	}
}

// S48: a record of a list that has a private address beside a public one is used at the public one.
func TestS48ListedPrivateBesidePublic(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9000", 7)
	s.renewed(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("2a01::9")).SetUDP6(9000) })
	p, err := a.e.PeerOfListed(s.Record)
	if want := netip.MustParseAddrPort("[2a01::9]:9000"); err != nil || p.Addr != want {
		t.Errorf("contacted at %v, %v, want %v", p.Addr, err, want)
	}
}

// A long list that names one third party costs that party no more than the rate of the budget.
func TestS48ListNamesThirdParty(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	victim := netip.MustParseAddrPort("77.7.7.7:5000")
	f := nw.watch(a, victim)
	var boot []Peer
	for i := range 100 {
		p, err := a.e.PeerOfListed(nw.scriptedPeer(fmt.Sprintf("77.7.7.7:%d", 5000+i), uint64(i)+500).Record)
		if err != nil {
			t.Fatal(err)
		}
		boot = append(boot, p)
		f.paid++
		f.paidSize += len(p.Record.Bytes())
	}
	a.e.SetBootnodes(boot)
	nw.run(4 * time.Minute)
	if len(f.at) == 0 {
		t.Error("the list is not used")
	}
	f.report("DNS list", 100)
}

// FINDNODE within a session has a limit of its own, like PING: the answer is many times as large.
func TestFindNodeIsLimited(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", func(c *Config) { c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3}) })
	s := nw.scriptedPeer("7.7.7.9:9000", 7).listen()
	s.connect(b)
	fillTable(b, 16)
	for range 5000 {
		b.w.Receive(nw.now, s.Addr, s.message(s.Record.ID(), b, s.Keys, askFor(256)))
	}
	c := b.e.Counters()
	if c[RateVerified] < 3000 || c[InFindNode] > 2000 || c[InFindNode] == 0 {
		t.Errorf("%d of 5000 FINDNODE at one moment were served, %d dropped", c[InFindNode], c[RateVerified])
	}
}

// publicOnly fails the test when n sends to an address that is not public.
func (nw *network) publicOnly(n *node) {
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
		if c := table.Class(to.Addr()); from == n.addr && c != table.Global {
			nw.t.Errorf("a datagram to %s", to)
		}
	})
}

// renewed gives the peer a newer record.
func (s *scriptedPeer) renewed(change func(*enr.Builder)) {
	b := s.Record.Edit().SetSeq(s.Record.Seq() + 1)
	change(b)
	rec, err := b.Sign(s.Key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	s.Record = rec
}

// S20: a public peer whose own record names an address of the other family besides that it cannot
// know is used at its public address alone: that is stored, checked and relayed, and nobody is
// contacted at the other one.
func TestS20OwnRecordWithPrivateAddress(t *testing.T) {
	for _, private := range []string{"fd00::1", "fe80::1", "::1", "ff02::1"} {
		t.Run(private, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.scriptedPeer("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			s.renewed(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr(private)).SetUDP6(53) })
			s.connect(a)
			n, st, ok := a.e.table.Get(s.Record.ID())
			if !ok || n.Addr != s.Addr || st.Stated != table.IPv4.Set() {
				t.Errorf("in the table: %v, at %v, states families %b; want it at %v alone", ok, n.Addr, st.Stated, s.Addr)
			}
			checked := 0
			for end := nw.now + time.Minute; nw.now < end; {
				nw.run(100 * time.Millisecond)
				checked += s.seen(a, a.addr)
			}
			if checked == 0 {
				t.Error("never checked: this tests nothing")
			}
			relayed := a.e.table.Relay(enr.LogDistance(a.e.ID(), s.Record.ID()))
			if relayed.Len() != 1 || !relayed.MayRelay(0, table.Global, table.IPv4) || !relayed.MayRelay(0, table.Global, table.IPv6) {
				t.Error("not relayed for its public address")
			}
		})
	}
}

// S20: a public peer that is in the table and then shows a record of a private address in place of
// its public one leaves it. With one besides, it stays at the public one. Nobody is looked for at a
// private address when hardly anybody is left.
func TestS20MoveToPrivateAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		left   int // in the table
		change func(*enr.Builder)
	}{
		{"instead", 0, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("192.168.1.1")).SetUDP(53) }},
		{"besides", 1, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53) }},
		{"elsewhere and besides", 0, func(b *enr.Builder) {
			b.SetIP(netip.MustParseAddr("8.9.9.9")).SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(53)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("198.51.99.1:9000", nil), nw.scriptedPeer("9.9.9.8:9000", 8).listen()
			nw.publicOnly(a)
			if s.connect(a); a.e.table.Len() != 1 {
				t.Fatal("not in the table")
			}
			s.renewed(c.change)
			before := a.e.Counters()[OutRandom] + a.e.Counters()[OutPing] + a.e.Counters()[OutFindNode]
			if s.connect(a); a.e.table.Len() != c.left {
				t.Errorf("%d in the table, want %d", a.e.table.Len(), c.left)
			}
			nw.run(time.Minute)
			if n := a.e.Counters(); n[OutRandom]+n[OutPing]+n[OutFindNode] == before && c.name != "instead" {
				t.Error("nobody was looked for: this tests nothing")
			}
		})
	}
}
