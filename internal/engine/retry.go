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
// this node is not the peer's. So the deadline of a call moves:
//
//	packet sent                          timeout from then
//	waits, another call has asked for    timeout from the start, as the packet of the other call
//	a handshake                          stands for this one too
//	WHOAREYOU arrives                    HandshakeTimeout, for the handshake task
//	waits, a handshake is being made     timeout + HandshakeTimeout
//	handshake sent                       timeout from then
//
// Whatever happens, and whatever the peer sends, a call ends within 3*timeout + HandshakeTimeout of
// its start, 4 s with the defaults. A request to a silent peer ends after its timeout, or within
// twice that if it asks for a handshake in place of another request that has ended.

// limitOf returns when a call with a timeout that starts now ends at the latest.
func (e *Engine) limitOf(now, timeout time.Duration) time.Duration {
	return now + 3*timeout + e.cfg.HandshakeTimeout
}

// wait sets the deadline of a call that waits for a handshake. calls.mu is held or c is not shared
// yet.
func (w *Worker) awaitHandshake(c *call) {
	w.e.calls.pending.move(c.id, min(w.now+c.timeout+w.e.cfg.HandshakeTimeout, c.limit))
}

// left sets the deadline of a call whose packet leaves now.
func (w *Worker) restartDeadline(c *call) {
	w.e.calls.pending.move(c.id, min(w.now+c.timeout, c.limit))
}

// timeouts ends calls whose deadline has passed.
func (w *Worker) timeouts() {
	m := &w.e.maintain
	m.expire = w.e.calls.pending.expire(w.now, m.expire[:0])
	for i, c := range m.expire {
		m.expire[i] = nil
		w.timedOut(c)
	}
}

// expired ends a call that is no longer pending because its deadline has passed. A FINDNODE that
// part of the answer has come for is answered with that part.
func (w *Worker) timedOut(c *call) {
	cs := &w.e.calls
	cs.mu.Lock()
	partial := len(c.nodes) > 0
	r := Result{Err: ErrTimeout, Silence: c.silence(w.now)}
	if c.state == callChallenged {
		// The peer has answered with a WHOAREYOU. This node has not found the time for the
		// handshake.
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

// silence returns how long the peer has not answered what was last sent for c, 0 if nothing was.
// calls.mu is held.
func (c *call) silence(now time.Duration) time.Duration {
	if c.state == callChallenged || c.state == callQueued {
		return 0
	}
	return now - c.sent
}

// blames reports whether a result counts against the peer: it was asked, and has been silent for as
// long as this node waits by default, or asked for a handshake that cannot be made. A caller that
// waits for less has decided for itself alone.
func (e *Engine) blames(r Result) bool {
	return errors.Is(r.Err, ErrTimeout) && r.Silence >= e.cfg.RequestTimeout || errors.Is(r.Err, ErrHandshake)
}

// succession is what follows when a call leaves its peer.
type succession struct {
	next  *call       // is sent
	nonce codec.Nonce // of the packet that asks for a handshake
	stale []*call     // have waited for their timeout, and the peer was silent
}

// succeed finds the successor of c, which initiated the handshake with p that others may wait for.
// calls.mu is held.
func (w *Worker) nextInLine(p *outbound, c *call) (s succession) {
	p.initiating = nil
	for _, o := range p.calls {
		if o.state != callQueued {
			continue
		}
		switch {
		case c.state == callRandom && w.now-o.started >= o.timeout:
			// The packet of c stood for this one too.
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

// heir returns the call whose handshake a task makes that was queued for c: c itself, or if that
// has ended, the one that took its place, or nil.
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

// A request that was not answered in time may be sent again: to the same address as often as
// Config.Resend says, and then to the address of the other family that the peer's record names. For
// the peer it is a new request, with an ID of its own; for who asked it is the same one, and ends
// once.

// attempts is what is left to try after a timeout.
type retries struct {
	resend int            // times at the same address
	other  netip.AddrPort // then there; the zero value is nowhere
}

// planRetries plans what happens if r is not answered. An address that a public node's record should
// not have is not tried.
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
		return a // its liveness checks find out whether the node is there
	}
	if ok && e.canSend(other) && e.believable(table.Class(r.Peer.Addr.Addr()), other) {
		a.other = other
	}
	return a
}

// again starts c, which has timed out and is not pending any more, anew if there is something left
// to try. It reports false if there is not.
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

// unanswered returns the nonce with which c has asked for a handshake, if it has, no answer came,
// and it is about to ask at the same address: the peer may repeat a WHOAREYOU that was lost.
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
