package topic

import (
	"math/bits"
	"time"
)

const (
	// NumWaitBounds is the number of bounds of a WaitHistogram: 1 s, 2 s, 4 s and so on up to
	// 4,096 s, which is longer than four lifetimes.
	NumWaitBounds = 13
	// NumOccupancyBounds is the number of bounds of an OccupancyHistogram: 5 %, 10 % and so on up
	// to 100 %.
	NumOccupancyBounds = 20
)

// WaitHistogram counts waits by length.
type WaitHistogram struct {
	// Counts[i] is the number of waits up to WaitBound(i) and above the bound before. The last one
	// counts longer waits.
	Counts [NumWaitBounds + 1]uint64
	Sum    time.Duration // of all waits
}

// WaitBound returns the upper bound of element i of a WaitHistogram, 0 <= i < NumWaitBounds.
func WaitBound(i int) time.Duration { return time.Second << i }

func (h *WaitHistogram) add(w time.Duration) {
	i := 0
	if w > 0 {
		i = min(bits.Len64(uint64((w-1)/time.Second)), NumWaitBounds)
	}
	h.Counts[i]++
	h.Sum += w
}

// OccupancyHistogram counts decisions by how full the cache was. Element i counts those at up to
// i+1 twentieths of the capacity.
type OccupancyHistogram [NumOccupancyBounds]uint64

func (h *OccupancyHistogram) add(ads, capacity int) {
	h[min(max(ads*NumOccupancyBounds-1, 0)/capacity, NumOccupancyBounds-1)]++
}
