package topic

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Sizes of a service table.
const (
	// NumBuckets is the number of buckets: for the log distances 256, 255, down to 239 and closer.
	// They serve a network of a million nodes.
	NumBuckets = 18

	maxDistance = 8 * Size
	maxFailures = 3    // in a row, until a node is excluded
	maxExcluded = 1024 // nodes that are remembered as excluded
)

// restAfterFailure is how long a node rests after a failure, times the failures in a row.
const restAfterFailure = 30 * time.Second

// Node is a node that may be asked, or a result. The record has been verified.
type Node struct {
	Record *enr.Record
	// Addr is where to contact the node.
	Addr netip.AddrPort
}

// Source says who has named some nodes, and what it was asked for. No Source says that the nodes
// come from the node table, where they are live.
type Source struct {
	ID enr.ID
	// Distances are those that the request named.
	Distances []uint
}

// bucketOf returns the bucket of a log distance. Bucket 0 is the farthest half of the network.
func bucketOf(distance int) int { return min(maxDistance-distance, NumBuckets-1) }

// phase is what an entry of a table is used for.
type phase uint8

const (
	idle    phase = iota
	asking        // a request is under way
	waiting       // for the time to present its ticket
	placed        // holds an ad
)

// entry is a node of a service table.
type entry struct {
	node   Node
	bucket uint8
	phase  phase
	live   bool // it has answered, or comes from the node table
	legacy bool // takes REGTOPIC in the order of the reference fork

	failures uint8         // in a row
	rest     time.Duration // not to be chosen before
	named    uint32        // bit i: it has named a node of bucket i
	asked    time.Duration // last, by a Search; 0 for never
	full     bool          // its last answer held as many ads as an answer does
	repeated bool          // asked a second time
	chain    *chain        // of an Advertiser; nil while idle
}

func (e *entry) id() enr.ID { return e.node.Record.ID() }

// Table is a service table (discv5-theory.md, Service Tables): capable nodes by their distance from
// a topic. It is soft state of one Advertiser or Search.
//
// A bucket takes one node of each network (an IPv4 /24, an IPv6 /64), private networks and loopback
// exempt. A node that names others fills one place in each bucket at most.
type Table struct {
	topic    Topic
	self     enr.ID
	most     int // entries of a bucket
	lifetime time.Duration
	buckets  [NumBuckets][]*entry
	excluded map[enr.ID]exclusion
}

// exclusion remembers a node that is not to come back for a while.
type exclusion struct {
	until time.Duration
	named uint32
}

func newTable(topic Topic, self enr.ID, most int, lifetime time.Duration) Table {
	return Table{topic: topic, self: self, most: most, lifetime: lifetime,
		excluded: make(map[enr.ID]exclusion)}
}

// Len returns the number of nodes in the table.
func (t *Table) Len() (n int) {
	for i := range t.buckets {
		n += len(t.buckets[i])
	}
	return n
}

// find returns the entry of a node, nil if there is none.
func (t *Table) find(id enr.ID) *entry {
	for _, e := range t.buckets[bucketOf(t.topic.Distance(id))] {
		if e.id() == id {
			return e
		}
	}
	return nil
}

// Sizes returns the number of nodes in each bucket.
func (t *Table) Sizes() (sizes [NumBuckets]int) {
	for i := range t.buckets {
		sizes[i] = len(t.buckets[i])
	}
	return sizes
}

// Add offers nodes to the table and returns how many it took. It refuses nodes without the
// capability entry, excluded ones, and from a source those at distances that were not asked for.
// A node that the table has is taken if its record is newer, and is not counted.
func (t *Table) Add(now time.Duration, from *Source, nodes ...Node) (taken int) {
	var inReply uint32 // bit i: this reply has named a node of bucket i
	var by *uint32
	if from != nil {
		if e := t.find(from.ID); e != nil {
			by = &e.named
		} else {
			by = new(uint32)
		}
	}
	for _, n := range nodes {
		if n.Record == nil || !n.Record.SupportsTopics() {
			continue
		}
		id := n.Record.ID()
		distance := t.topic.Distance(id)
		bucket := bucketOf(distance)
		if id == t.self || t.isExcluded(now, id) {
			continue
		}
		if from != nil {
			bit := uint32(1) << bucket
			if id == from.ID || !slices.Contains(from.Distances, uint(distance)) || inReply&bit != 0 {
				continue
			}
			inReply |= bit
		}
		if e := t.find(id); e != nil {
			if n.Record.Seq() > e.node.Record.Seq() {
				e.node = n
			}
			e.live = e.live || from == nil
			continue
		}
		if from != nil && *by&(1<<bucket) != 0 {
			continue
		}
		if t.insert(&entry{node: n, bucket: uint8(bucket), live: from == nil}) {
			taken++
			if from != nil {
				*by |= 1 << bucket
			}
		}
	}
	return taken
}

