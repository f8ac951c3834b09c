package engine

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"testing"
	"time"
)

// A bootnode that answers and finds no place in the table, as there are others of its network, is
// asked again when the next lookup is due and not at every tick.
func TestBootnodeWithoutPlaceIsNotAskedAllTheTime(t *testing.T) {
	nw := newNetwork(t)
	var boot []Peer
	for i := range 12 {
		boot = append(boot, nw.add(fmt.Sprintf("9.9.9.%d:9000", 1+i), nil).peer())
	}
	a := nw.add("198.51.99.1:9000", nil, boot...)
	nw.run(time.Minute)
	if n := a.e.table.Len(); n == 0 || n == len(boot) {
		t.Fatalf("%d of %d bootnodes are in the table: this tests nothing", n, len(boot))
	}
	// Lookups follow each other after 2, 4, 8 and 16 s, then each half minute; checks and lookups
	// send something too.
	if n := a.e.Counters()[OutPing]; n > 200 {
		t.Errorf("%d PINGs within a minute", n)
	}
}

// traced runs a swarm with loss for seven minutes and returns a hash of all its datagrams and their
// times. Nodes are ticked every 50 ms, or of these times only at those from NextTick on.
func traced(t *testing.T, sparing bool) (hash uint64, ticks int) {
	nw := newNetwork(t)
	boot := nw.add("20.0.0.1:9000", nil)
	for i := range 14 {
		nw.add(fmt.Sprintf("20.0.%d.2:9000", i+1), func(c *Config) {
			if i%2 == 0 { // these find their address by votes
				rec, err := c.Record.Edit().Delete("ip").Delete("udp").Sign(c.Key)
				if err != nil {
					t.Fatal(err)
				}
				c.Record = rec
			} else {
				c.DetectAddress = -1
			}
		}, boot.peer())
	}
	h := fnv.New64a()
	nw.Tap = func(from, to netip.AddrPort, b []byte) {
		fmt.Fprintln(h, nw.now, from, to)
		h.Write(b)
	}
	nw.Drop = func(_, _ netip.AddrPort, _ []byte) bool { return nw.rng.IntN(20) == 0 }
	for end := nw.now + 7*time.Minute; nw.now < end; {
		nw.now += 50 * time.Millisecond
		for _, n := range nw.order {
			if sparing && n.w.NextTick() > nw.now {
				continue
			}
			ticks++
			n.w.Tick(nw.now)
			n.runTasks()
		}
		nw.deliver()
	}
	return h.Sum64(), ticks
}

// The ticks that NextTick skips would have done nothing: a network without them sends the same
// datagrams.
func TestNextTickSparesNothing(t *testing.T) {
	all, each := traced(t, false)
	some, few := traced(t, true)
	if all != some {
		t.Error("the swarm is another one if ticks are left out")
	}
	if few*5 > each {
		t.Errorf("%d of %d ticks are left", few, each)
	}
	t.Logf("%d of %d ticks", few, each)
}

// A call that has timed out does not outlive the tick that NextExpiry names.
func TestNextExpiry(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	if at := a.e.NextExpiry(); at != never {
		t.Errorf("next expiry %v without calls", at)
	}
	var ended []time.Duration
	for i, d := range []time.Duration{3 * time.Second, time.Second, 10 * time.Second} {
		b := nw.add(fmt.Sprintf("10.0.0.%d:9000", i+2), nil)
		a.w.Start(Request{Type: 1, Peer: b.peer(), Timeout: d, NoFallback: true, Done: func(*Worker, Result) { ended = append(ended, nw.now) }})
	}
	for i, want := range []time.Duration{1, 3, 10} {
		at := a.e.NextExpiry()
		if at < want*time.Second || at > want*time.Second+10*time.Millisecond {
			t.Fatalf("call %d expires at %v, want %d s", i, at, want)
		}
		nw.now = at - 1
		if a.w.Tick(nw.now); len(ended) != i {
			t.Fatalf("%d calls have ended before the time", len(ended))
		}
		nw.now = at
		if a.w.Tick(nw.now); len(ended) != i+1 {
			t.Fatalf("%d calls have ended at the time, want %d", len(ended), i+1)
		}
	}
	if n := a.e.Lookups(); n != 0 {
		t.Errorf("%d lookups", n)
	}
}

// A network that is down for so long that all tables have run empty comes back together: also where
// both sides still have their session, so that no handshake brings anybody into a table.
func TestTablesFillAfterOutage(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add("10.0.0.1:9000", nil) // knows nobody to start from
	for _, addr := range []string{"10.0.0.2:9000", "10.0.0.3:9000", "10.0.0.4:9000"} {
		nw.add(addr, nil, boot.peer())
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

// A node that was removed from the table while its session stands comes back when it answers.
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
