package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/session"
)

// hidden is a Curve without batches.
type hidden struct{ curve.Curve }

// TestHandshakesInBatches: handshakes that wait together are accepted together, with the same
// results, counts and answers as in turn.
func TestHandshakesInBatches(t *testing.T) {
	type outcome struct {
		counts  map[Counter]uint64
		replies []string
		tasks   int // calls of RunTask
	}
	// run sends handshakes while tasks are held. Every third one is spoiled in some way.
	run := func(t *testing.T, batches bool, handshakes int) (out outcome) {
		nw := newNetwork(t)
		b := nw.add("10.0.0.2:9000", func(c *Config) {
			if !batches {
				c.Curve = hidden{curve.Default()}
			}
		})
		b.holdTasks = true
		var peers []*scriptedPeer
		for i := range handshakes {
			s := nw.scriptedPeer(fmt.Sprintf("9.%d.9.9:9", i), uint64(1000+i)).listen()
			h := s.answer(s.challenge(b), b, ping(uint64(i+1)))
			switch i % 12 {
			case 2:
				h.Signature[3] ^= 1
			case 5:
				h.Ephemeral = nw.scriptedPeer("10.0.0.8:9", 1).Key.PublicKey()
			case 8:
				h.Record = nw.scriptedPeer("10.0.0.8:9", 1).Record.Bytes()
			case 1, 11:
				nw.inject(s.Addr, b, s.encode(h, b)) // the same twice
			}
			nw.inject(s.Addr, b, s.encode(h, b))
			peers = append(peers, s)
		}
		for _, s := range peers {
			s.got = nil
		}
		b.holdTasks = false
		b.w.Begin(nw.now)
		for b.w.RunTask() {
			out.tasks++
		}
		nw.deliver()
		out.counts = make(map[Counter]uint64)
		c := b.e.Counters()
		for _, i := range []Counter{HandshakesReceived, SessionsInbound, DropHandshakeProof, DropHandshakeOpen, DropHandshakeOwner, DropNoChallenge, DropHandshakeLate, OutPong} {
			out.counts[i] = c[i]
		}
		for i, s := range peers {
			p, ok := s.take()
			out.replies = append(out.replies, fmt.Sprint(i, ok, ok && p.Flag == codec.FlagMessage))
		}
		if n := b.e.Latencies()[LatencyAccepted]; n.Count() != out.counts[HandshakesReceived] {
			t.Errorf("%d latencies for %d handshakes", n.Count(), out.counts[HandshakesReceived])
		}
		if n := b.e.inbound.quota.Len(); n != 0 || b.e.Tasks() != 0 {
			t.Errorf("%d tasks are left, %d are reserved", b.e.Tasks(), n)
		}
		return out
	}
	for _, n := range []int{1, 2, 3, 8, 9, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			got, want := run(t, true, n), run(t, false, n)
			if want.tasks < n {
				t.Errorf("%d tasks without batches for %d handshakes", want.tasks, n)
			}
			if fmt.Sprint(got.counts) != fmt.Sprint(want.counts) || fmt.Sprint(got.replies) != fmt.Sprint(want.replies) {
				t.Errorf("counts %v, replies %v\nwant %v, %v", got.counts, got.replies, want.counts, want.replies)
			}
			if want.counts[OutPong] == 0 {
				t.Error("no PONG: this tests nothing")
			}
			if curve.Batches(curve.Default()) && n >= leastBatch && got.tasks > (want.tasks+session.BatchSize-1)/session.BatchSize+1 {
				t.Errorf("%d calls of RunTask for %d handshakes", got.tasks, n)
			}
		})
	}
}

// TestBatchLeavesOtherTasks: a batch ends before a task of another kind, and the lines of the queue
// keep their turns.
func TestBatchLeavesOtherTasks(t *testing.T) {
	var q taskQueue
	q.init(64)
	add := func(i int, kind taskKind, first bool) *task {
		j, cause := q.reserveHandshake(netip.AddrFrom4([4]byte{9, byte(i), 1, 1}), first)
		if j == nil {
			t.Fatalf("no room: %v", cause.Info())
		}
		j.kind = kind
		q.push(j)
		return j
	}
	var firsts, laters []*task
	for i := range 5 {
		firsts = append(firsts, add(i, taskAccept, true))
	}
	laters = append(laters, add(6, taskAccept, false))
	verify := add(7, taskVerify, true)
	firsts = append(firsts, add(8, taskAccept, true))

	var room [session.BatchSize]*task
	room[0] = q.pop()
	list := q.popHandshakes(room[:1], leastBatch)
	want := []*task{firsts[0], firsts[1], firsts[2], laters[0], firsts[3], firsts[4]}
	if fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("batch of %v, want %v", list, want)
	}
	if j := q.pop(); j != verify {
		t.Error("the task behind the batch is not the next one")
	}
	room[0] = q.pop()
	if list := q.popHandshakes(room[:1], leastBatch); len(list) != 1 || list[0] != firsts[5] {
		t.Errorf("one task makes a batch: %v", list)
	}
}

// TestNextRecord: records of a response are verified ahead, invalid ones are counted, and none is
// left behind or lost.
func TestNextRecord(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	for _, n := range []int{0, 1, 7, 8, 9, 17} {
		var list []byte
		var want []enr.ID
		bad := uint64(0)
		for i := range n {
			r := nw.scriptedPeer("10.0.1.1:9", uint64(5000+i)).Record
			b := r.Bytes()
			if i%3 == 1 {
				b = append([]byte(nil), b...)
				b[10] ^= 1
				bad++
			} else {
				want = append(want, r.ID())
			}
			list = append(list, b...)
		}
		before := a.e.Counters()[DropNodeRecord]
		var got []enr.ID
		a.w.eachRecord(list, func(r *enr.Record) { got = append(got, r.ID()) })
		a.w.publish()
		if fmt.Sprint(got) != fmt.Sprint(want) || a.e.Counters()[DropNodeRecord]-before != bad {
			t.Errorf("%d records: %d, want %d; %d dropped, want %d", n, len(got), len(want), a.e.Counters()[DropNodeRecord]-before, bad)
		}
		if b := &a.w.verified; b.n != 0 || b.records[0] != nil {
			t.Errorf("%d records are kept", b.n)
		}
	}
}
