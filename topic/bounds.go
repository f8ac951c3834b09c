package topic

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/zeebo/xxh3"
)

// boundWays is how many entries of the bounds table share a set.
const boundWays = 4

// bounds remembers the lower bounds of the address component (discv5-theory.md, Waiting-Time Lower
// Bound), by the longest prefix of the address that the tree holds. A bound is stored as the time
// at which it reaches zero, so that nothing has to be updated while time passes.
//
// The table is set-associative and does not grow. When a set is full, the bound that has least time
// left is evicted.
type bounds struct {
	sets []boundSet // nil until the first bound
	n    int        // sets
	seed uint64

	evicted uint64 // bounds with time left that had to go, or had no place
}

// boundSet is a set of bounds. The hash of family, depth and prefix selects the set, and the lower
// half of it tells the bounds of a set apart: collisions are too rare to matter.
type boundSet struct {
	until [boundWays]time.Duration // 0: empty
	hash  [boundWays]uint32
}

func newBounds(capacity int, seed uint64) bounds {
	return bounds{n: (2*capacity + boundWays - 1) / boundWays, seed: seed}
}

// key returns the hash of the prefix that a walk has matched.
func (b *bounds) key(k ipKey, depth uint8) uint64 {
	var buf [10]byte
	binary.BigEndian.PutUint64(buf[:], cut(k.bits, depth))
	buf[8], buf[9] = depth, byte(k.family)
	return xxh3.HashSeed(buf[:], b.seed)
}

func (b *bounds) set(key uint64) *boundSet {
	hi, _ := bits.Mul64(key, uint64(b.n))
	return &b.sets[hi]
}

// find returns the time at which the bound of a prefix reaches zero, 0 if it has none.
func (b *bounds) find(key uint64) time.Duration {
	if b.sets == nil {
		return 0
	}
	set := b.set(key)
	for i, h := range set.hash {
		if h == uint32(key) {
			return set.until[i]
		}
	}
	return 0
}

// put stores a bound, unless its set is full of bounds with more time left.
func (b *bounds) put(now time.Duration, key uint64, until time.Duration) {
	if b.sets == nil {
		b.sets = make([]boundSet, b.n)
	}
	set := b.set(key)
	least := 0
	for i := range set.hash {
		if set.hash[i] == uint32(key) {
			least = i
			break
		}
		if set.until[i] < set.until[least] {
			least = i
		}
	}
	if set.hash[least] != uint32(key) && set.until[least] > now {
		b.evicted++
		if set.until[least] > until {
			return
		}
	}
	set.hash[least], set.until[least] = uint32(key), until
}
