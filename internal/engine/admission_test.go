package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// claiming adds a scripted peer whose record states another endpoint than its own.
func (nw *network) claiming(addr, states string, seed uint64) *scriptedPeer {
	s := nw.scriptedPeer(addr, seed).listen()
	to := netip.MustParseAddrPort(states)
	s.renewed(func(b *enr.Builder) { b.SetIP(to.Addr()).SetUDP(to.Port()) })
	return s
}

// sentBeside counts the datagrams that n sends to addresses outside 9.0.0.0/8, where the scripted
// peers are.
func (nw *network) sentBeside(n *node) *int {
	count := new(int)
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
		if from == n.addr && to.Addr().As4()[0] != 9 {
			*count++
		}
	})
	return count
}

// S28: an endpoint that a node states for itself gets one probe, however often the node makes
// handshakes, until it answers or the budget forgets it.
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
// other sites.
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

// Others may still relay a record after its owner has sent a newer one and was removed: the old one
// does not bring the node back.
func TestOutdatedRecordOfOthersStaysOut(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.99.0.1:9000", nil)
	s := nw.scriptedPeer("9.9.9.8:9000", 8)
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
	s := nw.scriptedPeer("9.9.9.8:9000", 8)
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

// A node that takes its endpoint out of its record is no longer relayed, though it still answers
// where it was.
func TestRecordLosesEndpoint(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	old := b.peer()
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	if n := a.e.table.LiveLen(); n != 1 {
		t.Fatalf("%d live nodes", n)
	}
	if err := b.e.UpdateRecord(func(x *enr.Builder) { x.Delete("ip").Delete("udp") }); err != nil {
		t.Fatal(err)
	}
	nw.run(2 * time.Minute)
	if _, ok := a.e.table.Seq(b.e.ID()); ok {
		t.Error("still in the table")
	}
	r := a.call(Request{Type: 1, Peer: old})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if _, ok := a.e.table.Seq(b.e.ID()); ok {
		t.Error("its old record has brought it back")
	}

	// Neither does it where the node came with its new record, and others tell of the old one.
	c := nw.add("10.0.0.3:9000", nil)
	if r := b.ping(c); r.Err != nil {
		t.Fatal(r.Err)
	}
	if r := c.call(Request{Type: 1, Peer: old}); r.Err != nil {
		t.Fatal(r.Err)
	}
	if _, ok := c.e.table.Seq(b.e.ID()); ok {
		t.Error("its old record has brought it in elsewhere")
	}
}

// A newer record that names the address at which the table has the node replaces the older one,
// from wherever it was shown.
func TestRecordRenewedFromElsewhere(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	newer, err := b.e.Record().Edit().SetTCP(30303).Sign(b.key)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := nw.add("10.0.0.3:9000", nil).addr
	if a.w.offerVerified(newer, elsewhere, true, byOwner) {
		t.Error("admitted at an address that its record does not name")
	}
	n, s, _ := a.e.table.Get(b.e.ID())
	if n.Seq() != newer.Seq() || n.Addr != b.addr || !s.Live {
		t.Errorf("record %d at %v, live %v; want record %d at %v", n.Seq(), n.Addr, s.Live, newer.Seq(), b.addr)
	}
}

// Only unsolicited peers prove that this node can be reached: not a node that it has just
// contacted, nor one that it knows.
func TestUnsolicitedPeers(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	met := func() int {
		nw.run(2 * time.Second) // PONGs say at which endpoint they have made contact
		return len(a.e.AddressState(nw.now, netaddr.IPv4).ProvenBy)
	}
	tried, asked, unasked := nw.add("20.0.2.1:9000", nil), nw.add("20.0.3.1:9000", nil), nw.add("20.0.4.1:9000", nil)

	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == tried.addr }
	if r := a.ping(tried); r.Err != ErrTimeout {
		t.Fatal(r.Err)
	}
	nw.Drop = nil
	if r, n := tried.ping(a), met(); r.Err != nil || n != 0 {
		t.Errorf("a peer that did not answer us: %v, %d unsolicited peers", r.Err, n)
	}
	if r := a.ping(asked); r.Err != nil {
		t.Fatal(r.Err)
	}
	// it has lost its sessions
	asked.start(Config{Key: asked.key, Record: asked.rec, IPv4: true, Random: wiretest.Reader(99)})
	if r, n := asked.ping(a), met(); r.Err != nil || n != 0 {
		t.Errorf("a peer that we asked: %v, %d unsolicited peers", r.Err, n)
	}
	if r, n := unasked.ping(a), met(); r.Err != nil || n != 1 {
		t.Errorf("a peer that we did not contact: %v, %d unsolicited peers", r.Err, n)
	}
	c := &contacts{seed: 1}
	c.note(nw.now, tried.addr.Addr())
	if !c.lately(nw.now+contactLife-time.Second, tried.addr.Addr()) || c.lately(nw.now+contactLife+2*time.Second, tried.addr.Addr()) ||
		c.lately(nw.now, asked.addr.Addr()) {
		t.Error("contacts are forgotten too early, too late, or confused")
	}
}

