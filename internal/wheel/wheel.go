// Package wheel is a timing wheel: it holds deadlines of numbered slots and finds those that have
// passed.
package wheel

import (
	"math"
	"time"
)

// Wheel holds deadlines of slots in a ring of lists, one for each tick of time, linked by slot
// number. Adding and removing take a few nanoseconds and no memory. A deadline beyond the
// length of the ring is checked in each turn. Callers must serialize their calls.
//
//	ring   [t] -> slot -> slot     links[slot] = {next, prev, bucket}
//	       [t+1]
//	       ...
type Wheel struct {
	heads []uint32 // slot + 1 of the first in the list; 0: empty
	links []link
	tick  time.Duration
	done  int64 // ticks that Advance has passed
	n     int   // slots in the wheel
}

type link struct {
	next, prev uint32 // slot + 1
	bucket     uint32 // ring position + 1; 0: not in the wheel
	deadline   time.Duration
}

// New returns a wheel of size ticks for the slots below n.
func New(n, size int, tick time.Duration) Wheel {
	return Wheel{heads: make([]uint32, size), links: make([]link, n), tick: tick}
}

// Grow makes room for one more slot.
func (w *Wheel) Grow() { w.links = append(w.links, link{}) }

// Deadline returns the deadline that slot was added with last.
func (w *Wheel) Deadline(slot uint32) time.Duration { return w.links[slot].deadline }

// Add enters slot, which must not be in the wheel. It fires at the first Advance whose tick is
// later than that of deadline.
func (w *Wheel) Add(slot uint32, deadline time.Duration) {
	t := int64(deadline/w.tick) + 1
	if t <= w.done {
		t = w.done + 1
	}
	b := uint32(t % int64(len(w.heads)))
	l := &w.links[slot]
	l.deadline, l.bucket, l.prev, l.next = deadline, b+1, 0, w.heads[b]
	if l.next != 0 {
		w.links[l.next-1].prev = slot + 1
	}
	w.heads[b] = slot + 1
	w.n++
}

// Remove takes slot out of the wheel, if it is in.
func (w *Wheel) Remove(slot uint32) {
	l := &w.links[slot]
	if l.bucket == 0 {
		return
	}
	if l.prev != 0 {
		w.links[l.prev-1].next = l.next
	} else {
		w.heads[l.bucket-1] = l.next
	}
	if l.next != 0 {
		w.links[l.next-1].prev = l.prev
	}
	l.bucket = 0
	w.n--
}

// First returns a time before which Advance finds nothing: when the earliest deadline fires, or the
// largest Duration if the wheel is empty. It looks at every slot.
func (w *Wheel) First() time.Duration {
	first := time.Duration(math.MaxInt64)
	if w.n == 0 {
		return first
	}
	for i := range w.links {
		if l := &w.links[i]; l.bucket != 0 {
			first = min(first, l.deadline)
		}
	}
	return (first/w.tick + 1) * w.tick
}

// Advance takes every slot whose deadline has passed out of the wheel and calls expired for it.
// However far time has jumped, it walks each list at most once.
func (w *Wheel) Advance(now time.Duration, expired func(slot uint32)) {
	target := int64(now / w.tick)
	if target <= w.done {
		return
	}
	from := w.done
	if n := int64(len(w.heads)); target-from > n {
		from = target - n
	}
	w.done = target
	if w.n == 0 {
		return
	}
	for t := from + 1; t <= target; t++ {
		for s := w.heads[t%int64(len(w.heads))]; s != 0; {
			slot := s - 1
			s = w.links[slot].next
			if int64(w.links[slot].deadline/w.tick) < target { // lists hold later turns too
				w.Remove(slot)
				expired(slot)
			}
		}
	}
}
