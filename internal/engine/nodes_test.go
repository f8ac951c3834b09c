package engine

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// asked is a FINDNODE that a has sent to a stranger, who answers it packet by packet.
type asked struct {
	a   *node
	s   *stranger
	id  codec.RequestID
	got []Result
}

// ask has a ask the stranger for the distance 256.
func (s *stranger) ask(a *node) *asked {
	s.nw.t.Helper()
	q := &asked{a: a, s: s}
	peer := Peer{ID: s.Record.ID(), PublicKey: s.Key.PublicKey(), Addr: s.Addr, Record: s.Record}
	s.got = nil
	a.w.Begin(s.nw.now)
	a.w.Start(Request{Type: codec.TypeFindNode, Peer: peer, Distances: []uint{256}, Done: func(_ *Worker, r Result) { q.got = append(q.got, r) }})
	s.nw.deliver()
	var m codec.FindNode
	if _, body, err := codec.SplitMessage(s.reply()); err != nil || m.Decode(body) != nil {
		s.nw.t.Fatal("no FINDNODE")
	}
	q.id = m.RequestID
	return q
}

// answer sends a packet of the answer from a stranger, and counts what it adds to c.
func (q *asked) answer(from *stranger, total uint64, c Counter, records ...*enr.Record) uint64 {
	m := codec.Nodes{RequestID: q.id, Total: total}
	for _, r := range records {
		m.Records = append(m.Records, r.Bytes()...)
	}
	before := q.a.e.Counters()[c]
	from.nw.inject(from.Addr, q.a, from.message(from.Record.ID(), q.a, from.Keys, m.Append(nil)))
	return q.a.e.Counters()[c] - before
}

// far makes k records at the distance 256 of the stranger.
func (s *stranger) far(k int) (list []*enr.Record) {
	for seed := uint64(1000); len(list) < k; seed++ {
		if r := s.nw.stranger("10.0.1.1:9", seed).Record; enr.LogDistance(s.Record.ID(), r.ID()) == 256 {
			list = append(list, r)
		}
	}
	return list
}

// S12: whatever an answer says of itself, 16 packets end it, 16 records are taken of it and no more
// bytes are kept than these may have.
func TestS12AnswerIsBounded(t *testing.T) {
	nw := newNetwork(t)
	a, s := nw.add("10.0.0.1:9000", nil), nw.stranger("10.0.0.9:9000", 7).listen()
	s.connect(a)
	far := s.far(maxNodes + 4)

	q := s.ask(a)
	for i := range maxAnswerPackets {
		if len(q.got) != 0 {
			t.Fatalf("ended after %d packets", i)
		}
		q.answer(s, 1<<40, DropNodeExcess, far[i])
	}
	if len(q.got) != 1 || len(q.got[0].Records) != maxNodes {
		t.Errorf("total of 2^40: ended with %+v", q.got)
	}
	if q.answer(s, 1<<40, DropUnsolicited, far[0]) != 1 || len(q.got) != 1 {
		t.Error("a packet more than there may be was taken")
	}

	q = s.ask(a)
	q.answer(s, 1, DropNodeExcess, far[0])
	if q.answer(s, 1, DropUnsolicited, far[1]) != 1 || len(q.got) != 1 || len(q.got[0].Records) != 1 {
		t.Errorf("a packet more than the total: ended with %+v", q.got)
	}

	q = s.ask(a)
	q.answer(s, 3, DropNodeExcess, far[:7]...)
	q.answer(s, 3, DropNodeExcess, far[7:14]...)
	if n := q.answer(s, 3, DropNodeExcess, far[14:]...); n != 1 || len(q.got) != 1 || len(q.got[0].Records) != maxNodes {
		t.Errorf("%d records: ended with %+v", len(far), q.got)
	}

	q = s.ask(a)
	q.answer(s, 2, DropNodeExcess, far[0], far[0], far[1])
	q.answer(s, 2, DropNodeExcess, far[1], far[0])
	if len(q.got) != 1 || len(q.got[0].Records) != 2 {
		t.Errorf("records that repeat: ended with %+v", q.got)
	}

	q = s.ask(a)
	large := slices.Repeat([]*enr.Record{s.large()}, 3)
	excess, sent := uint64(0), 0
	for range maxAnswerPackets {
		excess += q.answer(s, maxAnswerPackets, DropNodeExcess, large...)
		sent += 3 * len(large[0].Bytes())
	}
	if sent <= maxAnswerBytes || excess == 0 || len(q.got) != 1 {
		t.Errorf("%d packets of %d bytes were cut, ended with %+v", excess, sent, q.got)
	}
}

// large is a record of nearly the size that one may have.
func (s *stranger) large() *enr.Record {
	r, err := s.Record.Edit().SetString("x", string(bytes.Repeat([]byte{'x'}, 150))).Sign(s.Key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	return r
}

// S12: an answer counts from whom was asked alone, of the type that was asked for. The request
// lives on.
func TestS12AnswerOfAnother(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	s, other := nw.stranger("10.0.0.9:9000", 7).listen(), nw.stranger("10.0.0.10:9000", 8).listen()
	s.connect(a)
	other.connect(a)
	q, far := s.ask(a), s.far(2)
	if n := q.answer(other, 1, DropUnsolicited, far[0]); n != 1 || len(q.got) != 0 {
		t.Errorf("NODES of another: %d refused, ended with %+v", n, q.got)
	}
	for name, m := range map[string][]byte{
		"PONG":     (&codec.Pong{RequestID: q.id, Recipient: a.addr}).Append(nil),
		"TALKRESP": (&codec.TalkResponse{RequestID: q.id}).Append(nil),
	} {
		before := a.e.Counters()[DropUnsolicited]
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, m))
		if a.e.Counters()[DropUnsolicited] != before+1 || len(q.got) != 0 {
			t.Errorf("%s for FINDNODE: ended with %+v", name, q.got)
		}
	}
	nw.now += 100 * time.Millisecond
	if q.answer(s, 1, DropUnsolicited, far[1]); len(q.got) != 1 || len(q.got[0].Records) != 1 || q.got[0].Records[0].ID() != far[1].ID() {
		t.Errorf("ended with %+v", q.got)
	}
}
