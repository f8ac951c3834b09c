package simnet

import (
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
)

// Requests and lookups that do not wait, for swarms and for the audit of sessions. Programs use the
// methods of discv5.Node.

// request sends a request. r.Done is called once, perhaps before request returns; if the node
// crashes, with engine.ErrClosed.
func (nd *Node) request(r engine.Request) error {
	m := nd.machine.Load()
	if !m.up() {
		return ErrDown
	}
	limit := r.Timeout
	if limit <= 0 {
		limit = orDefault(m.config.RequestTimeout, time.Second)
	}
	// The engine's bound, and a second for its ticks. All that may happen once more for each time
	// that the node resends, and then at the peer's other address.
	limit += 2*limit + orDefault(m.config.HandshakeTimeout, time.Second) + time.Second
	limit *= 2 * time.Duration(1+m.config.Resend)
	ended := nd.expectEnd("request", limit)
	done := r.Done
	r.Done = func(w *engine.Worker, res engine.Result) {
		ended()
		done(w, res)
	}
	m.node.Do(func(w *engine.Worker) { w.Start(r) })
	return nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// expectEnd has the audit see to it that the function which is returned is called once and within
// limit.
func (nd *Node) expectEnd(what string, limit time.Duration) (ended func()) {
	n, m, count := nd.n, nd.machine.Load(), 0
	offset := m.offset.Load()
	n.After(limit, func() {
		// A node that crashed or was suspended meanwhile is excused.
		if count == 0 && nd.machine.Load() == m && m.offset.Load() == offset && m.up() {
			n.violated(nd, RuleEnds, "%s has not ended after %v", what, limit)
		}
	})
	return func() {
		n.audit.checks.Ends++
		if count++; count > 1 {
			n.violated(nd, RuleEnds, "%s ended %d times", what, count)
		}
	}
}

// foundNodes is how a lookup ended.
type foundNodes struct {
	nodes []lookup.Peer // the closest that answered, closest first
	engine.Progress
	took time.Duration
}

// lookupLimit is the longest time that a lookup can take: all its queries, three at a time, time
// out after handshakes.
const lookupLimit = 3 * time.Minute

// lookup looks for the nodes closest to target. done is called once, perhaps before lookup returns.
// If the node is not running it is not called.
func (nd *Node) lookup(target enr.ID, done func(foundNodes)) error {
	m := nd.machine.Load()
	if !m.up() {
		return ErrDown
	}
	ended := nd.expectEnd("lookup", lookupLimit)
	began := nd.n.Now()
	var h engine.LookupHandle
	m.node.Do(func(w *engine.Worker) {
		h = w.Lookup(target, lookup.Config{}, nil, func(_ *engine.Worker, list []lookup.Peer) {
			ended()
			done(foundNodes{nodes: list, Progress: h.Progress(), took: nd.n.Now() - began})
		})
	})
	return nil
}

// pingSoon pings another node, if both are running, and does not wait.
func (nd *Node) pingSoon(to *Node) {
	e := nd.engine()
	if e == nil || !to.Running() {
		return
	}
	if p, err := e.PeerOf(to.Record()); err == nil {
		// If the node is suspended there is no PING.
		_ = nd.request(engine.Request{Type: codec.TypePing, Peer: p, Done: func(*engine.Worker, engine.Result) {}})
	}
}
