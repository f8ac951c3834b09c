package engine

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
)

// Every request of this node passes one budget before it leaves, see package budget. Endpoints that
// have answered lately are free. To others the budget lets pass only what cannot harm a third
// party.

// ErrBudget: a request was not sent, because its destination has not answered this node and has had
// the packets that such a destination may get.
var ErrBudget = errors.New("engine: the destination has not answered and gets no more packets now")

// spend charges the packet that c is about to send. If the budget refuses it, c ends with
// ErrBudget, and spend reports false. A retry that is refused ends as the timeout that led to it.
func (w *Worker) spend(c *call) bool {
	r := &c.request
	size := messageStart + len(c.message) + codec.TagSize
	p := budget.Purpose{Origin: r.origin, ID: r.Peer.ID, Grant: r.grant}
	cause := w.e.budget.Spend(w.now, r.Peer.Addr, size, &p)
	if cause == budget.Allowed {
		return true
	}
	err := ErrBudget
	if r.retry {
		err = fmt.Errorf("%w, and the retry was not sent: %w", ErrTimeout, ErrBudget)
	}
	w.counts[budgetCounters[cause]]++
	w.end(c, Result{Err: err})
	return false
}

var budgetCounters = [...]Counter{
	budget.OverRate: BudgetRate, budget.Repeated: BudgetRepeated, budget.Unfunded: BudgetUnfunded,
}

// prove notes that an endpoint has answered a packet that it could not have answered unseen.
func (w *Worker) prove(at netip.AddrPort) {
	w.e.budget.Prove(w.now, at)
	w.e.families.answered(w.now, at)
}

// noAnswer notes that a peer has left a request without an answer.
func (w *Worker) noAnswer(p *Peer) {
	w.e.budget.Failed(p.Addr)
	w.e.families.missed(p.Addr)
	w.e.responders.failed(p.ID, p.Addr)
}

// answerCost is the size of the packets of a NODES answer beyond their records.
const answerCost = messageStart + codec.TagSize + codec.MaxRequestID + 5

// grantOf returns what a NODES answer pays for: the packets and bytes that it took.
func grantOf(from netip.AddrPort, packets uint64, records int) *budget.Grant {
	n := int(min(packets, maxAnswerPackets))
	return budget.NewGrant(from, n, n*answerCost+records)
}
