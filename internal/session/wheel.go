package session

import (
	"math"
	"time"
)

// wheel holds deadlines of slots: a ring of lists, each for one tick of time, linked by slot
// number. Adding, moving and removing take a few nanoseconds and no memory. Deadlines further away
// than the ring is long are looked at once a turn.
//
//	ring   [t] -> slot -> slot     links[slot] = {next, prev, bucket}
//	       [t+1]
//	       ...
type wheel struct {
	heads []uint32 // slot + 1 of the first in the list; 0: empty
	links []wheelLink
	tick  time.Duration
	done  int64 // ticks that have been worked off
	n     int   // slots in the wheel
}

type wheelLink struct {
	next, prev uint32 // slot + 1
	bucket     uint32 // ring position + 1; 0: not in the wheel
	deadline   time.Duration
}

// newWheel returns a wheel of size ticks for slots below n.
func newWheel(n, size int, tick time.Duration) wheel {
	return wheel{heads: make([]uint32, size), links: make([]wheelLink, n), tick: tick}
}

// add enters slot, which must not be in the wheel. It fires at the first advance whose tick is
// later than that of deadline.
func (w *wheel) add(slot uint32, deadline time.Duration) {
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

// remove takes slot out of the wheel, if it is in.
func (w *wheel) remove(slot uint32) {
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

// first returns a time before which advance will find nothing: when the earliest of the deadlines
// of slots fires, or the largest Duration if the wheel is empty. It looks at every slot below n.
func (w *wheel) first(n int) time.Duration {
	first := time.Duration(math.MaxInt64)
	if w.n == 0 {
		return first
	}
	for i := range w.links[:n] {
		if l := &w.links[i]; l.bucket != 0 {
			first = min(first, l.deadline)
		}
	}
	return (first/w.tick + 1) * w.tick
}

// advance calls expired for every slot whose deadline has passed, after taking it out. However
// far time has jumped, each list is walked at most once.
func (w *wheel) advance(now time.Duration, expired func(slot uint32)) {
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
				w.remove(slot)
				expired(slot)
			}
		}
	}
}
