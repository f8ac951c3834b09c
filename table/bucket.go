package table

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// entry is a node in a bucket, a member or a replacement.
type entry struct {
	node     Node
	prefixes prefixquota.Prefixes
	added    time.Duration
	lastSeen time.Duration
	lastFail time.Duration // of the last counted failure; meaningful while fails > 0
	proved   time.Duration // when it answered at Addr last; meaningful while checks > 0
	due      time.Duration // next check; never for a replacement that is not a candidate
	checks   uint16
	fails    uint16
	stated   FamilySet // in which the record states an endpoint that counts
	proven   FamilySet // in which that endpoint has answered
	class    AddrClass // the most restricted one among all endpoints of the node
	topics   bool      // the node is a registrar of topics
	standing standing
	live     bool
	// contested says that another node has proved to own the endpoint since.
	contested bool
	trusted   bool // see Config.Trusted; its standing is uncounted
	// minority marks a replacement of an address family with few members in the bucket. It is
	// checked like a member, and relayed to requesters of that family.
	minority FamilySet
}

func newEntry(now time.Duration, n *Node, lowPorts bool) entry {
	e := entry{
		node: *n, prefixes: prefixquota.PrefixesOf(n.Addr.Addr()), added: now, lastSeen: now, due: now + FirstCheckDelay,
		proved: -contestAfter,
	}
	e.describe(lowPorts)
	return e
}

// describe sets the fields that follow from the record and the address of the node.
func (e *entry) describe(lowPorts bool) {
	e.stated, e.class = e.node.stated(lowPorts), Class(e.node.Addr.Addr())
	e.topics = e.node.Record.SupportsTopics()
	for f := range Family(netaddr.NumFamilies) {
		if a := e.endpoint(f); a.IsValid() {
			e.class = max(e.class, Class(a.Addr()))
		}
	}
}

// endpoint returns the endpoint that the record states in a family, if it counts.
func (e *entry) endpoint(f Family) (a netip.AddrPort) {
	if e.stated.Has(f) {
		a, _ = endpointOf(e.node.Record, f)
	}
	return a
}

// setRecord replaces the record. An endpoint that differs from the one before is not proven.
func (e *entry) setRecord(r *enr.Record, lowPorts bool) {
	before := [netaddr.NumFamilies]netip.AddrPort{e.endpoint(IPv4), e.endpoint(IPv6)}
	e.node.Record = r
	e.describe(lowPorts)
	for f := range Family(netaddr.NumFamilies) {
		if e.endpoint(f) != before[f] {
			e.proven &^= f.Set()
		}
	}
}

// at says whether addr is one of the node's endpoints.
func (e *entry) at(addr netip.AddrPort) bool {
	return addr == e.node.Addr || addr == e.endpoint(IPv4) || addr == e.endpoint(IPv6)
}

// relayable reports whether the record may be relayed to anybody.
func (e *entry) relayable() bool { return e.live && e.proven != 0 && e.class != Special }

// forget resets every proof of liveness.
func (e *entry) forget() {
	e.checks, e.fails, e.proven, e.live, e.proved = 0, 0, 0, false, -contestAfter
}

// prove notes that the node has answered at addr. It reports whether that was new.
func (e *entry) prove(addr netip.AddrPort) bool {
	was := e.proven
	for f := range Family(netaddr.NumFamilies) {
		if addr == e.endpoint(f) {
			e.proven |= f.Set()
		}
	}
	return e.proven != was
}

func (e *entry) state(member bool) State {
	return State{
		Member: member, Live: e.live, Stated: e.stated, Proven: e.proven, Checks: int(e.checks), Fails: int(e.fails),
		Added: e.added, LastSeen: e.lastSeen, NextCheck: e.due,
	}
}

// bucket holds the nodes of one log distance. It fills one cache line, so that the locks of two
// buckets never share one.
type bucket struct {
	mu      sync.Mutex
	members []entry
	waiting []entry // the replacement cache
	rng     uint64
}

