package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Responses to requests of this node, and WHOAREYOU. A response ends a call only if it comes from
// the peer that was asked, repeats the request ID and has the right type.

// callOf returns the call that a response to a request of one of the given types belongs to, or
// nil.
func (w *Worker) callOf(p *peer, id codec.RequestID, requests ...codec.MessageType) *call {
	c, ok := w.e.calls.pending.get(id)
	if !ok || !slices.Contains(requests, c.request.Type) || c.key != *p.key {
		w.counts[DropUnsolicited]++
		return nil
	}
	return c
}

// removePending takes c out of the pending calls and returns the round-trip time.
func (w *Worker) removePending(c *call) (rtt time.Duration, ok bool) {
	if _, ok = w.e.calls.pending.take(c.id); !ok {
		return 0, false
	}
	w.prove(c.request.Peer.Addr)
	w.addResponder(c)
	w.e.calls.mu.Lock()
	rtt = w.now - c.sent
	w.e.calls.mu.Unlock()
	return rtt, true
}

// addResponder offers the peer of c to the table if it is not there. Most peers entered the table
// with their handshake, but it may have dropped them since, for example after a break in the
// network, while the session stayed.
func (w *Worker) addResponder(c *call) {
	if _, ok := w.e.table.Seq(c.request.Peer.ID); ok {
		return
	}
	if _, known := c.request.Peer.Key(); known && !w.e.unwanted(w.now, c.request.Peer.Record) {
		w.e.responders.answered(w.now, c.request.Peer)
	}
	if c.request.Peer.Record == nil {
		return
	}
	if keys, ok := w.e.sessions.Sender(&c.key, c.hash); ok && keys.RecordSeq() > c.request.Peer.Record.Seq() {
		// The peer has announced a newer record, which may name another address or none.
		return
	}
	w.offerVerified(c.request.Peer.Record, c.request.Peer.Addr, false, byOthers)
}

func (w *Worker) handlePong(p *peer, body []byte) error {
	var m codec.Pong
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypePing)
	if c == nil {
		return nil
	}
	if rtt, ok := w.removePending(c); ok {
		w.e.table.MarkLive(w.now, c.request.Peer.ID, c.request.Peer.Addr)
		w.pongFrom(c, m.Recipient)
		w.noteSeq(p, m.RecordSeq)
		w.complete(c, Result{Pong: m, RTT: rtt})
	}
	return nil
}

func (w *Worker) handleTalkResponse(p *peer, body []byte) error {
	var m codec.TalkResponse
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeTalkRequest)
	if c == nil {
		return nil
	}
	if rtt, ok := w.removePending(c); ok {
		w.complete(c, Result{Payload: append([]byte{}, m.Payload...), RTT: rtt})
	}
	return nil
}

// Limits of a response to FINDNODE, whatever the peer says.
const (
	maxAnswerPackets = 16
	maxAnswerBytes   = maxNodes * codec.MaxRecordSize
)

// handleNodes collects one packet of a NODES response. After the last one a task verifies the
// records, because that takes long. The deadline of the call does not move.
func (w *Worker) handleNodes(p *peer, body []byte) error {
	var m codec.Nodes
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeFindNode, codec.TypeRegTopic, codec.TypeTopicQuery)
	if c == nil {
		return nil
	}
	w.collect(c, m.Total, func() { w.keepRecords(&c.nodes, m.Records) })
	return nil
}

// queueVerify queues the verification of the records of c, which is no longer pending.
func (w *Worker) queueVerify(c *call) {
	w.unlink(c)
	t, _ := w.e.own.reserve(c.request.Peer.Addr.Addr())
	if t == nil {
		w.counts[DropOwnFull]++
		w.notify(c, Result{Err: ErrBusy})
		return
	}
	t.kind, t.via, t.from, t.key, t.hash, t.call = taskVerify, 0, c.request.Peer.Addr, c.key, c.hash, c
	w.e.submit(t)
}

// handleWhoareyou queues the handshake that a WHOAREYOU asks for, if it answers a packet of ours
// and comes from the destination of that packet.
func (w *Worker) handleWhoareyou(s *staged) {
	e := w.e
	c, ok := e.calls.pending.challenged(&s.packet.Nonce, w.now+e.cfg.HandshakeTimeout, func(c *call) bool {
		return c.request.Peer.Addr == s.from
	})
	if !ok {
		w.counts[DropUnasked]++
		return
	}
	w.counts[WhoareyouReceived]++
	w.prove(s.from)
	t, _ := e.own.reserve(s.from.Addr())
	if t == nil {
		w.counts[DropOwnFull]++
		w.fail(c, Result{Err: ErrBusy})
		return
	}
	if !w.challenged(c) {
		t.queue.release(t)
		return
	}
	if w.now+e.cfg.HandshakeTimeout > c.limit {
		e.calls.pending.move(c.id, c.limit)
	}
	t.kind, t.via, t.from, t.key, t.hash, t.call = taskInitiate, w.via, s.from, c.key, c.hash, c
	t.packet.RecordSeq = s.packet.RecordSeq
	copy(t.challenge(), s.packet.AD)
	e.submit(t)
}

