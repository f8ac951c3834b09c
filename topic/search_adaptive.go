package topic

import (
	"math/bits"
	"slices"
)

// Figures of the adaptive search.
const (
	adaptiveWindow = 4 // answers that it judges a bucket by
	adaptiveLeast  = 2 // answers before it moves
	adaptiveStep   = 4 // most buckets that it moves closer
	floorFirst     = 4 // ads in an answer that make a bucket worth staying in, in the first walk
	floorLater     = 8 // and later
)

// adaptive chooses the bucket to ask in by the ads that the last answers held. Ads of a topic get
// twice as dense with each bucket closer, so that the distance at which answers are just full is
// different for each topic. Asking there spares the few nodes that are closest.
type adaptive struct {
	bucket int
	counts []int // ads in the last answers of the bucket
	home   int   // where the next walk begins: the last bucket that was worth staying in
	later  bool  // the first walk is over
}

// note notes an answer with n ads, and moves.
func (a *adaptive) note(bucket, n int) {
	if bucket != a.bucket {
		return
	}
	a.counts = append(a.counts, n)
	if len(a.counts) > adaptiveWindow {
		a.counts = a.counts[1:]
	}
	if len(a.counts) < adaptiveLeast {
		return
	}
	floor := floorFirst
	if a.later {
		floor = floorLater
	}
	sorted := slices.Sorted(slices.Values(a.counts))
	lower, upper := sorted[(len(sorted)-1)/2], sorted[len(sorted)/2]
	switch {
	case lower >= DefaultReturn: // full: a bucket farther is enough
		a.home = max(a.bucket-1, 0)
		a.move(-1)
	case upper >= floor:
		a.home = a.bucket
	case upper == 0:
		a.move(adaptiveStep)
	default: // ceil(log2(floor / upper))
		a.move(min(bits.Len(uint((floor+upper-1)/upper-1)), adaptiveStep))
	}
}

// move goes n buckets closer, to the last one at most.
func (a *adaptive) move(n int) {
	a.bucket, a.counts = min(max(a.bucket+n, 0), NumBuckets-1), nil
}

// leave goes to the next bucket because nobody is left to ask in this one. Behind the last bucket
// is the end of the walk.
func (a *adaptive) leave() { a.bucket, a.counts = a.bucket+1, nil }

// restart begins the next walk.
func (a *adaptive) restart() { a.bucket, a.counts, a.later = a.home, nil, true }
