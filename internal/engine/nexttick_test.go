package engine

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"testing"
	"time"
)

// traced runs a swarm with loss for seven minutes and returns a hash of all its datagrams and their
// times. Nodes are ticked every 50 ms, or of these times only at those from NextTick on.
func traced(t *testing.T, sparing bool) (hash uint64, ticks int) {
	nw := newNetwork(t)
	boot := nw.add("20.0.0.1:9000", nil)
	for i := range 14 {
		nw.add(fmt.Sprintf("20.0.%d.2:9000", i+1), func(c *Config) {
			c.Bootnodes = []Peer{boot.peer()}
			if i%2 == 0 { // these find their address by votes
				rec, err := c.Record.Edit().Delete("ip").Delete("udp").Sign(c.Key)
				if err != nil {
					t.Fatal(err)
				}
				c.Record = rec
			} else {
				c.DetectAddress = -1
			}
		})
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
			n.jobs()
		}
		nw.deliver()
	}
	return h.Sum64(), ticks
}

// The ticks that NextTick spares would have done nothing: a network that leaves them out sends the
// same datagrams at the same times.
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
