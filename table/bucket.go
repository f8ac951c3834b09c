package table

import (
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// entry is a node in a bucket, as member or as replacement.
type entry struct {
	node     Node
	prefix   prefix // what the address limits count, zero when exempt
	added    time.Duration
	lastSeen time.Duration
	lastFail time.Duration // of the last counted failure; meaningful while fails > 0
	due      time.Duration // next check; meaningful for members
	checks   uint16
	fails    uint16
	proven   Family
	live     bool
}

func newEntry(now time.Duration, n *Node, p prefix) entry {
	return entry{node: *n, prefix: p, added: now, lastSeen: now, due: now + FirstCheckDelay}
}

// relayable says whether the record may be named to anybody at all.
func (e *entry) relayable() bool { return e.live && e.proven != 0 && e.node.class() != Special }

// forget takes back every proof of liveness.
func (e *entry) forget() {
	e.checks, e.fails, e.proven, e.live = 0, 0, 0, false
}

// prove notes that the node has answered at addr. It reports whether that was news.
func (e *entry) prove(addr netip.AddrPort) bool {
	was := e.proven
	if addr == e.node.UDP4 {
		e.proven |= IPv4
	}
	if addr == e.node.UDP6 {
		e.proven |= IPv6
	}
	return e.proven != was
}

func (e *entry) state(member bool) State {
	return State{
		Member: member, Live: e.live, Proven: e.proven, Checks: int(e.checks), Fails: int(e.fails),
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

// countPrefix counts the entries of both lists that lie in p.
func (b *bucket) countPrefix(p prefix) (n int) {
	for i := range b.members {
		if b.members[i].prefix == p {
			n++
		}
	}
	for i := range b.waiting {
		if b.waiting[i].prefix == p {
			n++
		}
	}
	return n
}

// hasRoom says whether a node of the given direction can become a member.
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

// successor returns the index of the replacement that deserves the free place, or -1 when there is
// no place or nobody for it: live ones first, among equals the one heard of last.
func (b *bucket) successor(cfg *Config) int {
	best := -1
	for i := range b.waiting {
		e := &b.waiting[i]
		if !b.hasRoom(cfg, e.node.Inbound) {
			continue
		}
		if best < 0 || e.better(&b.waiting[best]) {
			best = i
		}
	}
	return best
}

// displaced returns the index of the replacement that the next one pushes out: the opposite of
// successor. A flood of strangers so costs the cache one live node at most, since every stranger
// pushes out the one before.
func (b *bucket) displaced() int {
	worst := 0
	for i := range b.waiting {
		if b.waiting[worst].better(&b.waiting[i]) {
			worst = i
		}
	}
	return worst
}

func (e *entry) better(other *entry) bool {
	if e.live != other.live {
		return e.live
	}
	return e.lastSeen > other.lastSeen
}

// earliest returns the first check time of the members, or never.
func (b *bucket) earliest() time.Duration {
	first := never
	for i := range b.members {
		first = min(first, b.members[i].due)
	}
	return first
}

// jitter returns d changed by up to a quarter either way, so that nodes that were added together
// are not checked together for ever. The generator is splitmix64.
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

// push appends e to list, which grows to size entries and no further. Lists start small: most buckets that are used at all stay far
// from full, and an entry takes four cache lines.
func push(list []entry, e *entry, size int) []entry {
	if len(list) == cap(list) {
		grown := make([]entry, len(list), min(max(2*len(list), 4), max(size, len(list)+1)))
		copy(grown, list)
		list = grown
	}
	return append(list, *e)
}

// cut removes list[i], keeps the order and lets go of the record in the freed place.
func cut(list []entry, i int) []entry {
	copy(list[i:], list[i+1:])
	list[len(list)-1] = entry{}
	return list[:len(list)-1]
}
