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

// shown says from whom this node has a record.
type shown uint8

const (
	byOthers shown = iota // a third party, or an earlier time
	byOwner               // the node itself, within its session
)

// admit offers a node that has proved to be at addr to the table, if its record states that
// endpoint. If it states another one, that is a claim, which claim tests. admit reports whether the
// record states addr.
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

// place adds a node to the table. A newer record of a node that the table has and refuses takes the
// node out: the older one must not stay in force.
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

// renew brings up to date what the table has of a node that has shown a record from an address that
// the record does not state. If a newer record does not state the endpoint either at which the
// table has the node, the node can be relayed no more.
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

// claim tests an endpoint that a node states for itself, and at which this node has not met it: one
// PING goes there, within the budget of the source. If the node answers there, it comes into the
// table. So a node whose packets leave from another port than they arrive at is found, and nobody
// can aim more than one packet for each identity.
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

// outdated reports whether a node has left the table with a newer record than r: others may go on
// relaying the old one.
func (e *Engine) olderThanRemoved(r *enr.Record) bool {
	last := e.removed.find(r.ID())
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

// removedSize is how many nodes that left the table are remembered.
const removedSize = 64

// departed are the records of nodes that left the table last. A WHOAREYOU may have told such a node
// that its record is known here: then its handshake comes without one. And when hardly anybody is
// left, they are asked again.
type removedNodes struct {
	mu   sync.Mutex
	ring [removedSize]removedNode
	at   int
}

type removedNode struct {
	id     enr.ID
	record *enr.Record
	// where it was contacted; zero if its newest record names another endpoint
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

// all returns what is remembered, the last one first. A node that has left more than once is there
// as it left the last time.
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
// owner shows now, from where it answers now, replaces a newer one that is remembered, or another
// one of the same number, once the endpoint of that one is dead. While it answers there, it stays:
// the older record may be that of a second instance with the same key.

const (
	// maxRestarts bounds the nodes whose remembered endpoint is being tested.
	maxRestarts = 32
	// restartLife is how long a test may take, restartPause the time between two of its PINGs.
	restartLife  = time.Minute
	restartPause = 3 * time.Second
)

// restart is a node that has shown an older record at an endpoint that it answers at.
type restart struct {
	node  table.Node
	until time.Duration
	next  time.Duration // when the remembered endpoint is asked again
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

// due returns the nodes whose remembered endpoint is to be asked or judged now.
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

// nextDue returns when due has something to return.
func (rs *restarts) nextDue() time.Duration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	next := never
	for i := range rs.list {
		next = min(next, rs.list[i].next)
	}
	return next
}

// restarted deals with a record that its owner shows at the endpoint addr, which the record states,
// if a newer one is remembered, or another one of the same number. It reports false if there is
// none.
func (w *Worker) restarted(r *enr.Record, addr netip.AddrPort, inbound bool) bool {
	e := w.e
	n, s, ok := e.table.Get(r.ID())
	if !ok {
		e.removed.remove(r.ID()) // what was remembered is out of date
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

// replaceNewer puts a node's record in place of a newer one. If the table refuses it, the node
// leaves.
func (w *Worker) replaceNewer(n table.Node) {
	if w.e.table.Replace(w.now, n).Rejected() {
		w.e.table.Remove(w.now, n.ID)
	}
	w.e.removed.remove(n.ID) // or the newer record would count as the current one
}

// judgeRestarts asks the remembered endpoints of nodes that have shown an older record, and
// replaces the records of those that are dead.
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
				e.restarts.remove(n.ID) // it answers at both endpoints: the newer record stands
			}
		}}, budget.Known, nil)
	}
}
