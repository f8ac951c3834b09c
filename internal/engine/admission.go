package engine

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// shown says who sent a record.
type shown uint8

const (
	byOthers shown = iota // others, or the node at an earlier time
	byOwner               // the node itself, within its session
)

// offerVerified offers a node that has proved to be at addr to the table, if its record states that
// endpoint. If the record states another one, that is a claim, which probeClaim tests.
// offerVerified reports whether the record states addr.
func (w *Worker) offerVerified(r *enr.Record, addr netip.AddrPort, inbound bool, by shown) bool {
	e := w.e
	if e.unwanted(w.now, r) {
		if n, _, ok := e.table.Get(r.ID()); ok && n.Seq() < r.Seq() {
			e.table.Remove(w.now, r.ID()) // the older record must not stay in force
		}
		return false
	}
	if by == byOthers && e.olderThanRemoved(r) {
		return false
	}
	if !endpointMatches(r, addr) {
		w.updateEntry(r)
		w.probeClaim(r, addr)
		return false
	}
	if by == byOwner && w.restarted(r, addr, inbound) {
		return true
	}
	w.e.addToTable(w.now, table.NewNode(r, addr, inbound))
	return true
}

// addToTable adds a node to the table. If the table has the node and refuses its newer record, the
// node is removed: the older record must not stay in force.
func (e *Engine) addToTable(now time.Duration, n table.Node) table.AddResult {
	had, known := e.table.Seq(n.ID)
	res := e.table.Add(now, n)
	switch {
	case !res.Rejected():
		e.responders.remove(n.ID)
	case known && had < n.Seq():
		e.table.Remove(now, n.ID)
		e.removed.add(n.ID, n.Record, n.Addr)
	}
	return res
}

// updateEntry updates the table entry of a node whose record no longer states the address that it
// sent from. If the record does not state the address of the entry either, the entry is removed.
func (w *Worker) updateEntry(r *enr.Record) {
	e := w.e
	n, _, ok := e.table.Get(r.ID())
	switch {
	case !ok || n.Seq() >= r.Seq():
	case endpointMatches(r, n.Addr):
		e.addToTable(w.now, table.NewNode(r, n.Addr, n.Inbound))
	default:
		e.table.Remove(w.now, n.ID)
		e.removed.add(n.ID, r, netip.AddrPort{})
	}
}

// probeClaim tests an endpoint that a node states for itself and has not been seen at: it sends one
// PING there, within the budget of the source. If the node answers, it enters the table. This finds
// nodes whose packets leave from another port than the one at which they receive, and lets nobody
// aim more than one packet per identity at a third party.
func (w *Worker) probeClaim(r *enr.Record, from netip.AddrPort) {
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
	w.start(Request{Type: codec.TypePing, Peer: p, NoFallback: true, Done: func(*Worker, Result) {}}, budget.Named, grant)
}

// olderThanRemoved reports whether a node was removed from the table with a newer record than r.
// Others may still relay the old one.
func (e *Engine) olderThanRemoved(r *enr.Record) bool {
	last := e.removed.find(r.ID())
	return last != nil && last.Seq() > r.Seq()
}

// endpointMatches reports whether the record states addr.
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

// removedSize is the number of recently removed nodes that are remembered.
const removedSize = 64

// removedNodes are the records of recently removed nodes. A WHOAREYOU may have told such a node
// that its record is known here, so its handshake comes without one. When few nodes are left, they
// are contacted once more.
type removedNodes struct {
	mu   sync.Mutex
	ring [removedSize]removedNode
	at   int
}

type removedNode struct {
	id     enr.ID
	record *enr.Record
	// addr is where it was contacted; zero if its newest record names another endpoint
	addr netip.AddrPort
}

func (d *removedNodes) add(id enr.ID, record *enr.Record, addr netip.AddrPort) {
	d.mu.Lock()
	d.ring[d.at] = removedNode{id, record, addr}
	d.at = (d.at + 1) % removedSize
	d.mu.Unlock()
}

// find returns the record of a node, or nil.
func (d *removedNodes) find(id enr.ID) *enr.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		n := &d.ring[(d.at+removedSize-1-i)%removedSize]
		if n.id == id {
			return n.record
		}
	}
	return nil
}

// remove forgets a node.
func (d *removedNodes) remove(id enr.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		if d.ring[i].id == id {
			d.ring[i] = removedNode{}
		}
	}
}

