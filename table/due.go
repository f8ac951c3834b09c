package table

import "time"

// Due appends to dst at most max nodes whose check time has come and returns the result: members,
// and the few replacements that are about to become one or that an address family has few of. The
// caller sends each a PING at Node.Addr and reports MarkLive or MarkFailed; until then, and for
// CheckTimeout at most, the node is not returned again. A node is due FirstCheckDelay after Add,
// then after RevalidateFast while in doubt, and after RevalidateSlow and more once it has
// answered.
//
// When many nodes are due at once, as after a suspended machine, calls take turns through the
// buckets: max is what bounds the burst. A call with nothing due takes no lock. Due does not
// allocate when dst has room for max more.
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

// NextDue returns the time from which Due has a node to return. With nothing to check that is the
// largest Duration.
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
