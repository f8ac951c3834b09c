package table

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// numBuckets is one per log distance 1..256. Bucket i holds distance i+1.
const numBuckets = 256

const never = time.Duration(math.MaxInt64)

// The liveness rules, see the package comment.
const (
	maxChecks   = 81              // largest credit: five failures bring it to 0
	silentAfter = 3               // consecutive failures after which a node is no longer relayed
	failureGap  = 1 * time.Second // failures closer together are one loss
	slowGrowth  = 10              // longest pause between checks in units of RevalidateSlow

	// contestAfter is the time for which a node that has answered is assumed to own its endpoint.
	contestAfter = 10 * time.Second
)

// Table is the node table. It is safe for concurrent use.
type Table struct {
	buckets [numBuckets]bucket // first, so that each lies in a cache line of its own

	// Written under the lock of the bucket and read without it. These lie apart from the buckets so
	// that readers do not share cache lines with the locks.
	snapshots [numBuckets]atomic.Pointer[Snapshot]
	indexes   [numBuckets]atomic.Pointer[index]
	due       [numBuckets]atomic.Int64 // earliest check time of the bucket
	refreshed [numBuckets]atomic.Int64 // time of the last refresh plus one, 0 for never

	cfg Config // read by every call, never written
	_   [64]byte

	// earliest time of the next exchange; under the lock of the bucket
	turnFrom [numBuckets]time.Duration

	limits       limiter
	bucketLimits [prefixquota.NumWidths]int
	lowest       atomic.Int32  // all buckets below have always been empty
	cursor       atomic.Uint32 // bucket at which the next Due starts
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

// change is one change of a bucket under its lock. end publishes it and emits its events.
type change struct {
	t       *Table
	b       *bucket
	i       int // of the bucket
	now     time.Duration
	reindex bool // membership or a sequence number changed
	resnap  bool // the content of the Snapshot changed
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

// end publishes the change, unlocks the bucket and emits the events.
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
