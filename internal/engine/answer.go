package engine

import (
	"time"

	"github.com/fastdisc/discv5/codec"
)

// Answers to this node's calls, and WHOAREYOU. A message of an answer's type ends a call only if it
// comes from whom was asked, names the call's request ID and fits its type.

// callOf finds the call that an answer of the given request type belongs to.
func (w *Worker) callOf(p *peer, id codec.RequestID, request codec.MessageType) *call {
	c, ok := w.e.calls.pending.Get(id)
	if !ok || c.request.Type != request || c.key != *p.key {
		w.counts[DropUnsolicited]++
		return nil
	}
	return c
}

// take ends the pending state of c and notes the round trip.
func (w *Worker) take(c *call) (rtt time.Duration, ok bool) {
	if _, ok = w.e.calls.pending.Take(c.id); !ok {
		return 0, false
	}
	w.prove(c.request.Peer.Addr)
	w.meet(c)
	w.e.calls.mu.Lock()
	rtt = w.now - c.sent
	w.e.calls.mu.Unlock()
	return rtt, true
}

// meet offers the node that has answered c to the table if it is not there: mostly it came in with
// its handshake, but it may have been dropped since, after a break in the network for example,
// while the session stood.
func (w *Worker) meet(c *call) {
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
		// it has said that there is a newer one, which may name another address or none; this one
		// came from others
		return
	}
	w.admit(c.request.Peer.Record, c.request.Peer.Addr, false, byOthers)
}

func (w *Worker) pong(p *peer, body []byte) error {
	var m codec.Pong
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypePing)
	if c == nil {
		return nil
	}
	if rtt, ok := w.take(c); ok {
		w.e.table.MarkLive(w.now, c.request.Peer.ID, c.request.Peer.Addr)
		w.pongFrom(c, m.Recipient)
		w.noteSeq(p, m.RecordSeq)
		w.finish(c, Result{Pong: m, RTT: rtt})
	}
	return nil
}

func (w *Worker) talkResponse(p *peer, body []byte) error {
	var m codec.TalkResponse
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeTalkRequest)
	if c == nil {
		return nil
	}
	if rtt, ok := w.take(c); ok {
		w.finish(c, Result{Payload: append([]byte{}, m.Payload...), RTT: rtt})
	}
	return nil
}

// Limits of an answer to FINDNODE, whatever the peer says.
const (
	maxAnswerPackets = 16
	maxAnswerBytes   = maxNodes * codec.MaxRecordSize
)

// nodes collects a packet of a NODES answer. With the last one the records go to a job that
// verifies them: that takes long. The call's deadline does not move.
func (w *Worker) nodes(p *peer, body []byte) error {
	var m codec.Nodes
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeFindNode)
	if c == nil {
		return nil
	}
	w.e.calls.mu.Lock()
	// another worker has been faster, with the rest of the answer: this packet is one too many
	if c.collected {
		w.e.calls.mu.Unlock()
		w.counts[DropUnsolicited]++
		return nil
	}
	c.packets++
	if c.nodes == nil {
		c.nodes = w.e.answers.get()
	}
	if len(c.nodes)+len(m.Records) <= maxAnswerBytes {
		c.nodes = append(c.nodes, m.Records...)
	} else {
		w.counts[DropNodeExcess]++
	}
	c.answered = w.now
	complete := c.packets >= min(max(m.Total, 1), maxAnswerPackets)
	w.e.calls.mu.Unlock()
	if !complete {
		return nil
	}
	if _, ok := w.e.calls.pending.Take(c.id); ok {
		w.prove(c.request.Peer.Addr)
		w.meet(c)
		w.collect(c)
	}
	return nil
}

// collect queues the verification of what c, which is no longer pending, has brought.
func (w *Worker) collect(c *call) {
	w.detach(c)
	j, _ := w.e.own.admit(c.request.Peer.Addr.Addr())
	if j == nil {
		w.counts[DropOwnFull]++
		w.conclude(c, Result{Err: ErrBusy})
		return
	}
	j.kind, j.via, j.from, j.key, j.hash, j.call = jobNodes, 0, c.request.Peer.Addr, c.key, c.hash, c
	w.e.submit(j)
}

// whoareyou queues the handshake that a WHOAREYOU asks for, if it answers a packet of ours and
// comes from where that went.
func (w *Worker) whoareyou(s *staged) {
	e := w.e
	c, ok := e.calls.pending.Challenged(&s.packet.Nonce, w.now+e.cfg.HandshakeTimeout, func(c *call) bool {
		return c.request.Peer.Addr == s.from
	})
	if !ok {
		w.counts[DropUnasked]++
		return
	}
	w.counts[WhoareyouReceived]++
	w.prove(s.from)
	j, _ := e.own.admit(s.from.Addr())
	if j == nil {
		w.counts[DropOwnFull]++
		w.end(c, Result{Err: ErrBusy})
		return
	}
	if !w.challenged(c) {
		j.queue.release(j)
		return
	}
	if w.now+e.cfg.HandshakeTimeout > c.limit {
		e.calls.pending.Move(c.id, c.limit)
	}
	j.kind, j.via, j.from, j.key, j.hash, j.call = jobInitiate, w.via, s.from, c.key, c.hash, c
	j.packet.RecordSeq = s.packet.RecordSeq
	copy(j.challenge[:], s.packet.AD)
	e.submit(j)
}

// challenged makes c the call that makes its peer's handshake. The peer does not have the keys of
// our session any more, so what else went to it with them waits for new ones. It reports false if a
// handshake with the peer is already being made: then c waits for that.
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
			w.wait(c)
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
			w.wait(o)
		}
	}
	return true
}

// answered is called when the peer has used keys that this node offered in a handshake: it has
// proved who it is. renewed says that there was a session before.
func (w *Worker) answered(p *peer, renewed bool) {
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
		w.admit(contact.Record, addr, false, byOthers)
	}
	e.event(Event{Kind: SessionEstablished, ID: p.key.ID(), Addr: addr, Record: contact.Record})
	w.established(p.key, p.hash)
	if !pings { // its PONG tells as much
		w.answeredAt(contact, renewed)
	}
}
