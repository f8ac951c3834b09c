package table

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/enr"
)

// Closest appends to dst the n members closest to target, closest first, verified or not, and
// returns the result. It does not allocate when dst has room for n more, and looks into as few
// buckets as possible. It reads buckets one after another, so it may or may not see a concurrent
// change.
func (t *Table) Closest(target enr.ID, n int, dst []Node) []Node {
	return t.closest(&target, n, dst, false)
}

// ClosestLive is Closest among the live members.
func (t *Table) ClosestLive(target enr.ID, n int, dst []Node) []Node {
	return t.closest(&target, n, dst, true)
}

// closest visits the buckets in an order in which every node of one is closer to the target than
// every node of the next. So only the nodes within a bucket need sorting.
//
// A node of distance i from self agrees with self in the bits above bit i (counted from 1) and
// differs in bit i. Let x be self XOR target, and d its length. Bucket d differs from the target
// below bit d only, so it comes first. For i < d the distance to the target is at least bit d, and
// its bit i is that of x inverted: buckets where x has a 1 come next, from the top, then those
// where x has a 0, from the bottom. For i > d, bit i alone decides: from the bottom.
func (t *Table) closest(target *enr.ID, n int, dst []Node, onlyLive bool) []Node {
	d := enr.LogDistance(t.cfg.Self, *target)
	start := len(dst)
	if d > 0 {
		dst = t.take(target, d, start, n, dst, onlyLive)
	}
	for i := d - 1; i > 0 && len(dst)-start < n; i-- {
		if t.bit(target, i) {
			dst = t.take(target, i, start, n, dst, onlyLive)
		}
	}
	for i := 1; i < d && len(dst)-start < n; i++ {
		if !t.bit(target, i) {
			dst = t.take(target, i, start, n, dst, onlyLive)
		}
	}
	for i := d + 1; i <= numBuckets && len(dst)-start < n; i++ {
		dst = t.take(target, i, start, n, dst, onlyLive)
	}
	return dst
}

// bit returns bit i, 1..256 from the lowest, of self XOR target.
func (t *Table) bit(target *enr.ID, i int) bool {
	byt, mask := (numBuckets-i)/8, byte(1)<<((i-1)%8)
	return (t.cfg.Self[byt]^target[byt])&mask != 0
}

// rank is the position of a member in the order of distance: the first 8 bytes of its distance,
// which nearly always decide, and its index.
type rank struct {
	key uint64
	at  int
}

// take appends the members at one distance to dst, closest first, until n nodes follow start. It
// sorts ranks rather than nodes, which are larger.
func (t *Table) take(target *enr.ID, distance, start, n int, dst []Node, onlyLive bool) []Node {
	if t.indexes[distance-1].Load() == nil {
		return dst
	}
	high := binary.BigEndian.Uint64(target[:])
	b := &t.buckets[distance-1]
	b.mu.Lock()
	defer b.mu.Unlock()
	var ranks [MaxBucketSize]rank
	count := 0
	for i := range b.members {
		e := &b.members[i]
		if onlyLive && !e.live {
			continue
		}
		r := rank{binary.BigEndian.Uint64(e.node.ID[:]) ^ high, i}
		j := count
		for ; j > 0; j-- {
			q := &ranks[j-1]
			if q.key < r.key || q.key == r.key && enr.CompareDistance(*target, b.members[q.at].node.ID, e.node.ID) < 0 {
				break
			}
			ranks[j] = *q
		}
		ranks[j] = r
		count++
	}
	for i := range min(count, n-(len(dst)-start)) {
		dst = append(dst, b.members[ranks[i].at].node)
	}
	return dst
}
