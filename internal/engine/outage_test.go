package engine

import (
	"net/netip"
	"testing"
	"time"
)

// A network that is down for so long that all tables have run empty comes back together: also where
// both sides still have their session, so that no handshake brings anybody into a table.
func TestTablesFillAfterOutage(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add("10.0.0.1:9000", nil) // knows nobody to start from
	for _, addr := range []string{"10.0.0.2:9000", "10.0.0.3:9000", "10.0.0.4:9000"} {
		nw.add(addr, func(c *Config) { c.Bootnodes = []Peer{boot.peer()} })
	}
	full := func() bool {
		for _, n := range nw.order {
			if n.e.table.LiveLen() != len(nw.order)-1 {
				return false
			}
		}
		return true
	}
	nw.run(2 * time.Minute)
	if !full() {
		t.Fatal("the network did not come up")
	}
	nw.Drop = func(_, _ netip.AddrPort, _ []byte) bool { return true }
	nw.run(20 * time.Minute)
	for _, n := range nw.order {
		if n.e.table.Len() != 0 {
			t.Fatalf("%d nodes are left in a table after the outage", n.e.table.Len())
		}
	}
	nw.Drop = nil
	nw.run(3 * time.Minute)
	if !full() {
		for _, n := range nw.order {
			t.Errorf("%v: %d live nodes, %d sessions", n.addr, n.e.table.LiveLen(), n.e.sessions.Stats().Sessions)
		}
	}
}

// A node that was taken out of the table while its session stands comes back when it answers.
func TestAnswerBringsIntoTable(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	a.e.table.Remove(nw.now, b.rec.ID())
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	if a.e.Counters()[HandshakesSent] != 1 {
		t.Fatal("the second PING needed a handshake")
	}
	if _, s, ok := a.e.table.Get(b.rec.ID()); !ok || !s.Live {
		t.Errorf("in the table: %v, live: %v", ok, s.Live)
	}
}