// challenged makes c the call that initiates the handshake with its peer. The peer has lost the
// keys of our session, so other calls that were sent with them wait for new ones. challenged
// reports false if another call already makes the handshake: then c waits for it.
func (w *Worker) challenged(c *call) bool {
	cs := &w.e.calls
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.peers[c.key]
	if p == nil {
		return false
	}
	if o := p.initiating; o != nil && o != c {
		if o.state == callChallenged || o.state == callHandshake || o.state == callFollows {
			c.state = callQueued
			w.awaitHandshake(c)
			return false
		}
		o.state = callQueued
	}
	p.initiating, p.asks = c, false
	if c.state == callSent {
		c.began = c.sent
	}
	c.state = callChallenged
	for _, o := range p.calls {
		if o.state == callSent {
			o.state = callQueued
		}
		if o.state == callQueued {
			w.awaitHandshake(o)
		}
	}
	return true
}

// confirmSession is called when the peer has used the keys that this node offered in a handshake,
// and so has proved its identity. renewed says that there was a session before.
func (w *Worker) confirmSession(p *peer, renewed bool) {
	w.counts[SessionsOutbound]++
	e := w.e
	e.calls.mu.Lock()
	var contact Peer
	pings := false
	if o := e.calls.peers[*p.key]; o != nil && len(o.calls) > 0 {
		contact, pings = o.calls[0].request.Peer, o.calls[0].request.Type == codec.TypePing
		if c := o.initiating; c != nil {
			w.latency[LatencyInitiated].observe(w.now - c.began)
		}
	}
	e.calls.mu.Unlock()
	addr := p.key.AddrPort()
	w.found(p.key.ID(), addr.Addr())
	if contact.Record != nil {
		e.noteRecord(p.key, p.hash, contact.Record)
		p.keys.SetRecordSeq(contact.Record.Seq())
		w.offerVerified(contact.Record, addr, false, byOthers)
	}
	e.event(Event{Kind: SessionEstablished, ID: p.key.ID(), Addr: addr, Record: contact.Record})
	w.flushQueued(p.key, p.hash)
	if !pings { // else its PONG proves the endpoint
		w.answeredAt(contact, renewed)
	}
}

// verifyNodes ends a FINDNODE call with the valid records of the response. Each record is parsed
// and verified here once; all later users share it.
func (w *Worker) verifyNodes(t *task) {
	c := t.call
	r := Result{RTT: c.answered - c.sent, grant: grantOf(c.request.Peer.Addr, c.packets, len(c.nodes))}
	w.e.calls.mu.Lock()
	answer := c.nodes
	c.nodes, c.collected = nil, true
	w.e.calls.mu.Unlock()
	rest := answer
	seen := func(id enr.ID) bool {
		return slices.ContainsFunc(r.Records, func(o *enr.Record) bool { return o.ID() == id })
	}
	for rec := w.nextRecord(&rest); rec != nil; rec = w.nextRecord(&rest) {
		if len(r.Records) == maxNodes {
			w.counts[DropNodeExcess]++
			break
		}
		switch {
		case !c.wants(enr.LogDistance(c.request.Peer.ID, rec.ID())) || seen(rec.ID()):
			w.counts[DropNodeDistance]++
		case rec.ID() != c.request.Peer.ID && (!relayAllowed(c.request.Peer.Addr, rec) || w.e.unwanted(w.now, rec)):
			w.counts[DropNodeRelay]++
		default:
			if r.Records == nil {
				r.Records = make([]*enr.Record, 0, maxNodes)
			}
			r.Records = append(r.Records, rec)
			w.e.noteRecord(&c.key, c.hash, rec)
			w.e.event(Event{Kind: Discovered, ID: rec.ID(), Record: rec})
			w.noteCapable(c, rec, r.grant)
		}
	}
	w.dropRecords()
	w.e.nodesBuffers.put(answer) // the cache has copied the valid records
	w.notify(c, r)
}

func (c *call) wants(distance int) bool {
	for _, d := range c.request.Distances {
		if int(d) == distance {
			return true
		}
	}
	return false
}

// NodesBuffers recycles buffers for NODES responses. The zero value is ready to use. Engines of one
// process may share it.
type NodesBuffers struct {
	mu   sync.Mutex
	free [][]byte
}

// maxPooledAnswers bounds the free buffers: 150 KiB.
const maxPooledAnswers = 32

// get returns an empty slice with room for maxAnswerBytes.
func (p *NodesBuffers) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := len(p.free)
	if k == 0 {
		return make([]byte, 0, maxAnswerBytes)
	}
	b := p.free[k-1]
	p.free = p.free[:k-1]
	return b[:0]
}

// put returns b to the pool; nil is ignored.
func (p *NodesBuffers) put(b []byte) {
	if b == nil {
		return
	}
	p.mu.Lock()
	if len(p.free) < maxPooledAnswers {
		p.free = append(p.free, b)
	}
	p.mu.Unlock()
}
