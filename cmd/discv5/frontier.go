package main

import (
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// A frontier holds the nodes that a crawl has still to visit. There are two: the queue of one
// process, and that of a fleet, which hands each node to one of many processes. Methods are safe
// for concurrent use, and callers hold no lock: those of a fleet talk to its server.
type frontier interface {
	// add queues a node that the crawl does not know yet, or whose newer record it has not visited.
	// by is the visit that found the node, nil at the start. That visit counts as unfinished until
	// the node is queued.
	add(to target, by *visit)
	// next waits for a node to visit. It returns false when no node is left, or the crawl has
	// ended.
	next() (*visit, bool)
	// retry queues a node once more, after others.
	retry(v *visit)
	// done ends a visit whose state is answered, failed or skipped.
	done(v *visit)
	// settle follows done for a failed node, once it is known whether this machine's network worked
	// at that time.
	settle(v *visit, proven bool)
	// release returns a node that was not visited to the end.
	release(v *visit)
	// waiting returns how many nodes are queued.
	waiting() int
	// end makes next return false.
	end()
}

// visit is one visit of a node.
type visit struct {
	id enr.ID
	to target
	// state is answered, failed or skipped after the visit.
	state visitState
	// elsewhere says that another machine may be able to reach a skipped node.
	elsewhere bool
	// partial says that the crawl ended before the node's buckets were read.
	partial bool

	record *enr.Record // the answer
	rtt    time.Duration
	at     time.Time // of the answer, or of the failure

	task *fleetTask // nil without a fleet
}

// localFrontier is the queue of a crawl in one process.
type localFrontier struct {
	mu      sync.Mutex
	change  *sync.Cond // a node is queued, or a visit or the crawl ends
	queue   []enr.ID
	running int
	ended   bool
}

func newLocalFrontier() *localFrontier {
	f := &localFrontier{}
	f.change = sync.NewCond(&f.mu)
	return f
}

func (f *localFrontier) add(to target, _ *visit) {
	f.mu.Lock()
	f.queue = append(f.queue, to.id())
	f.mu.Unlock()
	f.change.Signal()
}

// next implements frontier. If the queue is empty, it waits for running visits, which may queue
// more nodes.
func (f *localFrontier) next() (*visit, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && f.running > 0 && !f.ended {
		f.change.Wait()
	}
	if f.ended || len(f.queue) == 0 {
		return nil, false
	}
	v := &visit{id: f.queue[0]}
	f.queue = f.queue[1:]
	f.running++
	return v, true
}

func (f *localFrontier) retry(v *visit) { f.finish(v.id) }

// release implements frontier. The nodes that are left count as waiting.
func (f *localFrontier) release(v *visit) { f.finish(v.id) }

func (f *localFrontier) done(*visit) { f.finish() }

func (f *localFrontier) settle(*visit, bool) {}

// finish ends a visit, and queues the nodes of queue.
func (f *localFrontier) finish(queue ...enr.ID) {
	f.mu.Lock()
	f.running--
	f.queue = append(f.queue, queue...)
	f.mu.Unlock()
	f.change.Broadcast()
}

func (f *localFrontier) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue)
}

func (f *localFrontier) end() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.change.Broadcast()
}
