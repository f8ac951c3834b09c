package session

import "sync/atomic"

// index finds slots by hash: open addressing with linear probing over words without pointers. The
// garbage collector does not scan it, and a probe run lies in one or two cache lines.
//
//	word   63         32 31          0
//	       +------------+------------+
//	       | hash tag   | slot + 1   |     0: free
//	       +------------+------------+
//
// The tag determines the position of a word; other bits of the hash select the shard. Tags are not
// unique, so callers must compare the whole key. At most half of the words are in use. put refuses
// a run longer than maxProbe.
//
// Words are written atomically under the shard's lock, because lookupUnlocked reads them without
// it.
type index struct {
	words []uint64
	mask  uint32
}

// maxProbe bounds the work of a lookup. With a secret seed and half of the words free, no run
// reaches this length by accident.
const maxProbe = 128

// newIndex returns an index for up to n slots.
func newIndex(n int) index {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return index{words: make([]uint64, size), mask: uint32(size - 1)}
}

func tagOf(h uint64) uint32 { return uint32(h >> 32) }

// next returns the next slot whose tag is that of h, starting at probe step *i, which it advances.
// It returns ok = false when none is left.
func (x *index) next(h uint64, i *uint32) (slot uint32, ok bool) {
	tag := tagOf(h)
	for ; *i < maxProbe; *i++ {
		w := x.words[(tag+*i)&x.mask]
		if w == 0 {
			return 0, false
		}
		if uint32(w>>32) == tag {
			*i++
			return uint32(w) - 1, true
		}
	}
	return 0, false
}

// put adds slot under h. It returns false when the run is full.
func (x *index) put(h uint64, slot uint32) bool {
	tag := tagOf(h)
	for i := range uint32(maxProbe) {
		w := &x.words[(tag+i)&x.mask]
		if *w == 0 {
			atomic.StoreUint64(w, uint64(tag)<<32|uint64(slot+1))
			return true
		}
	}
	return false
}

// remove removes slot, which was put under h, and closes the gap: later words of the run move back,
// so that no tombstones accumulate.
func (x *index) remove(h uint64, slot uint32) {
	tag := tagOf(h)
	want := uint64(tag)<<32 | uint64(slot+1)
	for i := range uint32(maxProbe) {
		at := (tag + i) & x.mask
		switch x.words[at] {
		case 0:
			return
		case want:
			x.close(at)
			return
		}
	}
}

// close frees the word at gap and moves later words of the run closer to their home position.
func (x *index) close(gap uint32) {
	for at := (gap + 1) & x.mask; ; at = (at + 1) & x.mask {
		w := x.words[at]
		if w == 0 {
			break
		}
		home := uint32(w>>32) & x.mask
		// A word may move to the gap unless its home lies cyclically after the gap.
		if (at-home)&x.mask >= (at-gap)&x.mask {
			atomic.StoreUint64(&x.words[gap], w)
			gap = at
		}
	}
	atomic.StoreUint64(&x.words[gap], 0)
}

// unlockedProbes is the number of words that lookupUnlocked reads. They contain nearly all entries,
// and mostly lie in one cache line.
const unlockedProbes = 4

// lookupUnlocked returns the first slot with the tag of h. It takes no lock, so the result may be
// wrong, or outdated when the caller uses it.
func (x *index) lookupUnlocked(h uint64) (slot uint32, ok bool) {
	tag := tagOf(h)
	for i := range uint32(unlockedProbes) {
		w := atomic.LoadUint64(&x.words[(tag+i)&x.mask])
		if uint32(w>>32) == tag && w != 0 {
			return uint32(w) - 1, true
		}
		if w == 0 {
			break
		}
	}
	return 0, false
}
