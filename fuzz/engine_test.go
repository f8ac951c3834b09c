package fuzz

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// FuzzEngine runs one engine by a script. It never panics; it never sends more to an unverified
// source than came from there; its memory stays within its bounds; no node gets a session
// or a place in the table that has not proved its key at its address; every request ends exactly
// once.
func FuzzEngine(f *testing.F) {
	for _, s := range engineSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		w := newWorld(t, &script{input})
		for steps := 0; w.s.more() && steps < 400; steps++ {
			w.step()
		}
		w.finish()
	})
}

// dishonest is the number from which on the choice of a handshake makes it a bad one.
const dishonest = 192

// Steps of a script, by their number.
const (
	stepRaw       = iota // bytes as they are
	stepPacket           // a packet in clear, masked
	stepUnknown          // a message that cannot be opened, from an ID of the script
	stepMessage          // a message within the session, bytes of the script
	stepRequest          // a well-formed request within the session
	stepHandshake        // the answer to a WHOAREYOU
	stepWhoareyou        // WHOAREYOU for what the engine has sent
	stepAccept           // the peer takes the engine's handshake, and answers
	stepAnswer           // an answer to the request that the peer has opened
	stepReplay           // a datagram of before, perhaps changed, perhaps from elsewhere
	stepBatch            // several of these in one batch
	stepTime             // time passes
	stepTasks            // tasks are done
	stepCall             // a request of the engine
	stepCancel           // one is given up
	stepLookup           // a lookup
	stepMove             // a peer moves to the address of another one, or home
	numSteps
)

func (w *world) step() {
	switch op := w.s.choose(numSteps); op {
	case stepTime:
		w.pass(w.span())
	case stepTasks:
		w.tasks(1 + w.s.choose(8))
	case stepCall:
		w.call()
	case stepCancel:
		if len(w.calls) > 0 {
			w.slow.Begin(w.now)
			w.slow.Cancel(w.calls[w.s.choose(256)%len(w.calls)].id)
			w.contact()
			w.settle()
		}
	case stepLookup:
		w.slow.Begin(w.now)
		c := &call{}
		w.calls = append(w.calls, c)
		target := enr.ID(w.peers[w.s.choose(len(w.peers))].ID())
		w.slow.Lookup(target, lookup.Config{}, func(*enr.Record) {}, func(*engine.Worker, []lookup.Peer) { c.ended++ })
		w.contact()
		w.settle()
	case stepMove:
		w.peerAt().at = w.peerAt().Addr
	case stepBatch:
		var list []wiretest.Datagram
		for range w.s.choose(40) {
			if d, ok := w.datagram(w.s.choose(stepBatch)); ok {
				list = append(list, d)
			}
		}
		w.deliver(list...)
	default:
		before := w.e.Counters()[engine.WhoareyouReceived]
		d, ok := w.datagram(op)
		if !ok {
			return
		}
		w.deliver(d)
		if w.e.Counters()[engine.WhoareyouReceived] == before {
			return
		}
		for _, p := range w.peers[1:] { // one of those at that address was asked
			if p.opening != nil && p.openingAt == d.From {
				return
			}
		}
		w.t.Fatalf("WHOAREYOU from %v was taken, to where nothing was sent", d.From)
	}
}

// span is a time between a millisecond and two days.
func (w *world) span() time.Duration {
	d := time.Duration(1+w.s.choose(256)) * time.Millisecond
	for range w.s.choose(6) {
		d *= 10
	}
	return min(d, 48*time.Hour)
}

// datagram makes one, if the peer has what it takes.
func (w *world) datagram(op int) (wiretest.Datagram, bool) {
	p := w.peerAt()
	var b []byte
	switch op {
	case stepRaw:
		b = w.s.bytes(6)
	case stepPacket:
		b = w.packet()
	case stepUnknown:
		b = p.unknown([32]byte{w.s.byte(), w.s.byte()}, make([]byte, codec.TagSize+1+w.s.choose(256)))
	case stepMessage:
		b = p.message(w.s.bytes(5))
	case stepRequest:
		b = p.message(w.request())
	case stepHandshake:
		how := w.s.byte()
		if how < dishonest {
			how = 0
		}
		b = p.answer(w.request(), how&31)
	case stepWhoareyou:
		b = p.challengeNode(uint64(w.s.choose(3)))
	case stepAccept:
		if !p.accept() {
			return wiretest.Datagram{}, false
		}
		b = p.message(w.response(p))
	case stepAnswer:
		b = p.message(w.response(p))
	case stepReplay:
		return w.replay()
	}
	if len(b) == 0 {
		return wiretest.Datagram{}, false
	}
	return wiretest.Datagram{From: p.at, To: w.home(), B: b}, true
}

// packet is a header of the right protocol whose other fields come from the script.
func (w *world) packet() []byte {
	b := make([]byte, 16, 64)
	b = append(b, "discv5\x00\x01"...)
	b = append(b, w.s.byte()%4)
	b = append(b, w.s.bytes(1)...)
	if len(b) < 39 {
		b = append(b, make([]byte, 39-len(b))...)
	}
	size := w.s.number(400)
	b[37], b[38] = byte(size>>8), byte(size)
	b = append(b, w.s.bytes(6)...)
	if len(b) > codec.MaxPacketSize {
		b = b[:codec.MaxPacketSize]
	}
	return masked(b, min(len(b), 39+size), w.self)
}

