package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/fastdisc/discv5/simnet"
)

// collector collects garbage when the heap has grown to a limit, and at no other time. The
// simulation waits meanwhile: collecting beside it, as programs do that must answer, would cost it
// a third of its time.
type collector struct {
	n       *simnet.Network
	limit   uint64
	sample  []metrics.Sample
	percent int // what collections were controlled by before

	// Runs counts collections.
	Runs int
}

// collectEvery is the simulated time between two looks at the heap.
const collectEvery = 2 * time.Second

// newCollector starts to collect at limit bytes. The limit is raised if more than two thirds of it
// are in use.
func newCollector(n *simnet.Network, limit uint64) *collector {
	c := &collector{n: n, limit: limit, sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}}
	c.percent = debug.SetGCPercent(-1)
	reserve(limit)
	c.look()
	return c
}

// stop leaves collecting to the runtime again.
func (c *collector) stop() { debug.SetGCPercent(c.percent) }

func (c *collector) look() {
	if c.inUse() >= c.limit {
		runtime.GC()
		c.Runs++
		c.limit = max(c.limit, c.inUse()/2*3)
	}
	c.n.After(collectEvery, c.look)
}

// inUse is the size of the objects on the heap, garbage that has not been collected included.
func (c *collector) inUse() uint64 {
	metrics.Read(c.sample)
	return c.sample[0].Value.Uint64()
}