// Tests of older records are bounded in number and in time, and end once the remembered endpoint
// answers.
func TestRestartsAreBounded(t *testing.T) {
	var rs restarts
	for i := range 100 {
		rs.add(restart{node: table.Node{ID: enr.ID{byte(i)}}})
	}
	if len(rs.list) != maxRestarts {
		t.Errorf("%d nodes are tested, want %d", len(rs.list), maxRestarts)
	}

	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("20.1.0.1:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(time.Minute)
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live {
		t.Fatal("not live")
	}
	older := table.NewNode(b.rec, b.addr, false)
	older.Addr = netip.MustParseAddrPort("20.2.0.1:9000")
	for _, c := range []struct {
		name  string
		until time.Duration
	}{{"its time is over", nw.now - time.Second}, {"the endpoint answers", nw.now + time.Hour}} {
		nw.Drop = func(from, _ netip.AddrPort, _ []byte) bool { return from == b.addr && c.until < nw.now }
		a.e.restarts.add(restart{node: older, until: c.until, next: nw.now})
		nw.run(2 * time.Second)
		if n := len(a.e.restarts.list); n != 0 {
			t.Errorf("%s: the test continues", c.name)
		}
		if n, _, ok := a.e.table.Get(b.e.ID()); !ok || n.Addr != b.addr {
			t.Errorf("%s: the node is at %v", c.name, n.Addr)
		}
	}
}

// S36: a PONG that comes long after its sender made contact proves nothing, a source of another
// class of addresses neither, and one site counts once.
func TestS36WhatProvesNothing(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("20.1.0.1:9000", nil)
	r := &a.e.address.fam[netaddr.IPv4]
	id := [32]byte(b.e.ID())
	for _, c := range []struct {
		name  string
		after time.Duration
		want  int
	}{{"late", waitTime + time.Minute, 0}, {"in time", time.Second, 1}} {
		a.e.address.waiting[0] = waiting{session.MakeKey(b.addr, &id), siteOf(b.addr.Addr()), nw.now + 1}
		nw.now += c.after
		a.e.address.waiting[1] = waiting{}
		if res := a.ping(b); res.Err != nil {
			t.Fatal(res.Err)
		}
		if r.proof.n != c.want {
			t.Errorf("a PONG that comes %s: %d sites prove the endpoint, want %d", c.name, r.proof.n, c.want)
		}
	}

	nw.scriptedPeer("10.0.0.9:9000", 8).listen().connect(a)
	for _, s := range a.e.address.waiting {
		if s.at != 0 && s.site.Addr() == netip.MustParseAddr("10.0.0.9") {
			t.Error("a private source is waited for to prove a public endpoint")
		}
	}

	m := reach{}
	site := netip.MustParsePrefix("30.1.1.0/24")
	if !m.miss(time.Hour, site) || m.miss(time.Hour, site) || len(m.missed) != 1 {
		t.Error("one site speaks twice against an endpoint")
	}
}
