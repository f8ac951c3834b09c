package engine

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// Latency names something that takes time and is counted by how long it took.
type Latency int

// What is timed.
const (
	// LatencyPing, LatencyFindNode and LatencyTalk: requests of this node that were answered, from
	// the last packet sent to the answer. FINDNODE ends with the last packet of its answer.
	LatencyPing Latency = iota
	LatencyFindNode
	LatencyTalk
	// LatencyInitiated: handshakes of this node, from the packet that led to one until the peer has
	// used its keys.
	LatencyInitiated
	// LatencyAccepted: handshakes of others that were accepted, from the arrival of their packet to
	// the end of the work on it. That includes the time in the queue.
	LatencyAccepted

	NumLatencies
)

// Buckets of a Histogram.
//
//	bucket   0            1 to NumBounds-1                       NumBounds
//	holds    up to 15 µs  more than the bound before, up to its  more than 16 s
//
// Bound i is 2^((i-BoundOne)/2) seconds: each is √2 times the one before. These are buckets of a
// native histogram of Prometheus with schema 1.
const (
	NumBounds = 41
	BoundOne  = 32 // the bound of one second
)

// bounds are the upper bounds of the buckets, in nanoseconds. Nobody writes to them.
var bounds = func() (b [NumBounds]time.Duration) {
	for i := range b {
		b[i] = time.Duration(math.Exp2(float64(i-BoundOne)/2) * float64(time.Second))
	}
	return b
}()

// LatencyBound is the upper bound of bucket i of a Histogram, 0 <= i < NumBounds. The last bucket
// of Counts has none.
func LatencyBound(i int) time.Duration { return bounds[i] }

// Histogram counts durations by bucket.
type Histogram struct {
	Counts [NumBounds + 1]uint64
	Sum    time.Duration
}

// Count is the number of durations in all buckets.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Latencies has a histogram of each Latency.
type Latencies [NumLatencies]Histogram

// histogram is what one worker has counted. Only that worker adds to it; others read. Nothing is
// locked.
type histogram struct {
	counts [NumBounds + 1]atomic.Uint64
	sum    atomic.Uint64 // nanoseconds
}

// observe counts a duration. It does not allocate.
func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	low, high := 0, NumBounds
	for low < high {
		if mid := (low + high) / 2; d <= bounds[mid] {
			high = mid
		} else {
			low = mid + 1
		}
	}
	h.counts[low].Add(1)
	h.sum.Add(uint64(d))
}

// Latencies sums what all workers have timed. A duration that is being counted meanwhile may be in
// Counts and not yet in Sum.
func (e *Engine) Latencies() (l Latencies) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		for i := range w.latency {
			h := &w.latency[i]
			for k := range h.counts {
				l[i].Counts[k] += h.counts[k].Load()
			}
			l[i].Sum += time.Duration(h.sum.Load())
		}
	}
	return l
}

// timed counts an answered request.
func (w *Worker) timed(kind codec.MessageType, rtt time.Duration) {
	switch kind {
	case codec.TypePing:
		w.latency[LatencyPing].observe(rtt)
	case codec.TypeFindNode:
		w.latency[LatencyFindNode].observe(rtt)
	case codec.TypeTalkRequest:
		w.latency[LatencyTalk].observe(rtt)
	}
}

// acceptance is a handshake of another node on which work has ended. An engine reads no clock, so
// that its end is taken to be the time with which the worker is told to do the next piece of work.
type acceptance struct {
	came    time.Duration
	pending bool
}

// settle counts the handshake before this one, if there was one.
func (w *Worker) settle() {
	if w.accepted.pending {
		w.accepted.pending = false
		w.latency[LatencyAccepted].observe(w.now - w.accepted.came)
	}
}
