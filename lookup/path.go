package lookup

import (
	"slices"

	"github.com/fastdisc/discv5/enr"
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
func (p *path) insert(target *enr.ID, c *Candidate, hops uint8, limit int) {
	i, found := p.search(target, &c.ID)
	if found || i >= limit {
		return
	}
	p.list = slices.Insert(p.list, i, slot{Candidate: c, hops: hops})
	for j := len(p.list) - 1; j >= 0 && len(p.list) > limit; j-- {
		if p.list[j].phase == heard {
			p.list = slices.Delete(p.list, j, j+1)
		}
	}
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
