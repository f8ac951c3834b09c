package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// move gives a node another address, as a router does. Its record does not know.
func (n *node) move(addr string) netip.AddrPort {
	delete(n.net.nodes, n.addr)
	n.addr = netip.MustParseAddrPort(addr)
	n.net.nodes[n.addr] = n
	return n.addr
}

// name puts an endpoint into the node's record.
func (n *node) name(t *testing.T, a netip.AddrPort) {
	t.Helper()
	if err := n.e.UpdateRecord(func(b *enr.Builder) { b.SetIP(a.Addr()).SetUDP(a.Port()) }); err != nil {
		t.Fatal(err)
	}
}

// A node whose address changes makes new sessions from there, and later has a record that says so.
// Peers that learn of the record ask for it at the new address, and have the node there, whether or
// not they still had it in the table.
func TestNewerRecordFromNewAddress(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		left bool // the table has lost the node by then
	}{{"in the table", 2 * time.Second, false}, {"removed recently", 5 * time.Minute, true}} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
			if r := b.ping(a); r.Err != nil {
				t.Fatal(r.Err)
			}
			nw.run(5 * time.Second)
			now := b.move("10.0.0.3:9000")
			if r := b.ping(a); r.Err != nil { // a session from there, with the record of before
				t.Fatal(r.Err)
			}
			nw.run(c.away)
			if _, ok := a.e.table.Seq(b.e.ID()); ok == c.left {
				t.Fatalf("in the table: %v", ok)
			}
			b.name(t, now)
			if r := b.ping(a); r.Err != nil {
				t.Fatal(r.Err)
			}
			nw.run(2 * time.Second)
			n, s, ok := a.e.table.Get(b.e.ID())
			if !ok || n.Addr != now || n.Seq() != b.e.Record().Seq() || !s.Live {
				t.Errorf("in the table: %v, at %v with record %d, live %v; want %v, %d", ok, n.Addr, n.Seq(), s.Live, now, b.e.Record().Seq())
			}
		})
	}
}

