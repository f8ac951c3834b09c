package limits

import (
	"cmp"
	"math/bits"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// rule is an entry with an address range.
type rule struct {
	start  netaddr.Uint128
	length uint8 // prefix length in 128 bits
	action Action
	until  time.Duration
}

// compare orders rules: a range comes before the ranges inside it.
func (r *rule) compare(s *rule) int {
	return cmp.Or(r.start.Compare(s.start), cmp.Compare(r.length, s.length), cmp.Compare(r.action, s.action))
}

// terms is the state of a node ID or an address: the latest end of its bans and of its permits, 0
// for none, and whether the netrestrict contains it.
type terms struct {
	ban, permit time.Duration
	inside      bool
}

// with returns t with one more entry.
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

// verdict returns the verdict at the given time.
func (t *terms) verdict(now time.Duration) Verdict {
	switch {
	case now < t.permit:
		return Permitted
	case now < t.ban:
		return Banned
	}
	return Neutral
}

// spans holds the terms of each address of a family, as a sorted list of the numbers at which they
// change. flatten resolves nested ranges, so one search finds all terms of an address.
//
// An index by the leading bits that differ among the starts narrows the search to a few entries.
// Without it, a flood from random addresses would miss the caches at each step of a binary search.
type spans struct {
	starts []netaddr.Uint128 // starts[0] is zero, if there is any
	terms  []terms
	family netaddr.Family

	// index holds the first start in each slice of the words from first to last, and one more at
	// the end.
	index       []uint32
	first, last uint64 // words of starts[1] and of the last start
	// skip is the number of leading bits that all words share, shift the number of trailing bits
	// that the index ignores.
	skip, shift uint8
}

// maxIndexBits bounds the index to 256 KiB.
const maxIndexBits = 16

// word returns the part of an address that the index uses.
func (s *spans) word(p netaddr.Uint128) uint64 {
	if s.family == netaddr.IPv4 {
		return p.Lo << 32
	}
	return p.Hi
}

func (s *spans) slice(word uint64) int { return int(word << s.skip >> s.shift) }

// makeIndex builds the index. starts must be complete.
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

// find returns the terms of p: those of the last start that is not after p.
func (s *spans) find(p netaddr.Uint128) *terms {
	word := s.word(p)
	if len(s.starts) == 1 || word < s.first {
		return &s.terms[0]
	}
	if word > s.last {
		return &s.terms[len(s.terms)-1]
	}
	i := s.slice(word)
	base := int(s.index[i]) - 1
	// The search does not branch on p, because the CPU cannot predict random sources.
	for n := int(s.index[i+1]) - base; n > 1; {
		half := n / 2
		base += half & -int(1-p.Less(s.starts[base+half]))
		n -= half
	}
	return &s.terms[base]
}

// flatten returns the spans of the sorted rules of a family.
func flatten(rules []rule, family netaddr.Family) spans {
	if len(rules) == 0 {
		return spans{}
	}
	s := spans{starts: make([]netaddr.Uint128, 1, 2*len(rules)+1), terms: make([]terms, 1, 2*len(rules)+1), family: family}
	emit := func(at netaddr.Uint128, t terms) {
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
	// open holds the ranges around the current start, the innermost last.
	type frame struct {
		last  netaddr.Uint128
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
		// Nothing follows the last address of a family.
		if after, ok := last.Next(); ok && after.Family() == family {
			emit(after, around())
		}
	}
	for i := range rules {
		r := &rules[i]
		for len(open) > 0 && open[len(open)-1].last.Less(r.start) == 1 {
			leave()
		}
		t := around().with(r.action, r.until)
		emit(r.start, t)
		open = append(open, frame{r.start.Last(int(r.length)), t})
	}
	for len(open) > 0 {
		leave()
	}
	s.makeIndex()
	return s
}

// view is an immutable snapshot for checks.
type view struct {
	addrs      [netaddr.NumFamilies]spans
	ids        map[[IDSize]byte]terms
	restricted bool
}
