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
		e.departed.remove(r.ID()) // what was remembered is out of date
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
	w.e.departed.remove(n.ID) // or the newer record would count as the current one
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
		w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, n.Addr), Here: true, Done: func(w *Worker, r Result) {
			if r.Err != nil {
				w.failed(n.ID, n.Addr, r)
			} else {
				e.restarts.remove(n.ID) // it answers at both endpoints: the newer record stands
			}
		}}, budget.Known, nil)
	}
}
