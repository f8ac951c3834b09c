package limiter

import (
	"math"
	"sync/atomic"

	"github.com/fastdisc/discv5/internal/netaddr"
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
	entries [ways]entry
	shared  atomic.Int64 // TAT of the bucket that new sources share while no entry is idle
	_       [8]byte
}

// chunkSets is the number of sets that are allocated together.
const chunkSets = 16

// sets are the sets of one level, in chunks that are allocated on demand.
type sets struct {
	mask   uint64 // number of sets, a power of two, minus 1
	chunks []atomic.Pointer[[chunkSets]set]
}

func newSets(n int) sets {
	return sets{uint64(n - 1), make([]atomic.Pointer[[chunkSets]set], (n+chunkSets-1)/chunkSets)}
}

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

// allocate is a function of its own so that the compiler can inline at.
func allocate(p *atomic.Pointer[[chunkSets]set]) *[chunkSets]set {
	p.CompareAndSwap(nil, new([chunkSets]set)) // another goroutine may have been first
	return p.Load()
}

// slot is a snapshot of the bucket that a prefix is charged to.
type slot struct {
	set  *set
	key  netaddr.Uint128
	kind kind
	// entry is the prefix's own entry, or the idle one that it may take over; nil for the shared
	// bucket.
	entry *entry
	tat   int64 // of entry or of the shared bucket
}

type kind uint8

const (
	own kind = iota
	idle
	shared
)

// look finds the slot of s.key in s.set. It loads the TAT of an entry before the prefix: if the TAT
// has not changed later, the prefix that was read after it has not changed either.
func (s *slot) look(now int64) {
	s.kind, s.entry = shared, nil
	oldest := now + 1
	for i := range s.set.entries {
		e := &s.set.entries[i]
		tat := e.tat.Load()
		if tat == claimed {
			continue
		}
		if e.lo.Load() == s.key.Lo && e.hi.Load() == s.key.Hi {
			s.kind, s.entry, s.tat = own, e, tat
			return
		}
		if tat < oldest {
			oldest = tat
			s.kind, s.entry, s.tat = idle, e, tat
		}
	}
	if s.kind == shared {
		s.tat = s.set.shared.Load()
	}
}

// allows reports whether the bucket has room for a datagram.
func (s *slot) allows(now int64, b *bucket) bool {
	if s.kind == idle {
		return true // a full bucket
	}
	_, ok := b.next(s.tat, now)
	return ok
}

// charge takes a datagram out of the bucket. It returns false if other goroutines have emptied the
// bucket since look. The loop ends, because a failed swap means that another goroutine succeeded.
func (s *slot) charge(now int64, b *bucket) bool {
	for {
		if s.kind == idle {
			if s.entry.tat.CompareAndSwap(s.tat, claimed) {
				s.entry.hi.Store(s.key.Hi)
				s.entry.lo.Store(s.key.Lo)
				// This is above the old TAT, because the entry was idle: the TAT also grows when
				// the owner changes.
				s.entry.tat.Store(now + b.interval)
				return true
			}
		} else {
			next, ok := b.next(s.tat, now)
			if !ok {
				return false
			}
			tat := &s.set.shared
			if s.kind == own {
				tat = &s.entry.tat
			}
			if tat.CompareAndSwap(s.tat, next) {
				return true
			}
		}
		s.look(now)
	}
}