// replay repeats a datagram.
func (w *world) replay() (wiretest.Datagram, bool) {
	if len(w.sent) == 0 {
		return wiretest.Datagram{}, false
	}
	p, i := w.peerAt(), w.s.number(65536)
	if i %= 65535; i == 0 { // the largest number too
		i = len(w.sent) - 1
	}
	i %= len(w.sent)
	d := wiretest.Datagram{From: p.at, To: w.home(), B: append([]byte(nil), w.sent[i]...)}
	if how := w.s.byte(); how&1 != 0 && len(d.B) > 0 {
		d.B[w.s.number(len(d.B))] ^= how
	}
	return d, true
}

// request is a well-formed message.
func (w *world) request() []byte {
	id, _ := codec.NewRequestID([]byte{w.s.byte(), 1})
	switch w.s.choose(5) {
	case 0:
		m := codec.Ping{RequestID: id, RecordSeq: uint64(w.s.byte())}
		return m.Append(nil)
	case 1:
		list := []uint{uint(w.s.choose(257 - 1)), 256, uint(w.s.byte())}
		d, _, _ := codec.NewDistances(nil, list)
		m := codec.FindNode{RequestID: id, Distances: d}
		return m.Append(nil)
	case 2:
		m := codec.TalkRequest{RequestID: id, Protocol: []byte("pq")[:1+w.s.choose(2)], Payload: w.s.bytes(1)}
		return m.Append(nil)
	case 3:
		d, _, _ := codec.NewDistances(nil, []uint{256, uint(w.s.byte())})
		m := codec.TopicQuery{RequestID: id, Topic: [32]byte{w.s.byte()}, Distances: d}
		return m.Append(nil)
	}
	// The record may be another peer's.
	record := w.peers[w.s.choose(len(w.peers))].Record.Bytes()
	d, _, _ := codec.NewDistances(nil, []uint{256, uint(w.s.byte())})
	m := codec.RegTopic{RequestID: id, Topic: [32]byte{w.s.byte()}, Record: record, Distances: d}
	m.TicketFirst = w.s.choose(2) == 1
	m.Ticket = w.s.bytes(1)
	return m.Append(nil)
}

// response answers the request that the peer has opened last, or one that it invents.
func (w *world) response(p *peer) []byte {
	kind, body, err := codec.SplitMessage(p.request)
	if err != nil {
		return w.request()
	}
	var ping codec.Ping
	var find codec.FindNode
	var talk codec.TalkRequest
	switch {
	case kind == codec.TypePing && ping.Decode(body) == nil:
		says := []netip.AddrPort{w.home(), w.peers[1].Addr, netip.MustParseAddrPort("1.2.3.4:5")}[w.s.choose(3)]
		m := codec.Pong{RequestID: ping.RequestID, RecordSeq: p.Record.Seq() + uint64(w.s.choose(2)), Recipient: says}
		return m.Append(nil)
	case kind == codec.TypeFindNode && find.Decode(body) == nil:
		m := codec.Nodes{RequestID: find.RequestID, Total: uint64(w.s.choose(5))}
		for range w.s.choose(4) {
			m.Records = append(m.Records, w.peers[w.s.choose(len(w.peers))].Record.Bytes()...)
		}
		return m.Append(nil)
	case kind == codec.TypeTalkRequest && talk.Decode(body) == nil:
		m := codec.TalkResponse{RequestID: talk.RequestID, Payload: w.s.bytes(1)}
		return m.Append(nil)
	}
	return w.request()
}

// call starts a request. Sizes are up to and beyond what fits.
func (w *world) call() {
	to := w.peers[w.s.choose(len(w.peers))]
	c := &call{}
	w.calls = append(w.calls, c)
	r := engine.Request{
		Peer: engine.Peer{ID: to.Key.ID(), PublicKey: to.Key.PublicKey(), Addr: to.Addr, Record: to.Record},
		Done: func(_ *engine.Worker, r engine.Result) { c.ended++; c.keep(r) },
	}
	switch w.s.choose(5) {
	case 0:
		r.Type = codec.TypePing
	case 1:
		r.Type, r.Distances = codec.TypeFindNode, []uint{0, 256, uint(w.s.choose(256))}
	case 2:
		r.Type, r.Distances = codec.TypeFindNode, make([]uint, w.s.number(1400))
	case 3:
		r.Type, r.Protocol, r.Payload = codec.TypeTalkRequest, []byte("p"), make([]byte, w.s.number(1400))
	case 4:
		r.Type, r.Timeout = codec.TypePing, w.span()
		r.Peer.Record = nil
	}
	w.slow.Begin(w.now)
	c.id = w.slow.Start(r)
	w.contacted[to.Addr] = true
	w.contact()
	w.settle()
}

// The seeds alone reach what the target is about.
func TestEngineSeeds(t *testing.T) {
	var sum engine.Counters
	for _, s := range engineSeeds() {
		w := newWorld(t, &script{s})
		for w.s.more() {
			w.step()
		}
		w.finish()
		for i, n := range w.e.Counters() {
			sum[i] += n
		}
	}
	for _, c := range []engine.Counter{
		engine.HandshakesReceived, engine.HandshakesSent, engine.SessionsOutbound, engine.RequestsAnswered, engine.RequestsTimedOut, engine.RequestsFailed,
		engine.InPing, engine.InFindNode, engine.InTalkRequest, engine.InPong, engine.InNodes, engine.InTalkResponse, engine.InTopicQuery,
		engine.InRegTopic, engine.OutTopicNodes, engine.OutRegConfirmation,
		engine.DropHandshakeProof, engine.DropHandshakeRecord, engine.DropNoChallenge, engine.DropChallengesFull, engine.WhoareyouRepeated,
		engine.DropAuthSize, engine.DropFlag,
	} {
		if sum[c] == 0 {
			t.Errorf("no script reaches %v", c.Info())
		}
	}
}
