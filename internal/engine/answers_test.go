package engine

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Memory that is given back is given out again, and no more of it is kept than the bound says.
func TestAnswerPool(t *testing.T) {
	var p NodesBuffers
	b := p.get()
	if len(b) != 0 || cap(b) != maxAnswerBytes {
		t.Fatalf("length %d, room for %d", len(b), cap(b))
	}
	p.put(append(b, 1))
	p.put(nil)
	again := p.get()
	if len(again) != 0 || &again[:1][0] != &b[:1][0] {
		t.Errorf("length %d, the same memory: %v", len(again), &again[:1][0] == &b[:1][0])
	}
	if other := p.get(); &other[:1][0] == &again[:1][0] {
		t.Error("one piece of memory is given out twice")
	}
	for range 2 * maxPooledAnswers {
		p.put(make([]byte, 0, maxAnswerBytes))
	}
	if len(p.free) != maxPooledAnswers {
		t.Errorf("%d are kept", len(p.free))
	}
}

// Two engines share memory for answers. Records that came in it outlive its next use.
func TestAnswersShared(t *testing.T) {
	nw := newNetwork(t)
	var pool NodesBuffers
	share := func(c *Config) { c.NodesBuffers = &pool }
	a, b, c := nw.add("10.0.0.1:9000", share), nw.add("10.0.0.2:9000", share), nw.add("10.0.0.3:9000", nil)
	own := func(from *node) *enr.Record {
		r := from.call(Request{Type: codec.TypeFindNode, Peer: c.peer(), Distances: []uint{0}})
		if r.Err != nil || len(r.Records) != 1 {
			t.Fatalf("%d records, %v", len(r.Records), r.Err)
		}
		return r.Records[0]
	}
	first := own(a)
	if len(pool.free) != 1 {
		t.Fatalf("%d pieces of memory after an answer", len(pool.free))
	}
	clear(pool.free[0][:maxAnswerBytes])
	second := own(b)
	if len(pool.free) != 1 {
		t.Errorf("%d pieces of memory after another one", len(pool.free))
	}
	clear(pool.free[0][:maxAnswerBytes])
	for _, r := range []*enr.Record{first, second} {
		if v, err := enr.ParseView(r.Bytes()); err != nil || v.Verify() != nil || r.ID() != c.e.ID() {
			t.Errorf("a record has changed: %v", err)
		}
	}
}

// A packet of an answer that comes once the answer is being worked on adds nothing: its memory may
// be another call's by then.
func TestAnswerCollected(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	var ended []Result
	a.w.Begin(nw.now)
	a.w.Start(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{0}, Done: func(_ *Worker, r Result) { ended = append(ended, r) }})
	var c *call
	for _, o := range a.e.calls.peers {
		c = o.calls[0]
	}
	c.collected = true // as another worker does between two steps of this one
	nw.deliver()
	if c.nodes != nil || c.packets != 0 {
		t.Errorf("%d bytes of %d packets", len(c.nodes), c.packets)
	}
	nw.run(3 * time.Second)
	if len(ended) != 1 {
		t.Errorf("the call ended %d times", len(ended))
	}
}
