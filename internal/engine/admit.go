package engine

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// shown says from whom this node has a record.
type shown uint8

const (
	byOthers shown = iota // a third party, or an earlier time
	byOwner               // the node itself, within its session
)

// admit offers a node that has proved to be at addr to the table, if its record states that
// endpoint. If it states another one, that is a claim, which claim tests. admit reports whether the
// record states addr.
func (w *Worker) admit(r *enr.Record, addr netip.AddrPort, inbound bool, by shown) bool {
	e := w.e
	if e.unwanted(w.now, r) {
		if n, _, ok := e.table.Get(r.ID()); ok && n.Seq() < r.Seq() {
			e.table.Remove(w.now, r.ID()) // the older record must not stay in force
		}
		return false
	}
	if by == byOthers && e.outdated(r) {
		return false
	}
	if !endpointMatches(r, addr) {
		w.renew(r)
		w.claim(r, addr)
		return false
	}
	if by == byOwner && w.restarted(r, addr, inbound) {
		return true
	}
	w.e.place(w.now, table.NewNode(r, addr, inbound))
	return true
}

// place adds a node to the table. A newer record of a node that the table has and refuses takes the
// node out: the older one must not stay in force.
func (e *Engine) place(now time.Duration, n table.Node) table.AddResult {
	had, known := e.table.Seq(n.ID)
	res := e.table.Add(now, n)
	switch {
	case !res.Rejected():
		e.responders.remove(n.ID)
	case known && had < n.Seq():
		e.table.Remove(now, n.ID)
		e.departed.add(n.ID, n.Record, n.Addr)
	}
	return res
}

// renew brings up to date what the table has of a node that has shown a record from an address that
// the record does not state. If a newer record does not state the endpoint either at which the
// table has the node, the node can be relayed no more.
func (w *Worker) renew(r *enr.Record) {
	e := w.e
	n, _, ok := e.table.Get(r.ID())
	switch {
	case !ok || n.Seq() >= r.Seq():
	case endpointMatches(r, n.Addr):
		e.place(w.now, table.NewNode(r, n.Addr, n.Inbound))
	default:
		e.table.Remove(w.now, n.ID)
		e.departed.add(n.ID, r, netip.AddrPort{})
	}
}

// claim tests an endpoint that a node states for itself, and at which this node has not met it: one
// PING goes there, within the budget of the source. If the node answers there, it comes into the
// table. So a node whose packets leave from another port than they arrive at is found, and nobody
// can aim more than one packet for each identity.
func (w *Worker) claim(r *enr.Record, from netip.AddrPort) {
	e := w.e
	to, ok := e.named(w.now, r, table.Class(from.Addr()))
	if !ok || to == from {
		return
	}
	if n, _, known := e.table.Get(r.ID()); known && n.Addr == to {
		return
	}
	id := [32]byte(r.ID())
	// the packet that brought the record
	grant := budget.NewGrant(from, 1, codec.MinPacketSize+len(r.Bytes()))
	if e.budget.Probed(w.now, to, &id, grant) {
		return
	}
	if !e.budget.Claim(w.now, from, false) {
		w.counts[BudgetClaims]++
		return
	}
	p := lookup.NewPeer(r, to)
	w.start(Request{Type: codec.TypePing, Peer: p, Here: true, Done: func(*Worker, Result) {}}, budget.Named, grant)
}

// outdated reports whether a node has left the table with a newer record than r: others may go on
// relaying the old one.
func (e *Engine) outdated(r *enr.Record) bool {
	last := e.departed.find(r.ID())
	return last != nil && last.Seq() > r.Seq()
}

// endpointMatches reports whether the record's endpoint of addr's family is addr.
func endpointMatches(r *enr.Record, addr netip.AddrPort) bool {
	var got netip.AddrPort
	var ok bool
	if addr.Addr().Is4() {
		got, ok = r.UDPEndpoint4()
	} else {
		got, ok = r.UDPEndpoint6()
	}
	return ok && got == addr
}
