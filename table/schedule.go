package table

import (
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Due appends to dst at most max nodes whose check time has come and returns the result: members,
// and the few replacements that are about to become one or whose address family has few members.
// The caller sends each a PING at Node.Addr and reports MarkLive or MarkFailed. Until then, and for
// CheckTimeout at most, Due does not return the node once more. A node is due FirstCheckDelay after
// Add, then after RevalidateFast while in doubt, and after RevalidateSlow and more once it has
// answered.
//
// When many nodes are due, as after a suspend, calls take turns through the buckets, so max bounds
// the burst. A call with nothing due takes no lock. Due does not allocate when dst has room for max
// more.
func (t *Table) Due(now time.Duration, dst []Node, max int) []Node {
	start, low := t.cursor.Load(), uint32(t.lowest.Load())
	for k := range uint32(numBuckets) {
		i := (start + k) % numBuckets
		if i < low || t.due[i].Load() > int64(now) {
			continue
		}
		before := len(dst)
		var full bool
		dst, full = t.dueIn(int(i), now, dst, max)
		max -= len(dst) - before
		if full {
			t.cursor.Store(i)
			break
		}
	}
	return dst
}

// NextDue returns the time from which Due has a node to return, the largest Duration if there is
// nothing to check.
func (t *Table) NextDue() time.Duration {
	first := int64(never)
	for i := int(t.lowest.Load()); i < numBuckets; i++ {
		first = min(first, t.due[i].Load())
	}
	return time.Duration(first)
}

// dueIn does the work of Due for one bucket. full says that more was due than max.
func (t *Table) dueIn(i int, now time.Duration, dst []Node, max int) (_ []Node, full bool) {
	b := &t.buckets[i]
	b.mu.Lock()
	defer b.mu.Unlock()
	c := change{t: t, b: b, i: i, now: now}
	c.schedule()
	for _, list := range [2][]entry{b.members, b.waiting} {
		for j := range list {
			e := &list[j]
			if e.due > now {
				continue
			}
			if max <= 0 {
				full = true
				break
			}
			max--
			dst = append(dst, e.node)
			e.due = now + CheckTimeout
		}
	}
	t.due[i].Store(int64(b.earliest()))
	return dst, full
}

// minRefreshDistance is the nearest bucket that is refreshed with a random target. In a network of
// n nodes the buckets below 256 - log2(n) are empty. A lookup for the local node's own ID fills the
// others.
const minRefreshDistance = 240

// RefreshTarget returns a target for a lookup that refreshes the bucket with the oldest refresh
// (discv5-theory.md, Table Maintenance In Practice), the farthest bucket first among equals. ok is
// false when every bucket has been refreshed within BucketRefresh. The ID is made of the 32
// random bytes and need not be unpredictable. The caller starts a lookup and calls MarkRefreshed.
func (t *Table) RefreshTarget(now time.Duration, random [32]byte) (target enr.ID, ok bool) {
	distance, oldest := 0, int64(never)
	for d := numBuckets; d >= minRefreshDistance; d-- {
		if at := t.refreshed[d-1].Load(); at < oldest {
			distance, oldest = d, at
		}
	}
	if oldest > 0 && now-time.Duration(oldest-1) < t.cfg.BucketRefresh {
		return enr.ID{}, false
	}
	return t.atDistance(distance, random), true
}

// MarkRefreshed notes that a lookup for target has started or ended.
func (t *Table) MarkRefreshed(now time.Duration, target enr.ID) {
	if d := enr.LogDistance(t.cfg.Self, target); d > 0 {
		t.refreshed[d-1].Store(int64(now) + 1)
	}
}

// atDistance gives id the log distance d, 1..256, from self: the bits above bit d are those of
// self, bit d is inverted, and the bits below stay.
func (t *Table) atDistance(d int, id enr.ID) enr.ID {
	byt, mask := (numBuckets-d)/8, byte(1)<<((d-1)%8)
	copy(id[:byt], t.cfg.Self[:byt])
	above := ^(mask<<1 - 1)
	id[byt] = t.cfg.Self[byt]&above | ^t.cfg.Self[byt]&mask | id[byt]&(mask-1)
	return id
}
