package engine

import (
	"slices"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// Candidates for the service tables of advertisers and searches.

// noteCapable notes a capable node that a NODES response of a peer has named.
func (w *Worker) noteCapable(by *call, rec *enr.Record, g *budget.Grant) {
	rs := &w.e.topicRuns
	if rs.count.Load() == 0 || !rec.SupportsTopics() || rec.ID() == w.e.self {
		return
	}
	addr, ok := w.e.named(w.now, rec, table.Class(by.request.Peer.Addr.Addr()))
	if !ok {
		return
	}
	rs.freshMu.Lock()
	if len(rs.fresh) < maxFreshCapable {
		rs.fresh = append(rs.fresh, topic.Node{Record: rec, Addr: addr})
	}
	rs.freshMu.Unlock()
	rs.mu.Lock()
	rs.grant(rec.ID(), g)
	rs.mu.Unlock()
}

// noteLive notes a node that has become live in the node table.
func (rs *topicRuns) noteLive(n table.Node) {
	if rs.count.Load() == 0 || n.Record == nil || !n.Record.SupportsTopics() {
		return
	}
	rs.freshMu.Lock()
	if len(rs.live) < maxFreshCapable {
		rs.live = append(rs.live, topic.Node{Record: n.Record, Addr: n.Addr})
	}
	rs.freshMu.Unlock()
}

// absorb offers the capable nodes that have become known to all runs, and returns how many there
// are. topicRuns.mu is held.
func (w *Worker) absorb() int {
	rs := &w.e.topicRuns
	rs.freshMu.Lock()
	fresh, live := rs.fresh, rs.live
	rs.fresh, rs.live = nil, nil
	rs.freshMu.Unlock()
	found := 0
	for _, n := range fresh {
		if rs.pool.Add(n, rs.random) {
			found++
		}
	}
	for _, r := range rs.runs {
		for _, n := range live {
			r.addLive(w.now, n)
		}
		for _, n := range fresh {
			r.addNamed(w.now, n)
		}
	}
	return found + len(live)
}

// lookForCapable makes one lookup, whose responses name nodes: noteCapable keeps the capable ones.
func (w *Worker) lookForCapable(target topic.Topic) {
	rs := &w.e.topicRuns
	w.lookup(enr.ID(target), lookup.Config{}, nil, nil, func(w *Worker, _ LookupHandle) {
		rs.mu.Lock()
		found := w.absorb()
		rs.looking = false
		rs.pause = min(2*rs.pause, lastTopicLookup)
		if found > 0 {
			rs.pause = firstTopicLookup
		}
		rs.nextLookup = w.now + rs.pause
		runs := slices.Clone(rs.runs)
		for _, r := range runs {
			if r.hold > 0 {
				if r.hold--; r.candidates() >= fewCandidates {
					r.hold = 0
				} else if r.hold > 0 {
					rs.nextLookup = w.now
				}
			}
		}
		rs.mu.Unlock()
		for _, r := range runs {
			w.advanceRun(r)
		}
	})
}
