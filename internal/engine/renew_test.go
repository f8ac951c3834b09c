package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// A node that takes its endpoint out of its record is not told of any more, though it still answers
// where it was: whoever has the older record finds out with the next PING and drops it, and nobody
// who still has it brings it back.
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

// Only who comes unasked proves that strangers can reach a node: not a node that it has just tried
// to reach, answered or not, nor one that it has a session with.
func TestWhoIsAStranger(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	met := func() int {
		nw.run(2 * time.Second) // PONGs tell at which endpoint they have come in
		return len(a.e.AddressState(nw.now, netaddr.IPv4).ProvenBy)
	}
	tried, asked, unasked := nw.add("20.0.2.1:9000", nil), nw.add("20.0.3.1:9000", nil), nw.add("20.0.4.1:9000", nil)

	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == tried.addr }
	if r := a.ping(tried); r.Err != ErrTimeout {
		t.Fatal(r.Err)
	}
	nw.Drop = nil
	if r, n := tried.ping(a), met(); r.Err != nil || n != 0 {
		t.Errorf("who was tried to be reached: %v, %d strangers", r.Err, n)
	}
	if r := a.ping(asked); r.Err != nil {
		t.Fatal(r.Err)
	}
	// it has lost its sessions
	asked.start(Config{Key: asked.key, Record: asked.rec, IPv4: true, Random: wiretest.Reader(99)})
	if r, n := asked.ping(a), met(); r.Err != nil || n != 0 {
		t.Errorf("who was asked: %v, %d strangers", r.Err, n)
	}
	if r, n := unasked.ping(a), met(); r.Err != nil || n != 1 {
		t.Errorf("who was not: %v, %d strangers", r.Err, n)
	}
	c := &contacts{seed: 1}
	c.note(nw.now, tried.addr.Addr())
	if !c.lately(nw.now+contactLife-time.Second, tried.addr.Addr()) || c.lately(nw.now+contactLife+2*time.Second, tried.addr.Addr()) ||
		c.lately(nw.now, asked.addr.Addr()) {
		t.Error("contacts are forgotten too early, too late, or confused")
	}
}
