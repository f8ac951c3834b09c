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
	sets [][boundWays]bound // nil until the first bound
	n    int                // sets
	seed uint64

	evicted uint64 // bounds with time left that had to go, or had no place
}

type bound struct {
	key   uint64        // hash of family, depth and prefix; collisions are too rare to matter
	until time.Duration // 0: empty
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

func (b *bounds) set(key uint64) *[boundWays]bound {
	hi, _ := bits.Mul64(key, uint64(b.n))
	return &b.sets[hi]
}

// find returns the time at which the bound of a prefix reaches zero, 0 if it has none.
func (b *bounds) find(key uint64) time.Duration {
	if b.sets == nil {
		return 0
	}
	for _, e := range b.set(key) {
		if e.key == key {
			return e.until
		}
	}
	return 0
}

// put stores a bound, unless its set is full of bounds with more time left.
func (b *bounds) put(now time.Duration, key uint64, until time.Duration) {
	if b.sets == nil {
		b.sets = make([][boundWays]bound, b.n)
	}
	set := b.set(key)
	least := 0
	for i := range set {
		if set[i].key == key {
			least = i
			break
		}
		if set[i].until < set[least].until {
			least = i
		}
	}
	if set[least].key != key && set[least].until > now {
		b.evicted++
		if set[least].until > until {
			return
		}
	}
	set[least] = bound{key, until}
}
