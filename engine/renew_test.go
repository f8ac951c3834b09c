package engine

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// A node that takes its endpoint out of its record is not told of any more, though it still answers where it was: whoever has the older record
// finds out with the next PING and drops it, and nobody who still has it brings it back.
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
}

// A newer record that names the address at which the table has the node replaces the older one, from wherever it was shown.
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
	if a.e.admit(nw.now, newer, elsewhere, true) {
		t.Error("admitted at an address that its record does not name")
	}
	n, s, _ := a.e.table.Get(b.e.ID())
	if n.Seq != newer.Seq() || n.Addr != b.addr || !s.Live {
		t.Errorf("record %d at %v, live %v; want record %d at %v", n.Seq, n.Addr, s.Live, newer.Seq(), b.addr)
	}
}
