package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/limiter"
)

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
				s := nw.stranger(addr, uint64(i)+500)
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
	s := nw.stranger("10.0.0.9:9000", 7)
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
		p, err := a.e.PeerOfListed(nw.stranger(fmt.Sprintf("77.7.7.7:%d", 5000+i), uint64(i)+500).Record)
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
	s := nw.stranger("7.7.7.9:9000", 7).listen()
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
