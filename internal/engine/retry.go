package engine

import (
	"errors"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/table"
)

// The clock of a request starts when its packet leaves: time that the request spends in a queue of
// this node does not count. So the deadline of a call moves:
//
//	packet sent                          timeout from then
//	waits, another call has asked for    timeout from the start: the packet of the other call
//	a handshake                          stands for this one too
//	WHOAREYOU arrives                    HandshakeTimeout, for the handshake task
//	waits, a handshake is being made     timeout + HandshakeTimeout
//	handshake sent                       timeout from then
//
// Whatever the peer sends, a call ends within 3*timeout + HandshakeTimeout of its start, 4 s with
// the defaults. A request to a silent peer ends after its timeout, or within twice that time if it
// asks for a handshake after another request to the peer has timed out.

// limitOf returns the latest possible deadline of a call that starts now.
func (e *Engine) limitOf(now, timeout time.Duration) time.Duration {
	return now + 3*timeout + e.cfg.HandshakeTimeout
}

// awaitHandshake sets the deadline of a call that waits for a handshake. The caller holds calls.mu
// or has not shared c yet.
func (w *Worker) awaitHandshake(c *call) {
	w.e.calls.pending.move(c.id, min(w.now+c.timeout+w.e.cfg.HandshakeTimeout, c.limit))
}

// restartDeadline sets the deadline of a call whose packet leaves now.
func (w *Worker) restartDeadline(c *call) {
	w.e.calls.pending.move(c.id, min(w.now+c.timeout, c.limit))
}

// timeouts ends the calls whose deadline has passed.
func (w *Worker) timeouts() {
	m := &w.e.maintain
	m.expire = w.e.calls.pending.expire(w.now, m.expire[:0])
	for i, c := range m.expire {
		m.expire[i] = nil
		w.timedOut(c)
	}
}

// timedOut ends a call that was taken out because its deadline has passed. A FINDNODE that has
// received part of its response ends with that part.
func (w *Worker) timedOut(c *call) {
	cs := &w.e.calls
	cs.mu.Lock()
	partial := c.partial()
	r := Result{Err: ErrTimeout, Silence: c.silence(w.now)}
	if c.state == callChallenged {
		// The peer has sent WHOAREYOU. This node was too busy for the handshake.
		r.Err = ErrBusy
	}
	cs.mu.Unlock()
	if w.e.blames(r) {
		w.noAnswer(&c.request.Peer)
	}
	switch {
	case partial:
		w.queueVerify(c)
	case !w.retry(c):
		w.complete(c, r)
	}
}

// silence returns the time since the last packet of c, 0 if none was sent. calls.mu is held.
func (c *call) silence(now time.Duration) time.Duration {
	if c.state == callChallenged || c.state == callQueued {
		return 0
	}
	return now - c.sent
}

// blames reports whether a result counts against the peer: it has been silent for at least the
// default timeout, or has asked for a handshake that cannot be made. A caller with a shorter
// timeout judges for itself alone.
func (e *Engine) blames(r Result) bool {
	return errors.Is(r.Err, ErrTimeout) && r.Silence >= e.cfg.RequestTimeout || errors.Is(r.Err, ErrHandshake)
}

// succession lists the calls to act on when a call leaves its peer.
type succession struct {
	next  *call       // to send
	nonce codec.Nonce // of the packet that asks for a handshake
	stale []*call     // to end: they waited for their timeout, and the peer was silent
}

// nextInLine finds the successor of c, which initiated a handshake that others may wait for.
// calls.mu is held.
func (w *Worker) nextInLine(p *outbound, c *call) (s succession) {
	p.initiating = nil
	for _, o := range p.calls {
		if o.state != callQueued {
			continue
		}
		switch {
		case c.state == callRandom && w.now-o.started >= o.timeout:
			// The packet of c stood for this call too.
			s.stale = append(s.stale, o)
		case s.next == nil && p.initiating == nil:
			if c.state == callChallenged { // the successor takes over its task
				p.initiating, o.state = o, callChallenged
				w.e.calls.pending.move(o.id, min(w.now+w.e.cfg.HandshakeTimeout, o.limit))
				break
			}
			s.next = o
		}
	}
	return s
}

// successor returns the call whose handshake a task must make that was queued for c: c itself, the
// call that took its place after it ended, or nil.
func (w *Worker) successor(c *call) *call {
	cs := &w.e.calls
	if _, ok := cs.pending.get(c.id); ok {
		return c
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if p := cs.peers[c.key]; p != nil && p.initiating != nil && p.initiating.state == callChallenged {
		return p.initiating
	}
	return nil
}

// After a timeout a request may be retried: Config.Resend times at the same address, then at the
// address of the other family that the record of the peer names. The peer sees a new request with a
// new ID. The caller sees one request, which ends once.

// retries counts the attempts left after a timeout.
type retries struct {
	resend int            // at the same address
	other  netip.AddrPort // then at this one, if it is valid
}

// planRetries returns the retries of r. It leaves out an address that the record of a public node
// should not name.
func (e *Engine) planRetries(r *Request) *retries {
	a := &retries{resend: e.cfg.Resend}
	if r.origin == budget.Named {
		a.resend = 0 // one probe
	}
	if r.NoFallback || r.Peer.Record == nil {
		return a
	}
	other, ok := r.Peer.Record.UDPEndpoint6()
	if r.Peer.Addr.Addr().Is6() {
		other, ok = r.Peer.Record.UDPEndpoint4()
	}
	if r.origin == budget.Known && !e.budget.Proven(time.Duration(e.ticked.Load()), other) {
		return a // liveness checks probe that endpoint
	}
	if ok && e.canSend(other) && e.believable(table.Class(r.Peer.Addr.Addr()), other) {
		a.other = other
	}
	return a
}

// retry starts c, which has timed out and is no longer pending, once more. It reports false if no
// retries are left.
func (w *Worker) retry(c *call) bool {
	r := c.request
	left := *r.retries
	switch {
	case left.resend > 0:
		left.resend--
	case left.other.IsValid():
		if r.Peer.Addr, left = left.other, (retries{resend: w.e.cfg.Resend}); r.origin == budget.Named {
			left.resend = 0
		}
	default:
		return false
	}
	r.nonce = w.unanswered(c, r.Peer.Addr)
	w.unlink(c)
	w.counts[RequestsRetried]++
	r.retries, r.isRetry = &left, true
	w.Start(r)
	return true
}

// unanswered returns the nonce with which c asked for a handshake and got no answer, if the retry
// goes to the same address. The peer may then repeat a WHOAREYOU that was lost.
func (w *Worker) unanswered(c *call, at netip.AddrPort) *codec.Nonce {
	cs := &w.e.calls
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.peers[c.key]
	if p == nil || c.state != callRandom || at != c.request.Peer.Addr {
		return nil
	}
	nonce := p.nonce
	return &nonce
}