// insert adds an entry if its bucket has room and no node of its network. A live node takes the
// place of one that has not answered; any node takes that of one that was asked, longest ago.
func (t *Table) insert(e *entry) bool {
	list := t.buckets[e.bucket]
	network := networkOf(e.node.Addr.Addr())
	var victim *entry
	for _, o := range list {
		if !network.IsZero() && network == networkOf(o.node.Addr.Addr()) {
			return false
		}
		if o.phase != idle {
			continue
		}
		switch {
		case o.asked != 0 && (victim == nil || victim.asked == 0 || o.asked < victim.asked):
			victim = o
		case victim == nil && e.live && !o.live:
			victim = o
		}
	}
	if len(list) >= t.most {
		if victim == nil {
			return false
		}
		t.remove(victim)
	}
	t.buckets[e.bucket] = append(t.buckets[e.bucket], e)
	return true
}

// networkOf returns the network that a bucket takes one node of, the zero Prefix for none.
func networkOf(a netip.Addr) netaddr.Prefix {
	switch {
	case netaddr.ClassOf(a) != netaddr.Global:
		return netaddr.Prefix{}
	case netaddr.FamilyOf(a) == netaddr.IPv4:
		return netaddr.PrefixOf(a, netaddr.SiteBits4)
	}
	return netaddr.PrefixOf(a, netaddr.SubnetBits6)
}

func (t *Table) remove(e *entry) {
	list := t.buckets[e.bucket]
	i := slices.Index(list, e)
	list[i] = list[len(list)-1]
	list[len(list)-1] = nil
	t.buckets[e.bucket] = list[:len(list)-1]
}

// exclude takes a node out for a lifetime.
func (t *Table) exclude(now time.Duration, e *entry) {
	t.remove(e)
	if len(t.excluded) >= maxExcluded {
		var first enr.ID
		least := never
		for id, x := range t.excluded {
			if x.until < least || x.until == least && slices.Compare(id[:], first[:]) < 0 {
				first, least = id, x.until
			}
		}
		delete(t.excluded, first)
	}
	t.excluded[e.id()] = exclusion{now + t.lifetime, e.named}
}

func (t *Table) isExcluded(now time.Duration, id enr.ID) bool {
	x, ok := t.excluded[id]
	if ok && now >= x.until {
		delete(t.excluded, id)
		ok = false
	}
	return ok
}

// fail notes that a node has not answered. After the third failure in a row it is excluded; this
// says nothing about its place in the node table.
func (t *Table) fail(now time.Duration, e *entry) {
	e.failures++
	if e.failures >= maxFailures {
		t.exclude(now, e)
		return
	}
	e.rest = now + time.Duration(e.failures)*restAfterFailure
}

// answered notes that a node has answered.
func (t *Table) answered(e *entry) { e.failures, e.live = 0, true }

// pick returns a random entry of a bucket for which ok holds, nil if there is none.
func (t *Table) pick(bucket int, rnd *aead.Random, ok func(*entry) bool) (chosen *entry) {
	n := uint32(0)
	for _, e := range t.buckets[bucket] {
		if ok(e) {
			if n++; rnd.Uint32n(n) == 0 {
				chosen = e
			}
		}
	}
	return chosen
}

// appendDistances appends the log distances of buckets with fewer than most nodes for which counts
// holds, from bucket first on to closer ones and then the farther ones.
func (t *Table) appendDistances(dst []uint, first, most int, counts func(*entry) bool) []uint {
	for i := range NumBuckets {
		bucket := (first + i) % NumBuckets
		n := 0
		for _, e := range t.buckets[bucket] {
			if counts(e) {
				n++
			}
		}
		if n < most {
			dst = append(dst, uint(maxDistance-bucket))
		}
	}
	return dst
}