// all returns the nodes, the most recent first. A node that was removed several times appears once,
// as it was the last time.
func (d *removedNodes) all() (nodes []removedNode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		n := &d.ring[(d.at+removedSize-1-i)%removedSize]
		if n.record == nil || slices.ContainsFunc(nodes, func(o removedNode) bool { return o.id == n.id }) {
			continue
		}
		nodes = append(nodes, *n)
	}
	return nodes
}

// Some programs start the sequence number of their record at 1 with each start. A record that its
// owner sends now, from where it answers now, replaces a remembered newer one, or another one of
// the same number, once the endpoint of that one is dead. While that endpoint answers, the
// remembered record stays: the older one may belong to a second instance with the same key.

const (
	// maxRestarts bounds the nodes whose remembered endpoint is being tested.
	maxRestarts = 32
	// restartLife bounds the time of a test. restartPause is the time between two of its PINGs.
	restartLife  = time.Minute
	restartPause = 3 * time.Second
)

// restart is a node that has sent an older record from an endpoint at which it answers.
type restart struct {
	node  table.Node
	until time.Duration
	next  time.Duration // when the remembered endpoint gets the next PING
}

type restarts struct {
	mu   sync.Mutex
	list []restart
}

func (rs *restarts) add(x restart) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	i := slices.IndexFunc(rs.list, func(o restart) bool { return o.node.ID == x.node.ID })
	switch {
	case i >= 0:
		rs.list[i].node = x.node // the test continues
	case len(rs.list) < maxRestarts:
		rs.list = append(rs.list, x)
	}
}

func (rs *restarts) remove(id enr.ID) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.list = slices.DeleteFunc(rs.list, func(x restart) bool { return x.node.ID == id })
}

// due returns the nodes whose remembered endpoint must be tested or judged now.
func (rs *restarts) due(now time.Duration) (list []restart) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.list {
		if x := &rs.list[i]; x.next <= now {
			list = append(list, *x)
			x.next = now + restartPause
		}
	}
	return list
}

// nextDue returns the time from which due returns a node.
func (rs *restarts) nextDue() time.Duration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	next := never
	for i := range rs.list {
		next = min(next, rs.list[i].next)
	}
	return next
}

// restarted handles a record that its owner sends from the endpoint addr, which the record states,
// if a newer record is remembered, or another one of the same number. It reports false if there is
// none.
func (w *Worker) restarted(r *enr.Record, addr netip.AddrPort, inbound bool) bool {
	e := w.e
	n, s, ok := e.table.Get(r.ID())
	if !ok {
		e.removed.remove(r.ID()) // the remembered record is out of date
		return false
	}
	fresh := table.NewNode(r, addr, inbound)
	if n.Seq() < r.Seq() || n.Seq() == r.Seq() && bytes.Equal(n.Record.Bytes(), r.Bytes()) {
		return false
	}
	if n.Addr == fresh.Addr || !s.Live {
		w.replaceNewer(fresh)
		return true
	}
	e.restarts.add(restart{node: fresh, until: w.now + restartLife, next: w.now})
	return true
}

// replaceNewer replaces a newer record of a node by n. If the table refuses n, the node is removed.
func (w *Worker) replaceNewer(n table.Node) {
	if w.e.table.Replace(w.now, n).Rejected() {
		w.e.table.Remove(w.now, n.ID)
	}
	w.e.removed.remove(n.ID) // else the newer record would count as the current one
}

// judgeRestarts sends a PING to the remembered endpoints of nodes that have sent an older record,
// and replaces the records of those that are dead.
func (w *Worker) judgeRestarts() {
	e := w.e
	for _, x := range e.restarts.due(w.now) {
		n, s, ok := e.table.Get(x.node.ID)
		switch {
		case !ok || !s.Live || n.Addr == x.node.Addr:
			e.restarts.remove(x.node.ID)
			w.replaceNewer(x.node)
			continue
		case w.now > x.until:
			e.restarts.remove(x.node.ID)
			continue
		}
		w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, n.Addr), NoFallback: true, Done: func(w *Worker, r Result) {
			if r.Err != nil {
				w.noteFailure(n.ID, n.Addr, r)
			} else {
				e.restarts.remove(n.ID) // it answers at both endpoints: the newer record stays
			}
		}}, budget.Known, nil)
	}
}
