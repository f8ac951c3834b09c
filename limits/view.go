package limits

import (
	"cmp"
	"math/bits"
	"time"
)

// rule is an entry about a range of addresses.
type rule struct {
	start  point
	length uint8 // of the prefix, of 128 bits
	action Action
	until  time.Duration
}

// compare orders rules: a range comes before those that lie in it.
func (r *rule) compare(s *rule) int {
	return cmp.Or(r.start.compare(s.start), cmp.Compare(r.length, s.length), cmp.Compare(r.action, s.action))
}

// terms are what holds for a node ID or an address: the latest end of the bans and of the permits
// that are about it, 0 for none, and whether it lies within the netrestrict.
type terms struct {
	ban, permit time.Duration
	inside      bool
}

// with adds one more entry to t.
func (t terms) with(a Action, until time.Duration) terms {
	switch a {
	case Ban:
		t.ban = max(t.ban, until)
	case Permit:
		t.permit = max(t.permit, until)
	default:
		t.inside = true
	}
	return t
}

// verdict is what t comes to at a given time.
func (t *terms) verdict(now time.Duration) Verdict {
	switch {
	case now < t.permit:
		return Permitted
	case now < t.ban:
		return Banned
	}
	return Neutral
}

// spans is what holds for each address of a family, as a sorted list of the points where it
// changes. Ranges that lie in each other are flattened when the list is made, so that one search
// finds all that is to be known.
//
// Before the search an index by the leading bits that differ among the points narrows it down,
// mostly to a handful of them: a flood from everywhere finds nothing in the caches, and each
// halving would be a miss.
type spans struct {
	starts []point // starts[0] is the zero point, if there is any
	terms  []terms
	is4    bool

	// of the first start in each slice of the words from first to last; one more at the end
	index       []uint32
	first, last uint64 // words of starts[1] and of the last start
	// leading bits that all words share, trailing bits that the index leaves out
	skip, shift uint8
}

// maxIndexBits bounds the index to 256 KiB.
const maxIndexBits = 16

// word is the part of a point that the index looks at.
func (s *spans) word(p point) uint64 {
	if s.is4 {
		return p.lo << 32
	}
	return p.hi
}

func (s *spans) slice(word uint64) int { return int(word << s.skip >> s.shift) }

// makeIndex is called when starts is complete.
func (s *spans) makeIndex() {
	n := len(s.starts)
	if n < 2 {
		return
	}
	s.first, s.last = s.word(s.starts[1]), s.word(s.starts[n-1])
	s.skip = uint8(bits.LeadingZeros64(s.first ^ s.last))
	size := min(bits.Len(uint(n)), maxIndexBits, 64-int(s.skip))
	s.shift = uint8(64 - size)
	s.index = make([]uint32, 1<<size+1)
	at := 0
	for i := 1; i < n; i++ {
		for here := s.slice(s.word(s.starts[i])); at <= here; at++ {
			s.index[at] = uint32(i)
		}
	}
	for ; at < len(s.index); at++ {
		s.index[at] = uint32(n)
	}
}

// find returns the terms of p: those of the last start that is not after it.
func (s *spans) find(p point) *terms {
	word := s.word(p)
	if len(s.starts) == 1 || word < s.first {
		return &s.terms[0]
	}
	if word > s.last {
		return &s.terms[len(s.terms)-1]
	}
	i := s.slice(word)
	base := int(s.index[i]) - 1
	// Halving has no branch that depends on p: the order of sources cannot be predicted.
	for n := int(s.index[i+1]) - base; n > 1; {
		half := n / 2
		base += half & -int(1-p.less(s.starts[base+half]))
		n -= half
	}
	return &s.terms[base]
}

// flatten makes spans of the sorted rules of a family.
func flatten(rules []rule, is4 bool) spans {
	if len(rules) == 0 {
		return spans{}
	}
	s := spans{starts: make([]point, 1, 2*len(rules)+1), terms: make([]terms, 1, 2*len(rules)+1), is4: is4}
	emit := func(at point, t terms) {
		last := len(s.starts) - 1
		if s.starts[last] != at {
			if s.terms[last] == t {
				return
			}
			s.starts, s.terms = append(s.starts, at), append(s.terms, t)
			return
		}
		s.terms[last] = t
		if last > 0 && s.terms[last-1] == t {
			s.starts, s.terms = s.starts[:last], s.terms[:last]
		}
	}
	// open are the ranges around the present point, the innermost last.
	type frame struct {
		last  point
		terms terms
	}
	var open []frame
	around := func() terms {
		if len(open) == 0 {
			return terms{}
		}
		return open[len(open)-1].terms
	}
	leave := func() {
		last := open[len(open)-1].last
		open = open[:len(open)-1]
		// There is nothing after the last address of a family.
		if after, ok := last.next(); ok && (!is4 || after.lo>>32 == mapped4>>32) {
			emit(after, around())
		}
	}
	for i := range rules {
		r := &rules[i]
		for len(open) > 0 && open[len(open)-1].last.less(r.start) == 1 {
			leave()
		}
		t := around().with(r.action, r.until)
		emit(r.start, t)
		open = append(open, frame{r.start.last(int(r.length)), t})
	}
	for len(open) > 0 {
		leave()
	}
	s.makeIndex()
	return s
}

// view is all that reading needs. It is never changed.
type view struct {
	addrs      [2]spans // IPv6, IPv4
	ids        map[[IDSize]byte]terms
	restricted bool
}
