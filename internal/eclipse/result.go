package eclipse

import (
	"context"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Result is what the attacker has at the end of a run. All but Members and Known are shares, 0
// to 1.
type Result struct {
	// Members is the number of live members of a table, on average.
	Members float64
	// Table is the share of hostile nodes among the live members of all tables.
	Table float64
	// Relayed is the share of hostile records in answers of honest nodes for the three farthest
	// distances, which lookups ask for most.
	Relayed float64
	// Found is the share of hostile nodes among the results of lookups, Eclipsed the share of
	// lookups with no honest node among their results.
	Found, Eclipsed float64
	// Refused is the share of late nodes that no honest node relays five minutes after they joined.
	Refused float64
	// Known is the number of honest nodes that have a late node in their table then, on average.
	Known float64
}

const (
	measuredLookups = 300
	lateNodes       = 40
	lateNodeTime    = 5 * time.Minute
)

// Run simulates one attack. It fails with the error of ctx when that ends before.
func Run(ctx context.Context, cfg Config) (Result, error) {
	w := newNetwork(ctx, cfg)
	for range bootnodes {
		w.join()
	}
	switch w.cfg.Order {
	case After:
		w.attackFrom = joinTime + headStart
	case Before:
		w.run(headStart)
	}
	step := joinTime / time.Duration(w.cfg.Nodes)
	var due time.Duration
	for range w.cfg.Nodes - bootnodes {
		w.join()
		if due += step; due >= time.Second {
			w.run(due.Truncate(time.Second))
			due -= due.Truncate(time.Second)
		}
	}
	if w.cfg.Order == After {
		w.run(headStart)
	}
	w.run(w.cfg.Settle)
	r := w.measure()
	return r, ctx.Err()
}

func (w *network) measure() (r Result) {
	var members, hostile, relayed, relayedHostile float64
	for _, n := range w.all {
		for _, p := range w.answer(n.peer, []uint{256, 255, 254}) {
			relayed++
			relayedHostile += one(p.hostile)
		}
		n.table.members(func(id enr.ID) {
			members++
			hostile += one(w.pop.byID[id].hostile)
		})
	}
	r.Members, r.Table, r.Relayed = members/float64(len(w.all)), share(hostile, members), share(relayedHostile, relayed)
	w.measureLookups(&r)
	w.measureLateNodes(&r)
	return r
}

func (w *network) measureLookups(r *Result) {
	var results, hostile, eclipsed float64
	for range measuredLookups {
		found := w.lookup(w.all[w.rnd.IntN(len(w.all))], w.pop.randomID())
		honest := 0
		for _, p := range found {
			results++
			hostile += one(p.hostile)
			if !p.hostile {
				honest++
			}
		}
		eclipsed += one(honest == 0)
	}
	r.Found, r.Eclipsed = share(hostile, results), eclipsed/measuredLookups
}

func (w *network) measureLateNodes(r *Result) {
	old := len(w.all)
	for range lateNodes {
		w.join()
	}
	w.run(lateNodeTime)
	known := make(map[enr.ID]int)
	for _, n := range w.all[:old] {
		n.table.members(func(id enr.ID) { known[id]++ })
	}
	for _, n := range w.all[old:] {
		r.Known += float64(known[n.id]) / lateNodes
		r.Refused += one(known[n.id] == 0) / lateNodes
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
