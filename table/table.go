package table

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// numBuckets is one per log distance 1..256; bucket i holds distance i+1.
const numBuckets = 256

const never = time.Duration(math.MaxInt64)

// The liveness rules, see the package comment.
const (
	maxChecks   = 81              // credit stops growing here: five failures bring it to 0
	silentAfter = 3               // consecutive failures after which a node is no longer relayed
	failureGap  = 1 * time.Second // failures closer together are one loss
	slowGrowth  = 10              // longest pause between checks in units of RevalidateSlow

	// contestAfter is the time for which a node that has answered is believed to own its endpoint.
	contestAfter = 10 * time.Second
)

// Table is the node table. Its methods may be called by any number of goroutines at once.
type Table struct {
	buckets [numBuckets]bucket // first, so that each lies in a cache line of its own

	// Published by whoever holds the bucket's lock and read without it. It lies apart from the
	// buckets so that readers do not share cache lines with the locks.
	snapshots [numBuckets]atomic.Pointer[Snapshot]
	indexes   [numBuckets]atomic.Pointer[index]
	due       [numBuckets]atomic.Int64 // earliest check time of the bucket
	refreshed [numBuckets]atomic.Int64 // time of the last refresh plus one, 0 for never

	cfg Config // read by every call, never written
	_   [64]byte

	turnFrom [numBuckets]time.Duration // when a bucket may make its next exchange; under its lock

	limits       limiter
	bucketLimits [prefixquota.NumWidths]int
	lowest       atomic.Int32  // bucket below which all are empty and have always been
	cursor       atomic.Uint32 // bucket at which the next call of Due begins
	members      atomic.Int64
	liveMembers  atomic.Int64

	adds                                       [numAddResults]atomic.Uint64
	live, failed, removed, promoted, displaced atomic.Uint64
	turned                                     atomic.Uint64
}

// New returns an empty table. Unset fields of cfg get their defaults.
func New(cfg Config) *Table {
	t := &Table{cfg: cfg.withDefaults()}
	t.limits.init(t.cfg.TableLimits)
	t.bucketLimits = t.cfg.BucketLimits.Widths()
	t.lowest.Store(numBuckets)
	for i := range t.buckets {
		t.buckets[i].rng = t.cfg.Seed + uint64(i)<<32
		t.due[i].Store(int64(never))
	}
	return t
}

// change is one locked change of a bucket: what it did is published and told when it ends.
type change struct {
	t       *Table
	b       *bucket
	i       int // of the bucket
	now     time.Duration
	reindex bool // membership or a sequence number changed
	resnap  bool // something that a Snapshot shows changed
	events  events
}

// begin locks the bucket of id. ok is false for the local node, which has no bucket.
func (t *Table) begin(c *change, now time.Duration, id *enr.ID) (ok bool) {
	d := enr.LogDistance(t.cfg.Self, *id)
	if d == 0 {
		return false
	}
	c.t, c.i, c.b, c.now = t, d-1, &t.buckets[d-1], now
	c.b.mu.Lock()
	return true
}

// end publishes, unlocks and tells the listener.
func (c *change) end() {
	t := c.t
	if c.reindex {
		t.indexes[c.i].Store(newIndex(c.b))
		for low := t.lowest.Load(); low > int32(c.i) && !t.lowest.CompareAndSwap(low, int32(c.i)); low = t.lowest.Load() {
		}
	}
	if c.resnap {
		t.snapshots[c.i].Store(newSnapshot(c.b))
	}
	t.due[c.i].Store(int64(c.b.earliest()))
	c.b.mu.Unlock()
	t.emit(&c.events)
}
