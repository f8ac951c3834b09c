package table

import (
	"time"

	"github.com/fastdisc/discv5/enr"
)

// minRefreshDistance is the nearest bucket that is refreshed by a random target. In a network of n
// nodes the buckets below 256 - log2(n) are empty; a lookup for the local node's own ID fills
// those that are not.
const minRefreshDistance = 240

// RefreshTarget returns a target for a lookup that refreshes the bucket whose last refresh is the
// longest ago (discv5-theory.md, Table Maintenance In Practice), the farthest bucket first among
// equals. ok is false when every bucket has been refreshed within RefreshInterval. The ID is made
// of the 32 random bytes; it need not be unpredictable. The caller starts a lookup and calls
// MarkRefreshed.
func (t *Table) RefreshTarget(now time.Duration, random [32]byte) (target enr.ID, ok bool) {
	distance, oldest := 0, int64(never)
	for d := numBuckets; d >= minRefreshDistance; d-- {
		if at := t.refreshed[d-1].Load(); at < oldest {
			distance, oldest = d, at
		}
	}
	if oldest > 0 && now-time.Duration(oldest-1) < t.cfg.RefreshInterval {
		return enr.ID{}, false
	}
	return t.atDistance(distance, random), true
}

// MarkRefreshed notes that a lookup for target has been started or has ended.
func (t *Table) MarkRefreshed(now time.Duration, target enr.ID) {
	if d := enr.LogDistance(t.cfg.Self, target); d > 0 {
		t.refreshed[d-1].Store(int64(now) + 1)
	}
}

// atDistance gives id the log distance d, 1..256, from self: the bits above bit d are those of
// self, bit d is the other one, the bits below stay.
func (t *Table) atDistance(d int, id enr.ID) enr.ID {
	byt, mask := (numBuckets-d)/8, byte(1)<<((d-1)%8)
	copy(id[:byt], t.cfg.Self[:byt])
	above := ^(mask<<1 - 1)
	id[byt] = t.cfg.Self[byt]&above | ^t.cfg.Self[byt]&mask | id[byt]&(mask-1)
	return id
}
