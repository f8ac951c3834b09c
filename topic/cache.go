package topic

import (
	"math/bits"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// cache stores the ads. A slot holds one ad; it is on one list in the order of admission, which is
// that of expiry, as all ads live equally long. Three hash tables lead to a slot: by advertiser and
// topic, and by topic and place among the ads of that topic, and a third leads to a topic.
//
// An ad that has expired leaves the tree and its topic. Its slot stays in the list until the last
// ticket of the chain that led to its admission is void: such a ticket must not be worth a second
// term.
type cache struct {
	slots  slab[slot]
	topics slab[group]
	tree   ipTree

	byOwner index // of slots
	byPlace index // of slots with a live ad
	byTopic index // of topics

	freeSlot, freeTopic  uint32 // heads of the lists of free elements
	oldest, newest, live uint32 // the list: its ends, and the oldest ad that has not expired
	ads, groups          int    // ads that have not expired, and topics that have any

	seed uint64
}

// slot is an ad, or one that has expired.
type slot struct {
	id      enr.ID
	expires time.Duration
	seq     uint64
	prefix  uint64 // bits of the ipKey of the address that was proven at admission
	topic   uint32
	place   uint32 // among the ads of the topic; none if the ad has expired
	older   uint32 // neighbors in the list; older also links free slots
	newer   uint32
	size    uint16
	family  netaddr.Family // of the address that was proven
	class   netaddr.Class  // of the record: the most restricted of its addresses
	counted bool           // is the address in the tree?
	record  [enr.MaxSize]byte
}

func (s *slot) key() ipKey { return ipKey{s.prefix, s.family} }

func (s *slot) live() bool { return s.place != none }

func (s *slot) setRecord(r *enr.Record) {
	s.seq = r.Seq()
	s.size = uint16(copy(s.record[:], r.Bytes()))
}

// numClasses is the number of classes of addresses that can be relayed.
const numClasses = int(netaddr.Special)

// group is a topic that has slots. The places of its ads are sorted by class: ads that the
// registrar may show to anybody come first.
type group struct {
	topic Topic
	upTo  [numClasses]uint32 // upTo[c] ads are of class c or lower
	slots uint32             // ads and expired ones
	next  uint32             // links free groups
	bound time.Duration      // when the lower bound of the topic's component reaches zero
}

// size returns the number of ads.
func (g *group) size() uint32 { return g.upTo[numClasses-1] }

func newCache(capacity int, seed uint64) cache {
	return cache{
		slots: newSlab[slot](capacity), topics: newSlab[group](capacity), tree: newIPTree(capacity),
		byOwner: newIndex(capacity), byPlace: newIndex(capacity), byTopic: newIndex(capacity),
		freeSlot: none, freeTopic: none, oldest: none, newest: none, live: none, seed: seed,
	}
}

func (c *cache) hashOwner(id *enr.ID, topic *Topic) uint64 {
	var b [enr.IDSize + Size]byte
	copy(b[:], id[:])
	copy(b[enr.IDSize:], topic[:])
	return xxh3.HashSeed(b[:], c.seed)
}

func (c *cache) hashTopic(topic *Topic) uint64 { return xxh3.HashSeed(topic[:], c.seed) }

// hashPlace mixes numbers that peers have little influence on.
func (c *cache) hashPlace(topic, place uint32) uint64 {
	hi, lo := bits.Mul64(uint64(topic)<<32|uint64(place)^c.seed, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (c *cache) ownerHash(n uint32) uint64 {
	s := c.slots.at(n)
	return c.hashOwner(&s.id, &c.topics.at(s.topic).topic)
}
func (c *cache) placeHash(n uint32) uint64 {
	s := c.slots.at(n)
	return c.hashPlace(s.topic, s.place)
}
func (c *cache) topicHash(n uint32) uint64 { return c.hashTopic(&c.topics.at(n).topic) }

// findTopic returns the number of a topic, or none.
func (c *cache) findTopic(topic *Topic) uint32 {
	x := &c.byTopic
	for i := x.home(c.hashTopic(topic)); x.entries[i] != 0; i = x.after(i) {
		if n := x.entries[i] - 1; c.topics.at(n).topic == *topic {
			return n
		}
	}
	return none
}

// find returns the slot of an advertiser's ad for a topic, or none. The ad may have expired.
func (c *cache) find(id *enr.ID, topic *Topic) uint32 {
	return c.findHash(c.hashOwner(id, topic), id, topic)
}

// findHash is find for a caller that has the hash of advertiser and topic.
func (c *cache) findHash(hash uint64, id *enr.ID, topic *Topic) uint32 {
	x := &c.byOwner
	for i := x.home(hash); x.entries[i] != 0; i = x.after(i) {
		n := x.entries[i] - 1
		if s := c.slots.at(n); s.id == *id && c.topics.at(s.topic).topic == *topic {
			return n
		}
	}
	return none
}

// entry returns where the table of places has the ad at a place of a topic.
func (c *cache) entry(topic, place uint32) *uint32 {
	x := &c.byPlace
	i := x.home(c.hashPlace(topic, place))
	for ; ; i = x.after(i) {
		if s := c.slots.at(x.entries[i] - 1); s.topic == topic && s.place == place {
			return &x.entries[i]
		}
	}
}

// at returns the slot of the ad at a place of a topic. There must be one.
func (c *cache) at(topic, place uint32) *slot { return c.slots.at(*c.entry(topic, place) - 1) }

// swap exchanges two places of a topic.
func (c *cache) swap(topic, a, b uint32) {
	if a == b {
		return
	}
	x, y := c.entry(topic, a), c.entry(topic, b)
	c.slots.at(*x-1).place, c.slots.at(*y-1).place = b, a
	*x, *y = *y, *x
}
