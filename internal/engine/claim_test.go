package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/table"
)

// claiming makes a stranger whose record states another endpoint than its own.
func (nw *network) claiming(addr, states string, seed uint64) *stranger {
	s := nw.stranger(addr, seed).listen()
	to := netip.MustParseAddrPort(states)
	s.renewed(func(b *enr.Builder) { b.SetIP(to.Addr()).SetUDP(to.Port()) })
	return s
}

// sentBeside counts the datagrams that n sends to anybody but the strangers.
func (nw *network) sentBeside(n *node) *int {
	count := new(int)
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
		if from == n.addr && to.Addr().As4()[0] != 9 {
			*count++
		}
	})
	return count
}

// S28: an endpoint that a node states for itself gets one probe, however often the node shakes
// hands.
func TestS28ClaimIsProbedOnce(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.99.0.1:9000", nil)
	sent := nw.sentBeside(a)
	s := nw.claiming("9.9.9.8:9000", "30.1.1.1:9000", 8)
	for range 10 {
		s.connect(a)
		for end := nw.now + 20*time.Second; nw.now < end; {
			nw.run(200 * time.Millisecond)
			s.serve(a)
		}
	}
	if *sent != 1 {
		t.Errorf("%d packets to the stated endpoint in 200 s, want 1", *sent)
	}
}

// S28: the nodes of one site have few endpoints probed, wherever those are, and use up no claims of
// the members of the table.
func TestS28ClaimsOfOneSite(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.99.0.1:9000", nil)
	sent := nw.sentBeside(a)
	for i := range 30 {
		s := nw.claiming(fmt.Sprintf("9.9.9.%d:9000", 1+i), fmt.Sprintf("30.%d.1.1:9000", 1+i), uint64(8+i))
		s.connect(a)
	}
	if *sent == 0 || *sent > budget.MaxClaimsPerSecond/2 {
		t.Errorf("%d packets to stated endpoints at one moment, want 1 to %d", *sent, budget.MaxClaimsPerSecond/2)
	}
	if a.e.Counters()[BudgetClaims] == 0 {
		t.Error("refused claims are not counted")
	}
	if !a.e.budget.Claim(nw.now, netip.MustParseAddrPort("9.9.9.9:1"), true) {
		t.Error("members of the table have no claims left")
	}
}

// S20: a public node that states an endpoint inside a private network has nothing sent there.
func TestS20ClaimOfPrivateEndpoint(t *testing.T) {
	for _, states := range []string{"10.0.0.1:9000", "192.168.1.1:9000", "127.0.0.1:9000", "169.254.1.1:9000", "100.64.1.1:9000"} {
		t.Run(states, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.99.0.1:9000", nil)
			sent := nw.sentBeside(a)
			nw.claiming("9.9.9.8:9000", states, 8).connect(a)
			nw.run(time.Minute)
			if *sent != 0 {
				t.Errorf("%d packets", *sent)
			}
		})
	}
}

// Others may go on relaying a record after its owner has shown a newer one and has left: it does
// not bring the node back to where it was.
func TestOutdatedRecordOfOthersStaysOut(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.99.0.1:9000", nil)
	s := nw.stranger("9.9.9.8:9000", 8)
	old := s.Record
	s.renewed(func(b *enr.Builder) { b.SetUDP(9001) })
	a.e.removed.add(s.Record.ID(), s.Record, netip.AddrPort{})
	if a.w.offerVerified(old, s.Addr, false, byOthers) {
		t.Error("a record that its owner has replaced was admitted on the word of others")
	}
	if _, _, ok := a.e.table.Get(s.Record.ID()); ok {
		t.Error("the node is in the table")
	}
	if !a.w.offerVerified(old, s.Addr, false, byOwner) {
		t.Error("the owner's own word does not count")
	}
}

// If the table refuses the newer record of a node, the node leaves: the older record must not be
// relayed on.
func TestRefusedNewerRecordEndsOlder(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.99.0.1:9000", func(c *Config) {
		c.Table.Filter = func(n table.Node) bool { return n.Seq() < 2 }
	})
	s := nw.stranger("9.9.9.8:9000", 8)
	n := tableNode(s)
	if res := a.e.addToTable(0, n); res.Rejected() || n.Seq() != 1 {
		t.Fatal(res, n.Seq())
	}
	s.renewed(func(*enr.Builder) {})
	if res := a.e.addToTable(0, tableNode(s)); !res.Rejected() {
		t.Fatal(res)
	}
	if _, _, ok := a.e.table.Get(n.ID); ok {
		t.Error("the older record is still in the table")
	}
}
