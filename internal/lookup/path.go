package lookup

import (
	"slices"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// phase is the progress of a candidate. Failed candidates leave the list.
type phase uint8

const (
	unqueried phase = iota
	queried
	answered
)

type slot struct {
	*Peer    // a copy, never written
	phase    phase
	hops     uint8 // nodes queried one after another to learn of this one
	prefixes prefixquota.Prefixes
}

// path is one traversal: its candidates, closest to the target first.
type path struct {
	list []slot
	// spare holds candidates beyond Config.Limits, closest first, none of them queried
	spare       []slot
	outstanding int
}

// search returns the index of id in the list, or where to insert it.
func (p *path) search(target, id *enr.ID) (i int, found bool) { return searchSlots(p.list, target, id) }

func searchSlots(list []slot, target, id *enr.ID) (i int, found bool) {
	return slices.BinarySearchFunc(list, id, func(s slot, id *enr.ID) int {
		return enr.CompareDistance(*target, s.ID, *id)
	})
}

// insert adds a candidate unless it is there or limit others are closer. A list over the limit
// loses the farthest candidate that has not been queried. Queried ones stay: there are never more
// of them than queries, and a flood of close candidates that do not exist must not displace the
// results.
func (p *path) insert(cfg *Config, target *enr.ID, c *Peer, hops uint8, limit int) {
	i, found := p.search(target, &c.ID)
	if found || i >= limit {
		return
	}
	own := *c
	s := slot{Peer: &own, hops: hops, prefixes: prefixquota.PrefixesOf(c.Addr.Addr())}
	if !prefixquota.Exempt(c.Addr.Addr(), cfg.ExemptPrivate) && !p.makeRoom(cfg, target, &s, i) {
		p.setAside(cfg, target, s)
		return
	}
	p.list = slices.Insert(p.list, i, s)
	for j := len(p.list) - 1; j >= 0 && len(p.list) > limit; j-- {
		if p.list[j].phase == unqueried {
			p.list = slices.Delete(p.list, j, j+1)
		}
	}
}

// makeRoom sets unqueried candidates aside, so that the list keeps to the limits with s at index i.
// It reports false if there is no room for s: the others of its prefix are closer to the target, or
// have been queried.
func (p *path) makeRoom(cfg *Config, target *enr.ID, s *slot, i int) bool {
	for k, limit := range cfg.Limits.Widths() {
		w, count, farthest := prefixquota.Width(k), 0, -1
		if limit <= 0 {
			continue
		}
		for j := range p.list {
			if p.list[j].prefixes.At(w) == s.prefixes.At(w) {
				if count++; p.list[j].phase == unqueried {
					farthest = j
				}
			}
		}
		if count < limit {
			continue
		}
		if farthest < i {
			return false
		}
		p.setAside(cfg, target, p.list[farthest])
		p.list = slices.Delete(p.list, farthest, farthest+1)
	}
	return true
}

// setAside keeps a candidate in case the lookup runs out of others.
func (p *path) setAside(cfg *Config, target *enr.ID, s slot) {
	i, found := searchSlots(p.spare, target, &s.ID)
	if found || i >= spareMost*cfg.K {
		return
	}
	p.spare = slices.Insert(p.spare, i, s)
	p.spare = p.spare[:min(len(p.spare), spareMost*cfg.K)]
}

// refill takes candidates that were set aside if the others are fewer than wanted and all of them
// have been queried: the limits decide who comes first and leave no slot empty. In a network with
// one provider most nodes are set aside.
func (p *path) refill(cfg *Config, target *enr.ID, taken func(*enr.ID) bool) {
	if len(p.spare) == 0 || p.outstanding > 0 || p.next(cfg.K, taken) != nil {
		return
	}
	for n := 0; n < cfg.Alpha && len(p.list) < cfg.K && len(p.spare) > 0; {
		s := p.spare[0]
		p.spare = slices.Delete(p.spare, 0, 1)
		if i, found := p.search(target, &s.ID); !found && !taken(&s.ID) {
			p.list = slices.Insert(p.list, i, s)
			n++
		}
	}
}

// next returns the closest unqueried candidate among the k closest, or nil. It drops candidates
// that another path has taken.
func (p *path) next(k int, taken func(*enr.ID) bool) *slot {
	for i := 0; i < min(k, len(p.list)); {
		s := &p.list[i]
		if s.phase != unqueried {
			i++
			continue
		}
		if !taken(&s.ID) {
			return s
		}
		p.list = slices.Delete(p.list, i, i+1)
	}
	return nil
}

// settled reports whether the k closest candidates have all answered.
func (p *path) settled(k int, taken func(*enr.ID) bool) bool {
	if p.next(k, taken) != nil {
		return false
	}
	for i := range min(k, len(p.list)) {
		if p.list[i].phase != answered {
			return false
		}
	}
	return true
}