// find returns the entry of id, valid until either list changes, or nil.
func (b *bucket) find(id *enr.ID) (e *entry, member bool) {
	for i := range b.members {
		if b.members[i].node.ID == *id {
			return &b.members[i], true
		}
	}
	for i := range b.waiting {
		if b.waiting[i].node.ID == *id {
			return &b.waiting[i], false
		}
	}
	return nil, false
}

// all iterates over members and replacements.
func (b *bucket) all() iter.Seq2[*entry, bool] {
	return func(yield func(*entry, bool) bool) {
		for i := range b.members {
			if !yield(&b.members[i], true) {
				return
			}
		}
		for i := range b.waiting {
			if !yield(&b.waiting[i], false) {
				return
			}
		}
	}
}

// hasRoom reports whether a node of the given direction can become a member.
func (b *bucket) hasRoom(cfg *Config, inbound bool) bool {
	if len(b.members) >= cfg.BucketSize {
		return false
	}
	if !inbound || cfg.InboundLimit >= cfg.BucketSize {
		return true
	}
	n := 0
	for i := range b.members {
		if b.members[i].node.Inbound {
			n++
		}
	}
	return n < cfg.InboundLimit
}

// successors returns the indexes of the replacements that may take a free slot, the best first:
// live ones first, then those whose prefixes use their limits least, then the one seen last. It is
// empty when there is no slot.
func (b *bucket) successors(t *Table) []int {
	if len(b.waiting) == 0 || len(b.members) >= t.cfg.BucketSize {
		return nil
	}
	type ranked struct {
		i    int
		load prefixquota.Load
	}
	var room [MaxBucketSize]ranked
	list := room[:0]
	t.limits.mu.Lock()
	l := &t.limits.quota[proven]
	for i := range b.waiting {
		e := &b.waiting[i]
		if b.hasRoom(&t.cfg, e.node.Inbound) {
			list = append(list, ranked{i, l.LoadOf(&e.prefixes, 1)})
		}
	}
	t.limits.mu.Unlock()
	slices.SortStableFunc(list, func(x, y ranked) int {
		e, o := &b.waiting[x.i], &b.waiting[y.i]
		switch {
		case e.live != o.live:
			return order(e.live)
		case x.load != y.load:
			return cmp.Compare(x.load, y.load)
		}
		return cmp.Compare(o.lastSeen, e.lastSeen)
	})
	indexes := make([]int, len(list))
	for i := range list {
		indexes[i] = list[i].i
	}
	return indexes
}

// order returns the comparison result that sorts first before others.
func order(first bool) int {
	if first {
		return -1
	}
	return 1
}

// earliest returns the first check time of the bucket, or never.
func (b *bucket) earliest() time.Duration {
	first := never
	for i := range b.members {
		first = min(first, b.members[i].due)
	}
	for i := range b.waiting {
		first = min(first, b.waiting[i].due)
	}
	return first
}

// jitter returns d changed by up to a quarter either way, so that nodes that were added together
// are not always checked together. The generator is splitmix64.
func (b *bucket) jitter(d time.Duration) time.Duration {
	b.rng += 0x9e3779b97f4a7c15
	x := b.rng
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	if half := uint64(d) / 2; half > 0 {
		return d - d/4 + time.Duration(x%half)
	}
	return d
}

// push appends e to list, which grows up to size entries. Lists start small: most buckets stay far
// from full, and an entry takes several cache lines.
func push(list []entry, e *entry, size int) []entry {
	if len(list) == cap(list) {
		grown := make([]entry, len(list), min(max(2*len(list), 4), max(size, len(list)+1)))
		copy(grown, list)
		list = grown
	}
	return append(list, *e)
}

// cut removes list[i], keeps the order, and clears the freed entry to release its record.
func cut(list []entry, i int) []entry {
	copy(list[i:], list[i+1:])
	list[len(list)-1] = entry{}
	return list[:len(list)-1]
}
