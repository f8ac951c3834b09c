package engine

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// accept examines a handshake. Before its last check has passed, it changes nothing but the number
// of attempts and signatures that the challenge allows.
func (w *Worker) accept(t *task) {
	known, ok := w.attempt(t, &w.candidates)
	if !ok {
		return
	}
	agreed, err := w.e.hands.Agree(w.candidates.List(), &t.packet, known)
	if !w.proven(t, &agreed, err) {
		return
	}
	a, err := w.e.hands.Finish(&agreed, &t.packet)
	w.admit(t, agreed.Challenge, &a, err)
}

// attempt begins an attempt of a handshake: it fills in the challenges that it may answer, and
// returns this node's record of the sender if the handshake may omit its own.
func (w *Worker) attempt(t *task, list *session.Candidates) (known *enr.Record, ok bool) {
	if !w.e.sessions.Attempt(w.now, &t.key, t.hash, list) {
		w.counts[DropNoChallenge]++
		return nil, false
	}
	if list.NamesRecord() {
		known = w.e.known(t.packet.SourceID)
	}
	return known, true
}

// proven reports whether the sender of a handshake has seen a challenge, and whether that challenge
// allows another verification of signatures. err is the error of the key agreement.
func (w *Worker) proven(t *task, agreed *session.Agreement, err error) bool {
	if err != nil {
		w.counts[handshakeDrop(err)]++
		return false
	}
	if !w.e.sessions.Proof(w.now, &t.key, t.hash, agreed.Challenge) {
		w.counts[DropNoChallenge]++
		return false
	}
	return true
}

// admit makes the session of a handshake and answers its message. err is the error of the
// verification of its signatures.
func (w *Worker) admit(t *task, ch *session.Challenge, a *session.Accepted, err error) {
	e := w.e
	if err != nil {
		w.counts[handshakeDrop(err)]++
		return
	}
	if e.blocked(w.now, t.packet.SourceID, t.from.Addr()) {
		w.counts[DropBannedID]++ // banned while the task waited
		return
	}
	unsolicited := e.unsolicited(w.now, t)
	a.Keys.SetVia(uint16(t.via))
	if !e.sessions.Establish(w.now, &t.key, t.hash, ch, a.Keys) {
		w.counts[DropHandshakeLate]++
		return
	}
	e.noteRecord(&t.key, t.hash, a.Record)
	w.counts[HandshakesReceived]++
	w.counts[SessionsInbound]++
	w.accepted = append(w.accepted, t.came)
	kind := SessionEstablished
	w.prove(t.from) // it answered a WHOAREYOU there
	by := byOwner
	if !bytes.Equal(t.packet.Record, a.Record.Bytes()) {
		by = byOthers // it sent no record, or an older one than is known here
		w.reconsider(a.Record, t.from)
	}
	if !w.offerVerified(a.Record, t.from, true, by) {
		kind = Unverifiable
	}
	e.event(Event{Kind: kind, ID: a.Record.ID(), Addr: t.from, Record: a.Record, Inbound: true})
	w.dispatch(&peer{t.from, &t.key, t.hash, &t.packet.SourceID, &t.packet.Nonce, a.Keys, false}, a.Plaintext)
	w.flushQueued(&t.key, t.hash)
	if unsolicited {
		w.noteUnsolicited(t, a.Record)
	}
}

// unsolicited reports whether the sender of a handshake has never been contacted, as far as this
// node knows. Only such a peer proves that this node can be reached: a NAT lets in peers that this
// node has sent to. A handshake that crosses one of our own proves nothing either.
func (e *Engine) unsolicited(now time.Duration, t *task) bool {
	if _, met := e.table.Seq(t.packet.SourceID); met || e.removed.find(t.packet.SourceID) != nil {
		return false
	}
	_, met := e.sessions.Lookup(&t.key, t.hash)
	return !met && !e.address.contacts.lately(now, t.from.Addr())
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

// initiate makes the handshake that a WHOAREYOU asked for. If the challenged call ends before the
// packet is ready, the next call to the peer takes its place.
func (w *Worker) initiate(t *task) {
	for c := w.successor(t.call); c != nil; c = w.successor(c) {
		err := w.initiateFor(c, t)
		if err == nil {
			return
		}
		w.fail(c, Result{Err: err})
	}
}

// initiateFor makes the handshake and sends the message of c in it.
func (w *Worker) initiateFor(c *call, t *task) error {
	e := w.e
	key, ok := c.request.Peer.Key()
	if !ok {
		return ErrNoSession
	}
	in, err := e.hands.Initiate(t.challenge(), c.request.Peer.ID, &key, e.cfg.Random)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	var record []byte
	if local := e.Record(); t.packet.RecordSeq < local.Seq() {
		record = local.Bytes()
	}
	buf := w.out.Buffer()
	if buf == nil || !in.Keys.NextNonce(&w.header.Nonce, w.random) {
		w.counts[DropSendQueue]++
		return ErrBusy
	}
	in.Keys.SetVia(uint16(t.via))
	// Until a response of the peer opens, these keys stand beside those of an older session.
	if !e.sessions.Offer(w.now, &c.key, c.hash, in.Keys, w.now+e.cfg.HandshakeTimeout+c.timeout) {
		return ErrBusy
	}
	w.random.Block(&w.header.IV)
	state, message := callHandshake, c.message
	if session.HandshakeSize(len(record), len(message)) > codec.MaxPacketSize {
		// The handshake leaves no room for a message of this size. Send a PING to make the session;
		// the call follows like those that wait for it. No call waits for the PONG.
		state, message = callFollows, w.sessionPing()
	}
	id := [32]byte(c.request.Peer.ID)
	packet := w.header.AppendHandshake(buf[:0], &id, &in, record, message)

	e.calls.mu.Lock()
	c.state, c.sent = state, w.now
	if p := e.calls.peers[c.key]; p != nil && p.initiating != nil && p.initiating != c && p.initiating.state == callChallenged {
		// c has ended meanwhile, and its successor waits for the same handshake.
		p.initiating.state, p.initiating.sent = callFollows, w.now
		w.awaitHandshake(p.initiating)
	}
	e.calls.mu.Unlock()
	w.restartDeadline(c)
	w.counts[HandshakesSent]++
	if state == callFollows {
		w.counts[OutPing]++
	} else {
		w.countOut(c.request.Type)
	}
	w.commit(len(packet), c.request.Peer.Addr)
	return nil
}

// sessionPing returns a PING that belongs to no call.
func (w *Worker) sessionPing() []byte {
	var b [codec.MaxRequestID]byte
	w.random.Read(b[:])
	id, _ := codec.NewRequestID(b[:]) // it has the right size
	m := codec.Ping{RequestID: id, RecordSeq: w.e.Record().Seq()}
	return m.Append(nil)
}
