package engine

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Returned buffers are reused, and no more are kept than the bound.
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

// A packet that arrives after its response is complete adds nothing: the buffer may already be in
// use.
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

// asked is a FINDNODE that a has sent to a scripted peer, which answers it packet by packet.
type asked struct {
	a   *node
	s   *scriptedPeer
	id  codec.RequestID
	got []Result
}

// ask makes a ask the peer for the distance 256.
func (s *scriptedPeer) ask(a *node) *asked {
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

// answer sends a packet of the response from a peer, and returns how much it adds to c.
func (q *asked) answer(from *scriptedPeer, total uint64, c Counter, records ...*enr.Record) uint64 {
	m := codec.Nodes{RequestID: q.id, Total: total}
	for _, r := range records {
		m.Records = append(m.Records, r.Bytes()...)
	}
	before := q.a.e.Counters()[c]
	from.nw.inject(from.Addr, q.a, from.message(from.Record.ID(), q.a, from.Keys, m.Append(nil)))
	return q.a.e.Counters()[c] - before
}

// far makes k records at distance 256 from the peer.
func (s *scriptedPeer) far(k int) (list []*enr.Record) {
	for seed := uint64(1000); len(list) < k; seed++ {
		if r := s.nw.scriptedPeer("10.0.1.1:9", seed).Record; enr.LogDistance(s.Record.ID(), r.ID()) == 256 {
			list = append(list, r)
		}
	}
	return list
}

// S12: whatever an answer says of itself, 16 packets end it, 16 records are taken of it and no more
// bytes are kept than these may have.
func TestS12AnswerIsBounded(t *testing.T) {
	nw := newNetwork(t)
	a, s := nw.add("10.0.0.1:9000", nil), nw.scriptedPeer("10.0.0.9:9000", 7).listen()
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
func (s *scriptedPeer) large() *enr.Record {
	r, err := s.Record.Edit().SetString("x", string(bytes.Repeat([]byte{'x'}, 150))).Sign(s.Key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	return r
}

// S12: only a response of the node and of the type that was asked for counts. Others do not
// end the request.
func TestS12AnswerOfAnother(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", nil)
	s, other := nw.scriptedPeer("10.0.0.9:9000", 7).listen(), nw.scriptedPeer("10.0.0.10:9000", 8).listen()
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

// TestS10UnprovenFamily: a record that names a second address is relayed over the family where the
// node answered, and over the other one only once it has answered there too.
func TestS10UnprovenFamily(t *testing.T) {
	nw := newNetwork(t)
	server := nw.add("52.16.0.1:9000", nil)
	v6 := netip.MustParseAddrPort("[2a00:1450::1]:9000")
	nw.nodes[v6], server.second = server, v6
	claimant, rec := nw.dualStack(t, "52.16.1.7:9000", "[2a00:1450::7]:9000")
	claimed := claimant.addr
	delete(nw.nodes, claimed)
	claimant.addr = netip.MustParseAddrPort("52.16.1.7:9000")
	nw.nodes[claimant.addr] = claimant
	if r := claimant.ping(server); r.Err != nil {
		t.Fatal(r.Err)
	}
	distance := uint(enr.LogDistance(server.e.ID(), rec.ID()))
	relayed := func(from string) bool {
		asker := nw.add(from, nil)
		p := server.peer()
		if asker.addr.Addr().Is6() {
			p.Addr = v6
		}
		r := asker.call(Request{Type: codec.TypeFindNode, Peer: p, Distances: []uint{distance}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		for _, found := range r.Records {
			if found.ID() == rec.ID() {
				return true
			}
		}
		return false
	}
	nw.run(20 * time.Second) // the server checks its table
	if _, s, ok := server.e.table.Get(rec.ID()); !ok || !s.Live {
		t.Fatalf("the claimant is not live: %+v", s)
	}
	if !relayed("52.16.2.1:9000") {
		t.Error("not relayed over the family where it answers")
	}
	if relayed("[2a00:1450:0:2::1]:9000") {
		t.Error("relayed over a family where it has never answered")
	}
	// Now it is there, and is checked again after a while.
	nw.nodes[claimed], claimant.second = claimant, claimed
	for i := 0; ; i++ {
		if _, s, _ := server.e.table.Get(rec.ID()); s.Proven == netaddr.IPv4.Set()|netaddr.IPv6.Set() {
			break
		}
		if i == 100 {
			t.Fatal("the second address is never checked")
		}
		server.e.table.Demote(nw.now, rec.ID()) // so that it is checked soon
		nw.run(10 * time.Second)
	}
	if !relayed("[2a00:1450:0:3::1]:9000") {
		t.Error("not relayed over the second family although it has answered there")
	}
}

// TestS13BadRecordAmongGoodOnes: a record that does not verify, or that has an unknown scheme, is
// skipped; those around it are used.
func TestS13BadRecordAmongGoodOnes(t *testing.T) {
	nw := newNetwork(t)
	a, s := nw.add("10.0.0.1:9000", nil), nw.scriptedPeer("10.0.0.9:9000", 7).listen()
	s.connect(a)
	peer := Peer{ID: s.Record.ID(), PublicKey: s.Key.PublicKey(), Addr: s.Addr, Record: s.Record}
	first := nw.scriptedPeer("10.0.0.50:1", 51).Record
	distance := enr.LogDistance(s.Record.ID(), first.ID())
	second := first
	for seed := uint64(52); second == first; seed++ {
		if r := nw.scriptedPeer("10.0.0.51:1", seed).Record; enr.LogDistance(s.Record.ID(), r.ID()) == distance {
			second = r
		}
	}
	signature := bytes.Clone(first.Bytes())
	signature[len(signature)-1] ^= 1 // the port: the signature does not fit any more
	scheme := bytes.Replace(first.Bytes(), []byte("v4"), []byte("v9"), 1)
	for name, bad := range map[string][]byte{"signature": signature, "scheme": scheme} {
		s.got = nil
		var got []Result
		a.w.Begin(nw.now)
		a.w.Start(Request{Type: codec.TypeFindNode, Peer: peer, Distances: []uint{uint(distance)}, Done: func(_ *Worker, r Result) { got = append(got, r) }})
		nw.deliver()
		var m codec.FindNode
		_, body, err := codec.SplitMessage(s.reply())
		if err != nil || m.Decode(body) != nil {
			t.Fatal("no FINDNODE")
		}
		dropped := a.e.Counters()[DropNodeRecord]
		answer := codec.Nodes{RequestID: m.RequestID, Total: 1, Records: bytes.Join([][]byte{first.Bytes(), bad, second.Bytes()}, nil)}
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, answer.Append(nil)))
		if len(got) != 1 || got[0].Err != nil || len(got[0].Records) != 2 {
			t.Fatalf("%s: ended with %+v, want both good records", name, got)
		}
		if n := a.e.Counters()[DropNodeRecord] - dropped; n != 1 {
			t.Errorf("%s: %d records counted as bad", name, n)
		}
	}
}
