package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Range of a Histogram: longer times count as the longest.
const (
	leastLatency   = 64 * time.Nanosecond
	longestLatency = 2 * MaxTimeout
)

// Histogram counts durations from 64 ns to 2 minutes, exact to a thousandth. It takes 180 KiB,
// however many there are. The nil Histogram is empty.
type Histogram struct {
	h *hdrhistogram.Histogram
}

// NewHistogram returns an empty one.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(int64(leastLatency), int64(longestLatency), 3)}
}

// Record counts d n times.
func (h *Histogram) Record(d time.Duration, n int) {
	// The only error is of values out of range.
	_ = h.h.RecordValues(int64(min(max(d, 0), longestLatency)), int64(n))
}

// Add adds what o, which may be nil, has counted.
func (h *Histogram) Add(o *Histogram) {
	if o != nil {
		h.h.Merge(o.h)
	}
}

// Reset makes h empty.
func (h *Histogram) Reset() { h.h.Reset() }

// Count is how many durations have been counted.
func (h *Histogram) Count() int64 {
	if h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Quantile is the duration that the given part of all, 0 to 1, does not exceed; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(100 * q))
}

// Max is the longest duration.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Max())
}

// Mean of all durations.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Mean())
}
