package table

import (
	"iter"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// BucketInfo describes one bucket.
type BucketInfo struct {
	// Distance is the log distance of its nodes, 1..256.
	Distance int
	// Len and Live count members and live members, Replacements those that wait for a slot.
	Len, Live, Replacements int
	// Refreshed is the time of the last lookup through the bucket, -1 for never.
	Refreshed time.Duration
}

// Get returns a node, member or replacement, and its state. It does not allocate.
func (t *Table) Get(id enr.ID) (n Node, s State, ok bool) {
	d := enr.LogDistance(t.cfg.Self, id)
	if d == 0 || t.indexes[d-1].Load() == nil {
		return n, s, false
	}
	b := &t.buckets[d-1]
	b.mu.Lock()
	defer b.mu.Unlock()
	e, member := b.find(&id)
	if e == nil {
		return n, s, false
	}
	return e.node, e.state(member), true
}

// Seq returns the sequence number of the record of a member or replacement, which a WHOAREYOU
// carries as enr-seq. It takes no lock and does not allocate.
func (t *Table) Seq(id enr.ID) (seq uint64, ok bool) {
	d := enr.LogDistance(t.cfg.Self, id)
	if d == 0 {
		return 0, false
	}
	x := t.indexes[d-1].Load()
	if x == nil {
		return 0, false
	}
	for i := range x.ids {
		if x.ids[i] == id {
			return x.seqs[i], true
		}
	}
	return 0, false
}

// Relay returns the records at a log distance that may be relayed (discv5-wire.md, FINDNODE
// Request), nil when there are none or distance is not in 1..256. It takes no lock and does not
// allocate.
func (t *Table) Relay(distance int) *Snapshot {
	if distance < 1 || distance > numBuckets {
		return nil
	}
	return t.snapshots[distance-1].Load()
}

// Crowding returns how far the prefixes of addr use the limits of the table, with one more node
// there. Lower values mean that a node there adds more diversity. The result is only good for
// comparison.
func (t *Table) Crowding(addr netip.Addr) int64 { return int64(t.limits.load(addr, 1)) }

// Len returns the number of members of all buckets.
func (t *Table) Len() int { return int(t.members.Load()) }

// LiveLen returns the number of live members.
func (t *Table) LiveLen() int { return int(t.liveMembers.Load()) }

// BucketInfo describes the bucket of a log distance. Outside 1..256 all fields but Distance are
// zero.
func (t *Table) BucketInfo(distance int) BucketInfo {
	info := BucketInfo{Distance: distance}
	if distance < 1 || distance > numBuckets {
		return info
	}
	info.Refreshed = time.Duration(t.refreshed[distance-1].Load() - 1)
	b := &t.buckets[distance-1]
	b.mu.Lock()
	defer b.mu.Unlock()
	info.Len, info.Replacements = len(b.members), len(b.waiting)
	for i := range b.members {
		if b.members[i].live {
			info.Live++
		}
	}
	return info
}

// All iterates over all nodes, farthest bucket first, members before replacements (State.Member
// tells them apart). It copies each bucket first, so the loop body runs without a lock and may
// change the table.
func (t *Table) All() iter.Seq2[Node, State] {
	return func(yield func(Node, State) bool) {
		var copied []entry
		for i := numBuckets - 1; i >= 0; i-- {
			if t.indexes[i].Load() == nil {
				continue
			}
			b := &t.buckets[i]
			b.mu.Lock()
			members := len(b.members)
			copied = append(append(copied[:0], b.members...), b.waiting...)
			b.mu.Unlock()
			for j := range copied {
				if !yield(copied[j].node, copied[j].state(j < members)) {
					return
				}
			}
		}
	}
}
