package engine

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/table"
)

// A request that was not answered in time may be sent again: to the same address as often as
// Config.Resend says, and then to the address of the other family that the peer's record names. For
// the peer it is a new request, with an ID of its own; for who asked it is the same one, and ends
// once.

// attempts is what is left to try after a timeout.
type attempts struct {
	resend int            // times at the same address
	other  netip.AddrPort // then there; the zero value is nowhere
}

// attemptsOf plans what happens if r is not answered. An address that a public node's record should
// not have is not tried.
func (e *Engine) attemptsOf(r *Request) *attempts {
	a := &attempts{resend: e.cfg.Resend}
	if r.origin == budget.Named {
		a.resend = 0 // one probe
	}
	if r.Here || r.Peer.Record == nil {
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
func (w *Worker) again(c *call) bool {
	r := c.request
	left := *r.left
	switch {
	case left.resend > 0:
		left.resend--
	case left.other.IsValid():
		if r.Peer.Addr, left = left.other, (attempts{resend: w.e.cfg.Resend}); r.origin == budget.Named {
			left.resend = 0
		}
	default:
		return false
	}
	r.nonce = w.unanswered(c, r.Peer.Addr)
	w.detach(c)
	w.counts[CallsAgain]++
	r.left, r.retry = &left, true
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
