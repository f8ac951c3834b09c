package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// RunJob does one piece of queued work. It reports false when there is none. The answers are in the
// outbox afterwards.
func (w *Worker) RunJob() bool {
	w.settle()
	j := w.e.nextJob()
	if j == nil {
		return false
	}
	switch w.via = j.via; j.kind {
	case jobHandshake:
		w.accept(j)
	case jobInitiate:
		w.initiate(j)
	case jobNodes:
		w.verifyNodes(j)
	}
	w.via = w.home
	j.queue.release(j)
	w.publish()
	return true
}

// accept examines a handshake. Until its last check has passed nothing has changed but the numbers
// of attempts and of signatures that its challenge allows.
func (w *Worker) accept(j *job) {
	e := w.e
	if !e.sessions.Attempt(w.now, &j.key, j.hash, &w.candidates) {
		w.counts[DropNoChallenge]++
		return
	}
	var known *enr.Record
	if w.candidates.NamesRecord() {
		known = e.known(j.packet.SourceID)
	}
	agreed, err := e.hands.Agree(w.candidates.List(), &j.packet, known)
	if err != nil {
		w.counts[handshakeDrop(err)]++
		return
	}
	if !e.sessions.Proof(w.now, &j.key, j.hash, agreed.Challenge) {
		w.counts[DropNoChallenge]++
		return
	}
	a, err := e.hands.Finish(&agreed, &j.packet)
	if err != nil {
		w.counts[handshakeDrop(err)]++
		return
	}
	stranger := e.stranger(w.now, j)
	a.Keys.SetVia(uint16(j.via))
	if !e.sessions.Establish(w.now, &j.key, j.hash, agreed.Challenge, a.Keys) {
		w.counts[DropHandshakeLate]++
		return
	}
	e.noteRecord(&j.key, j.hash, a.Record)
	w.counts[HandshakesReceived]++
	w.counts[SessionsInbound]++
	w.accepted = acceptance{j.came, true}
	kind := SessionEstablished
	w.prove(j.from) // it has answered a WHOAREYOU there
	by := byOwner
	if !bytes.Equal(j.packet.Record, a.Record.Bytes()) {
		by = byOthers // none was sent, or an older one than is known here
		w.reconsider(a.Record, j.from)
	}
	if !w.admit(a.Record, j.from, true, by) {
		kind = Unverifiable
	}
	e.event(Event{Kind: kind, ID: a.Record.ID(), Addr: j.from, Record: a.Record, Inbound: true})
	w.dispatch(&peer{j.from, &j.key, j.hash, &j.packet.SourceID, &j.packet.Nonce, a.Keys, false}, a.Plaintext)
	w.established(&j.key, j.hash)
	if stranger {
		w.stranger(j, a.Record)
	}
}

// stranger reports whether the sender of a handshake is a node that this one has had nothing to do
// with, as far as it knows. Whom it has sent anything to, a NAT lets in, which proves nothing; nor
// does a handshake that crosses one of this node's own.
func (e *Engine) stranger(now time.Duration, j *job) bool {
	if _, met := e.table.Seq(j.packet.SourceID); met || e.departed.find(j.packet.SourceID) != nil {
		return false
	}
	_, met := e.sessions.Lookup(&j.key, j.hash)
	return !met && !e.address.contacts.lately(now, j.from.Addr())
}

func handshakeDrop(err error) Counter {
	switch {
	case errors.Is(err, session.ErrRecordOwner):
		return DropHandshakeOwner
	case errors.Is(err, session.ErrIDSignature):
		return DropHandshakeProof
	case errors.Is(err, session.ErrEphemeral):
		return DropHandshakeKey
	case errors.Is(err, session.ErrMessage):
		return DropHandshakeOpen
	default:
		return DropHandshakeRecord
	}
}

// initiate makes the handshake that a WHOAREYOU asked for. If the call that was challenged ends
// before its packet is ready, the next one for the peer takes its place.
func (w *Worker) initiate(j *job) {
	for c := w.heir(j.call); c != nil; c = w.heir(c) {
		err := w.initiateFor(c, j)
		if err == nil {
			return
		}
		w.end(c, Result{Err: err})
	}
}

