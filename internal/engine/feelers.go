package engine

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
)

// A lookup asks the nodes closest to its target, and those that an attacker names are always
// closest. So the lookups that refresh the table end with a few PINGs, called feelers, to nodes
// that were named and not asked: those whose network prefixes the table has fewest members of. One
// that answers is offered to the table, where places turn over by prefix (S34).

const (
	// maxFeelers bounds the feelers of one lookup.
	maxFeelers = 3
	// feelersHeard bounds the nodes that they are chosen from.
	feelersHeard = 256
)

// feelers holds the nodes that a lookup has heard of and not asked.
type feelers struct {
	heard []Peer
	asked map[enr.ID]bool
}

// hear notes nodes that a lookup has heard of. The lookup's lock is held.
func (f *feelers) hear(list []Peer) {
	if f != nil {
		f.heard = append(f.heard, list[:min(len(list), feelersHeard-len(f.heard))]...)
	}
}

// ask notes that the lookup asks a node. The lookup's lock is held.
func (f *feelers) ask(id enr.ID) {
	if f != nil {
		f.asked[id] = true
	}
}

// feel sends the feelers of a lookup that has ended.
func (r *lookupRun) feel(w *Worker) {
	f := r.feelers
	if f == nil {
		return
	}
	type choice struct {
		peer     Peer
		crowding int64
		grant    *budget.Grant
	}
	var list []choice
	r.mu.Lock() // answers that come too late may be under way
	for _, c := range f.heard {
		if _, known := w.e.table.Seq(c.ID); !known && !f.asked[c.ID] {
			list = append(list, choice{c, w.e.table.Crowding(c.Addr.Addr()), r.grants[c.ID]})
		}
	}
	r.mu.Unlock()
	slices.SortStableFunc(list, func(a, b choice) int { return cmp.Compare(a.crowding, b.crowding) })
	felt := make(map[netip.Addr]bool)
	for _, c := range list {
		if len(felt) == maxFeelers {
			break
		}
		if felt[c.peer.Addr.Addr()] {
			continue
		}
		felt[c.peer.Addr.Addr()] = true
		w.start(Request{Type: codec.TypePing, Peer: c.peer, Here: true, Done: func(*Worker, Result) {}}, budget.Named, c.grant)
	}
}