// A node that does not know its address when it first makes contact comes into the table once it
// does.
func TestRecordGetsEndpoint(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	b := nw.add("10.0.0.2:9000", func(c *Config) {
		r, err := enr.NewBuilder().Sign(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.Record = r
	})
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	if a.e.table.Len() != 0 {
		t.Fatal("a node without an address is in the table")
	}
	b.name(t, b.addr)
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(2 * time.Second)
	if n, s, ok := a.e.table.Get(b.e.ID()); !ok || n.Addr != b.addr || !s.Live || !n.Inbound {
		t.Errorf("in the table: %v, at %v, live %v, inbound %v", ok, n.Addr, s.Live, n.Inbound)
	}
	if a.e.Counters()[HandshakesSent] != 0 {
		t.Error("the record was not asked for within the session")
	}
}

// If the record is lost on its way, it is requested when the node next announces it.
func TestNewerRecordLost(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	if err := b.e.UpdateRecord(func(x *enr.Builder) { x.SetString("news", "x") }); err != nil {
		t.Fatal(err)
	}
	asked := a.e.Counters()[OutFindNode]
	nw.Drop = func(from, _ netip.AddrPort, _ []byte) bool {
		return from == a.addr && a.e.Counters()[OutFindNode] > asked
	}
	b.ping(a)
	nw.run(3 * time.Second)
	if a.e.Counters()[OutFindNode] == asked {
		t.Fatal("the record was not asked for")
	}
	nw.Drop = nil
	if seq, _ := a.e.table.Seq(b.e.ID()); seq == b.e.Record().Seq() {
		t.Fatal("the record has come all the same")
	}
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(2 * time.Second)
	if seq, ok := a.e.table.Seq(b.e.ID()); !ok || seq != b.e.Record().Seq() {
		t.Errorf("record %d in the table (%v), want %d", seq, ok, b.e.Record().Seq())
	}
}

// A node of both families stays where the table has it when it tells of a newer record over the
// other one.
func TestNewerRecordOverOtherFamily(t *testing.T) {
	nw := newNetwork(t)
	six := netip.MustParseAddrPort("[fd00::2]:9000")
	a := nw.add("10.0.0.1:9000", func(c *Config) {
		r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("10.0.0.1")).SetUDP(9000).SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(9000).Sign(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.Record = r
	})
	a.second = netip.MustParseAddrPort("[fd00::1]:9000")
	nw.nodes[a.second] = a
	a.rec = a.e.Record()
	b := nw.add("10.0.0.2:9000", nil)
	b.second = six
	nw.nodes[six] = b
	if err := b.e.UpdateRecord(func(x *enr.Builder) { x.SetIP(six.Addr()).SetUDP6(six.Port()) }); err != nil {
		t.Fatal(err)
	}
	over := func(to netip.AddrPort) {
		p := a.peer()
		p.Addr = to
		if r := b.call(Request{Type: codec.TypePing, Peer: p, NoFallback: true}); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	over(a.addr)
	nw.run(5 * time.Second)
	over(a.second)
	b.name(t, b.addr)
	over(a.second)
	nw.run(100 * time.Millisecond)
	n, s, _ := a.e.table.Get(b.e.ID())
	if n.Addr != b.addr || n.Seq() != b.e.Record().Seq() || !s.Live {
		t.Errorf("at %v with record %d, live %v; want %v, %d", n.Addr, n.Seq(), s.Live, b.addr, b.e.Record().Seq())
	}
}

// Nodes outside the table cannot keep the records of its members from being requested. Only a few
// nodes of one site wait, and each has one slot, however often it raises its sequence number.
func TestNewerRecordBounds(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("20.0.1.2:9000", nil)
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	m := &a.e.maintain
	site := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i), 1, 1}), 9000)
	}
	taken := func(k int, from func(i int) netip.AddrPort) (n int) {
		for i := range k {
			if a.w.noteUpdate(recordUpdate{id: enr.ID{byte(i), from(0).Addr().As4()[3]}, seq: 1, from: from(i)}) {
				n++
			}
		}
		return n
	}
	if n := taken(100, func(int) netip.AddrPort { return netip.MustParseAddrPort("40.1.1.9:1") }); n != maxUpdatesSite {
		t.Errorf("%d nodes of one site taken, want %d", n, maxUpdatesSite)
	}
	if n := taken(100, site); n != maxUpdatesUnlisted-maxUpdatesSite {
		t.Errorf("%d nodes of other sites taken, want %d", n, maxUpdatesUnlisted-maxUpdatesSite)
	}
	n := recordUpdate{id: b.e.ID(), seq: b.e.Record().Seq() + 1, from: b.addr}
	for range maxUpdates {
		if n.seq++; !a.w.noteUpdate(n) {
			t.Error("a node of the table finds no room, or is refused when it says so again")
		}
	}
	if len(m.updates) != maxUpdatesUnlisted+1 || m.updates[maxUpdatesUnlisted].seq != n.seq {
		t.Errorf("%d wait, want %d, the last with record %d", len(m.updates), maxUpdatesUnlisted+1, n.seq)
	}
	nw.run(50 * time.Millisecond)
	if len(m.updates) != maxUpdatesUnlisted+1-fetchesPerTick {
		t.Errorf("%d wait after a tick", len(m.updates))
	}
	nw.run(time.Second)
	if len(m.updates) != 0 {
		t.Errorf("%d wait after a second", len(m.updates))
	}
}

// A request to the former address of a node does not count against it at its new one.
func TestFailureAtOldAddress(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	was := b.addr
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	b.name(t, b.move("10.0.0.3:9000"))
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(2 * time.Second)
	for range 10 {
		nw.now += 2 * time.Second
		a.w.now = nw.now
		a.w.noteFailure(b.e.ID(), was, Result{Err: ErrTimeout, Silence: time.Second})
	}
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live || s.Fails != 0 {
		t.Errorf("in the table: %v, live %v, %d failures", ok, s.Live, s.Fails)
	}
	a.w.noteFailure(b.e.ID(), b.addr, Result{Err: ErrTimeout, Silence: time.Second})
	if _, s, _ := a.e.table.Get(b.e.ID()); s.Fails != 1 {
		t.Errorf("%d failures after one where it is", s.Fails)
	}
}