// initiateFor makes the handshake and sends the message of c in it.
func (w *Worker) initiateFor(c *call, j *job) error {
	e := w.e
	key, ok := c.request.Peer.Key()
	if !ok {
		return ErrNoSession
	}
	in, err := e.hands.Initiate(j.challenge[:], c.request.Peer.ID, &key, e.cfg.Random)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	var record []byte
	if local := e.Record(); j.packet.RecordSeq < local.Seq() {
		record = local.Bytes()
	}
	buf := w.out.Buffer()
	if buf == nil || !in.Keys.NextNonce(&w.header.Nonce, w.random) {
		w.counts[DropOutbox]++
		return ErrBusy
	}
	in.Keys.SetVia(uint16(j.via))
	// Until the peer's answer opens, these keys stand beside those of an older session.
	if !e.sessions.Offer(w.now, &c.key, c.hash, in.Keys, w.now+e.cfg.HandshakeTimeout+c.timeout) {
		return ErrBusy
	}
	w.random.Block(&w.header.IV)
	state, message := callHandshake, c.message
	if session.HandshakeSize(len(record), len(message)) > codec.MaxPacketSize {
		// The handshake leaves no room for a message of this size. A PING makes the session, then
		// the call goes out as those that wait for it. The PONG is nobody's.
		state, message = callFollows, w.loosePing()
	}
	id := [32]byte(c.request.Peer.ID)
	packet := w.header.AppendHandshake(buf[:0], &id, &in, record, message)

	e.calls.mu.Lock()
	c.state, c.sent = state, w.now
	if p := e.calls.peers[c.key]; p != nil && p.initiating != nil && p.initiating != c && p.initiating.state == callChallenged {
		// c has ended meanwhile, and its successor waits for the same handshake.
		p.initiating.state, p.initiating.sent = callFollows, w.now
		w.wait(p.initiating)
	}
	e.calls.mu.Unlock()
	w.left(c)
	w.counts[HandshakesSent]++
	if state == callFollows {
		w.counts[OutPing]++
	} else {
		w.countOut(c.request.Type)
	}
	w.commit(len(packet), c.request.Peer.Addr)
	return nil
}

// loosePing is a PING that belongs to no call.
func (w *Worker) loosePing() []byte {
	var b [codec.MaxRequestID]byte
	w.random.Read(b[:])
	id, _ := codec.NewRequestID(b[:]) // it has the right size
	m := codec.Ping{RequestID: id, RecordSeq: w.e.Record().Seq()}
	return m.Append(nil)
}

// verifyNodes ends a FINDNODE call with the good ones among the records that came.
func (w *Worker) verifyNodes(j *job) {
	c := j.call
	r := Result{RTT: c.answered - c.sent, grant: grantOf(c.request.Peer.Addr, c.packets, len(c.nodes))}
	w.e.calls.mu.Lock()
	answer := c.nodes
	c.nodes, c.collected = nil, true
	w.e.calls.mu.Unlock()
	rest := answer
	seen := func(id enr.ID) bool {
		return slices.ContainsFunc(r.Records, func(o *enr.Record) bool { return o.ID() == id })
	}
	for len(rest) > 0 {
		if len(r.Records) == maxNodes {
			w.counts[DropNodeExcess]++
			break
		}
		var rec *enr.Record
		v, tail, err := enr.SplitView(rest)
		if rest = tail; err == nil {
			rec, err = w.e.records.Verify(v)
		}
		switch {
		case err != nil:
			w.counts[DropNodeRecord]++
		case !c.wants(enr.LogDistance(c.request.Peer.ID, rec.ID())) || seen(rec.ID()):
			w.counts[DropNodeDistance]++
		case rec.ID() != c.request.Peer.ID && (!mayRelay(c.request.Peer.Addr, rec) || w.e.unwanted(w.now, rec)):
			w.counts[DropNodeRelay]++
		default:
			if r.Records == nil {
				r.Records = make([]*enr.Record, 0, maxNodes)
			}
			r.Records = append(r.Records, rec)
			w.e.noteRecord(&c.key, c.hash, rec)
			w.e.event(Event{Kind: Discovered, ID: rec.ID(), Record: rec})
		}
	}
	w.e.answers.put(answer) // the cache has made copies of what was good
	w.conclude(c, r)
}

func (c *call) wants(distance int) bool {
	for _, d := range c.request.Distances {
		if int(d) == distance {
			return true
		}
	}
	return false
}
