package lookup

import (
	"slices"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// phase is how far a candidate has come. Failed candidates leave the list.
type phase uint8

const (
	heard phase = iota
	asked
	answered
)

type slot struct {
	*Candidate // of the seeds or of an answer: never written
	phase      phase
	hops       uint8 // nodes asked one after another until this one was heard of
	prefixes   prefixquota.Prefixes
}

// path is one traversal: the candidates it has heard of, closest to the target first.
type path struct {
	list        []slot
	outstanding int
}

// search returns where id stands in the list, or where it would.
func (p *path) search(target, id *enr.ID) (i int, found bool) {
	return slices.BinarySearchFunc(p.list, id, func(s slot, id *enr.ID) int {
		return enr.CompareDistance(*target, s.ID, *id)
	})
}

// insert adds a candidate unless it is there or limit others are closer. A list that grows over
// the limit loses the farthest candidate that has not been asked. Those that have been asked stay:
// there are never more of them than queries, and a flood of close candidates that do not exist
// must not wash out the results.
func (p *path) insert(cfg *Config, target *enr.ID, c *Candidate, hops uint8, limit int) {
	i, found := p.search(target, &c.ID)
	if found || i >= limit {
		return
	}
	s := slot{Candidate: c, hops: hops, prefixes: prefixquota.PrefixesOf(c.Addr.Addr())}
	if !prefixquota.Exempt(c.Addr.Addr(), cfg.ExemptPrivate) && !p.makeRoom(&s, i, cfg.Limits.Widths()) {
		return
	}
	p.list = slices.Insert(p.list, i, s)
	for j := len(p.list) - 1; j >= 0 && len(p.list) > limit; j-- {
		if p.list[j].phase == heard {
			p.list = slices.Delete(p.list, j, j+1)
		}
	}
}

// makeRoom drops candidates that have not been asked, so that the list keeps to the limits with s at
// index i. It reports false if the limits have no room for s: the others of its prefix are closer to
// the target, or have been asked.
func (p *path) makeRoom(s *slot, i int, limits [prefixquota.NumWidths]int) bool {
	for k, limit := range limits {
		w, count, farthest := prefixquota.Width(k), 0, -1
		if limit <= 0 {
			continue
		}
		for j := range p.list {
			if p.list[j].prefixes.At(w) == s.prefixes.At(w) {
				if count++; p.list[j].phase == heard {
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
		p.list = slices.Delete(p.list, farthest, farthest+1)
	}
	return true
}

// next returns the closest candidate that has not been asked among the k closest, or nil. Candidates
// that another path has taken are dropped on the way.
func (p *path) next(k int, taken func(*enr.ID) bool) *slot {
	for i := 0; i < min(k, len(p.list)); {
		s := &p.list[i]
		if s.phase != heard {
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

// settled says whether the k closest candidates have all answered.
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
