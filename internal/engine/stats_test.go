package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
)

func TestHistogramBuckets(t *testing.T) {
	if bounds[BoundOne] != time.Second || bounds[NumBounds-1] != 16*time.Second || bounds[0] != time.Second>>16 {
		t.Fatalf("bounds from %v over %v to %v", bounds[0], bounds[BoundOne], bounds[NumBounds-1])
	}
	for _, c := range []struct {
		d      time.Duration
		bucket int
	}{
		{-time.Second, 0}, {0, 0}, {bounds[0], 0}, {bounds[0] + 1, 1}, {bounds[7], 7}, {bounds[7] + 1, 8},
		{time.Second, BoundOne}, {16 * time.Second, NumBounds - 1}, {16*time.Second + 1, NumBounds}, {time.Hour, NumBounds},
	} {
		var h histogram
		h.observe(c.d)
		if n := h.counts[c.bucket].Load(); n != 1 {
			t.Errorf("%v is not in bucket %d", c.d, c.bucket)
		}
	}
	var h histogram
	if n := testing.AllocsPerRun(100, func() { h.observe(3 * time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every datagram takes 3 ms. A request counts from the packet that was answered, a handshake from
// the packet that led to it, and the other side's from the arrival of its packet to the end of its
// work.
func TestLatencies(t *testing.T) {
	const hop = 3 * time.Millisecond
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	nw.Tap = func(netip.AddrPort, netip.AddrPort, []byte) { nw.now += hop }
	check := func(n *node, k Latency, count uint64, sum time.Duration) {
		t.Helper()
		if h := n.e.Latencies()[k]; h.Count() != count || h.Sum != sum {
			t.Errorf("latency %d: %d taking %v, want %d taking %v", k, h.Count(), h.Sum, count, sum)
		}
	}
	if r := a.ping(b); r.Err != nil || r.RTT != 2*hop {
		t.Fatalf("ping: %v after %v", r.Err, r.RTT)
	}
	check(a, LatencyPing, 1, 2*hop)
	check(a, LatencyInitiated, 1, 4*hop) // packet, WHOAREYOU, handshake, answer
	check(b, LatencyAccepted, 1, 0)
	check(b, LatencyPing, 0, 0)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	check(a, LatencyPing, 2, 4*hop)
	check(a, LatencyInitiated, 1, 4*hop)

	if r := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{0}}); r.Err != nil {
		t.Fatal(r.Err)
	}
	check(a, LatencyFindNode, 1, 2*hop)
	if r := a.call(Request{Type: codec.TypeTalkRequest, Peer: b.peer(), Protocol: []byte("p")}); r.Err != nil {
		t.Fatal(r.Err)
	}
	check(a, LatencyTalk, 1, 2*hop)

	// A lost answer counts nothing.
	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == a.addr }
	if r := a.ping(b); r.Err != ErrTimeout {
		t.Fatal(r.Err)
	}
	check(a, LatencyPing, 2, 4*hop)
}

// The time that a handshake waits in the queue counts, and so does that of a session which the
// other side has lost.
func TestLatencyOfQueue(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	b.holdTasks = true
	var end *Result
	start := func() {
		end = nil
		a.w.Begin(nw.now)
		a.w.Start(Request{Type: codec.TypePing, Peer: b.peer(), Done: func(_ *Worker, r Result) { end = &r }})
		nw.deliver()
	}
	start()
	nw.now += 100 * time.Millisecond
	b.w.Begin(nw.now)
	for b.w.RunTask() {
		nw.now += time.Millisecond // what the work takes
		b.w.Begin(nw.now)
	}
	nw.deliver()
	if end == nil || end.Err != nil {
		t.Fatalf("ping: %v", end)
	}
	if h := b.e.Latencies()[LatencyAccepted]; h.Count() != 1 || h.Sum != 101*time.Millisecond {
		t.Errorf("accepted: %d taking %v", h.Count(), h.Sum)
	}

	b.holdTasks = false
	id := [32]byte(a.rec.ID())
	key := session.MakeKey(a.addr, &id)
	b.e.sessions.Remove(&key, b.e.sessions.Hash(&key))
	nw.Tap = func(netip.AddrPort, netip.AddrPort, []byte) { nw.now += time.Millisecond }
	start()
	if end == nil || end.Err != nil {
		t.Fatalf("ping after the session was lost: %v", end)
	}
	if h := a.e.Latencies()[LatencyInitiated]; h.Count() != 2 || h.Sum != 101*time.Millisecond+4*time.Millisecond {
		t.Errorf("initiated: %d taking %v", h.Count(), h.Sum)
	}
}

// Each kind has a word of its own, for logs.
func TestEventKindString(t *testing.T) {
	seen := make(map[string]bool)
	for k := SessionEstablished; k <= TopicFound; k++ {
		if s := k.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("kind %d is %q", int(k), s)
		}
		seen[k.String()] = true
	}
	for _, k := range []EventKind{-1, 0, TopicFound + 1} {
		if k.String() != "unknown" {
			t.Errorf("kind %d is %q", int(k), k)
		}
	}
}
