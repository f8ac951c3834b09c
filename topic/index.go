package topic

import "math/bits"

// index is a hash table from keys to numbers of slots. It stores the numbers alone: the keys are in
// the slots, and the caller compares them. It uses linear probing, and deletion moves entries
// back, so that there are no tombstones. It is at most half full.
//
// Hashes must be seeded: keys come from peers.
type index struct {
	entries []uint32 // number + 1; 0 is empty
	len     int
	most    int // most entries, the largest table has twice as many
}

// minIndex is the size of the smallest table.
const minIndex = 64

func newIndex(most int) index {
	return index{entries: make([]uint32, min(minIndex, 2*most)), most: most}
}

// home is where an entry with hash h belongs.
func (x *index) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(x.entries)))
	return int(hi)
}

func (x *index) after(i int) int {
	if i++; i == len(x.entries) {
		return 0
	}
	return i
}

// insert adds number n, whose key has hash h and which is not in the table. hash returns the hash
// of the key of a number.
func (x *index) insert(n uint32, h uint64, hash func(uint32) uint64) {
	if 2*(x.len+1) > len(x.entries) && len(x.entries) < 2*x.most {
		old := x.entries
		x.entries = make([]uint32, min(2*len(old), 2*x.most))
		for _, e := range old {
			if e != 0 {
				x.put(hash(e-1), e)
			}
		}
	}
	x.put(h, n+1)
	x.len++
}

func (x *index) put(h uint64, e uint32) {
	i := x.home(h)
	for x.entries[i] != 0 {
		i = x.after(i)
	}
	x.entries[i] = e
}

// delete removes number n, whose key has hash h.
func (x *index) delete(n uint32, h uint64, hash func(uint32) uint64) {
	i := x.home(h)
	for x.entries[i] != n+1 {
		if x.entries[i] == 0 {
			return
		}
		i = x.after(i)
	}
	x.len--
	// Close the gap: an entry moves back unless its home lies behind the gap.
	for j := x.after(i); x.entries[j] != 0; j = x.after(j) {
		home := x.home(hash(x.entries[j] - 1))
		if (j-home+len(x.entries))%len(x.entries) >= (j-i+len(x.entries))%len(x.entries) {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = 0
}
