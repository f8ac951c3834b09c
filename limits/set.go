package limits

import (
	"math"
	"sync/atomic"
)

// ways is the number of entries of a set; see the package comment for the layout.
const ways = 10

// setSize is the size of a set in bytes.
const setSize = 256

// claimed is the TAT of an entry whose prefix is being written.
const claimed = math.MinInt64

type entry struct {
	hi, lo atomic.Uint64
	tat    atomic.Int64
}

type set struct {
	entries   [ways]entry
	newcomers atomic.Int64 // TAT of the bucket that newcomers share while no entry is idle
	_         [8]byte
}

// chunkSets is how many sets have their memory together.
const chunkSets = 16

// sets are the sets of one level, in chunks that are allocated when they are needed.
type sets struct {
	mask   uint64 // their number, a power of two, less 1
	chunks []atomic.Pointer[[chunkSets]set]
}

func newSets(n int) sets {
	return sets{uint64(n - 1), make([]atomic.Pointer[[chunkSets]set], (n+chunkSets-1)/chunkSets)}
}

func (s *sets) len() int { return int(s.mask + 1) }

// at returns the set of a hash.
func (s *sets) at(h uint64) *set {
	h &= s.mask
	p := &s.chunks[h/chunkSets]
	c := p.Load()
	if c == nil {
		c = allocate(p)
	}
	return &c[h%chunkSets]
}

// allocate is apart from at so that at can be inlined.
func allocate(p *atomic.Pointer[[chunkSets]set]) *[chunkSets]set {
	p.CompareAndSwap(nil, new([chunkSets]set)) // another goroutine may have been first
	return p.Load()
}

// place is where a prefix is charged, as it was at one moment.
type place struct {
	set  *set
	key  point
	kind kind
	// entry is the prefix's own, or the idle one that it may take over; nil if newcomers share.
	entry *entry
	tat   int64 // of entry or of the newcomers' bucket
}

type kind uint8

const (
	own kind = iota
	idle
	shared
)

// look finds the place of p.key in p.set. The order of the loads matters: TAT first. If TAT is
// unchanged later, the prefix read after it is too.
func (p *place) look(now int64) {
	p.kind, p.entry = shared, nil
	oldest := now + 1
	for i := range p.set.entries {
		e := &p.set.entries[i]
		tat := e.tat.Load()
		if tat == claimed {
			continue
		}
		if e.lo.Load() == p.key.lo && e.hi.Load() == p.key.hi {
			p.kind, p.entry, p.tat = own, e, tat
			return
		}
		if tat < oldest {
			oldest = tat
			p.kind, p.entry, p.tat = idle, e, tat
		}
	}
	if p.kind == shared {
		p.tat = p.set.newcomers.Load()
	}
}

// allows reports whether a datagram may be charged to the place.
func (p *place) allows(now int64, b *bucket) bool {
	if p.kind == idle {
		return true // a full bucket
	}
	_, ok := b.next(p.tat, now)
	return ok
}

// charge takes a datagram out of the bucket. It reports false if others have emptied it since look.
// A failed swap means that another worker has got on, so the loop ends.
func (p *place) charge(now int64, b *bucket) bool {
	for {
		if p.kind == idle {
			if p.entry.tat.CompareAndSwap(p.tat, claimed) {
				p.entry.hi.Store(p.key.hi)
				p.entry.lo.Store(p.key.lo)
				// Later than what the entry had, which was idle: TAT grows also from owner to
				// owner.
				p.entry.tat.Store(now + b.interval)
				return true
			}
		} else {
			next, ok := b.next(p.tat, now)
			if !ok {
				return false
			}
			tat := &p.set.newcomers
			if p.kind == own {
				tat = &p.entry.tat
			}
			if tat.CompareAndSwap(p.tat, next) {
				return true
			}
		}
		p.look(now)
	}
}
