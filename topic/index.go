package topic

import "math/bits"

// index is a hash table from keys to numbers of slots. An entry is a number with as much of the
// hash of its key as has room beside it: the keys are in the slots, and the caller compares them
// where that much is equal. It uses linear probing, and deletion moves entries back, so that there
// are no tombstones. It is at most three quarters full.
//
// Hashes must be seeded: keys come from peers.
type index struct {
	entries []uint32 // number + 1 in the lower bits, and bits of the hash; 0 is empty
	len     int
	most    int    // most entries
	numbers uint32 // the bits of an entry that hold a number
}

// minIndex is the size of the smallest table.
const minIndex = 64

func newIndex(most int) index {
	x := index{most: most, numbers: 1<<bits.Len(uint(most)) - 1}
	x.entries = make([]uint32, min(minIndex, x.largest()))
	return x
}

// largest is the size of the table for most entries.
func (x *index) largest() int { return x.most + x.most/3 + 1 }

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

// next returns the next entry at i or behind whose key may have hash h: its number and where it is,
// none if there is no more. A search begins at home(h) and continues at after(i).
func (x *index) next(h uint64, i int) (n uint32, at int) {
	for ; x.entries[i] != 0; i = x.after(i) {
		if e := x.entries[i]; (e^uint32(h))&^x.numbers == 0 {
			return e&x.numbers - 1, i
		}
	}
	return none, i
}

// find returns where number n is, whose key has hash h and which is in the table.
func (x *index) find(n uint32, h uint64) int {
	i, e := x.home(h), x.entry(n, h)
	for x.entries[i] != e {
		i = x.after(i)
	}
	return i
}

func (x *index) entry(n uint32, h uint64) uint32 { return uint32(h)&^x.numbers | (n + 1) }

// insert adds number n, whose key has hash h and which is not in the table. hash returns the hash
// of the key of a number.
func (x *index) insert(n uint32, h uint64, hash func(uint32) uint64) {
	if most := x.largest(); 4*(x.len+1) > 3*len(x.entries) && len(x.entries) < most {
		old := x.entries
		x.entries = make([]uint32, min(2*len(old), most))
		for _, e := range old {
			if e != 0 {
				x.put(hash(e&x.numbers-1), e)
			}
		}
	}
	x.put(h, x.entry(n, h))
	x.len++
}

func (x *index) put(h uint64, e uint32) {
	i := x.home(h)
	for x.entries[i] != 0 {
		i = x.after(i)
	}
	x.entries[i] = e
}

// replace puts number n in the place of another one, whose key n has from now on.
func (x *index) replace(at int, n uint32) { x.entries[at] = x.entries[at]&^x.numbers | (n + 1) }

// delete removes the entry at i. hash returns the hash of the key of a number.
func (x *index) delete(i int, hash func(uint32) uint64) {
	x.len--
	// Close the gap: an entry moves back unless its home lies behind the gap.
	for j := x.after(i); x.entries[j] != 0; j = x.after(j) {
		home := x.home(hash(x.entries[j]&x.numbers - 1))
		if x.distance(home, j) >= x.distance(i, j) {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = 0
}

// distance returns how far j lies behind i.
func (x *index) distance(i, j int) int {
	if j -= i; j < 0 {
		j += len(x.entries)
	}
	return j
}
