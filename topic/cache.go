package topic

import (
	"encoding/binary"
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
	slots   slab[slot]
	records slab[storedRecord] // of the slots, with the same numbers
	topics  slab[group]
	tree    ipTree

	byOwner index // of slots
	byPlace index // of slots with a live ad
	byTopic index // of topics

	freeSlot, freeTopic  uint32 // heads of the lists of free elements
	oldest, newest, live uint32 // the list: its ends, and the oldest ad that has not expired
	ads, groups          int    // ads that have not expired, and topics that have any

	seed uint64
}

// slot is an ad, or one that has expired, without its record. It has the size of a cache line:
// searching, expiring and taking places read no more of an ad than that.
type slot struct {
	id      enr.ID
	expires time.Duration
	prefix  uint64 // bits of the ipKey of the address that was proven at admission
	packed  uint32 // number of the topic, and what pack adds to it
	place   uint32 // among the ads of the topic; none if the ad has expired
	older   uint32 // neighbors in the list; older also links free slots
	newer   uint32
}

// Parts of slot.packed.
const (
	topicBits   = 24
	topicMask   = 1<<topicBits - 1 // the number of the topic
	familyBit   = 1 << 29          // IPv6, of the address that was proven
	countedBit  = 1 << 28          // the address is in the tree
	classOffset = topicBits        // of the record: the most restricted class of its addresses
	classMask   = 3
)

// pack sets what a slot says about an ad beside its times.
func (s *slot) pack(topic uint32, a *newAd) {
	s.packed = topic | uint32(a.class)<<classOffset
	if a.key.family == netaddr.IPv6 {
		s.packed |= familyBit
	}
	if a.counted {
		s.packed |= countedBit
	}
	s.prefix = a.key.bits
}

func (s *slot) topic() uint32        { return s.packed & topicMask }
func (s *slot) class() netaddr.Class { return netaddr.Class(s.packed >> classOffset & classMask) }
func (s *slot) counted() bool        { return s.packed&countedBit != 0 }
func (s *slot) key() ipKey           { return ipKey{s.prefix, s.family()} }
func (s *slot) live() bool           { return s.place != none }

func (s *slot) family() netaddr.Family {
	if s.packed&familyBit != 0 {
		return netaddr.IPv6
	}
	return netaddr.IPv4
}

// storedRecord is the record of an ad.
type storedRecord struct {
	size  uint16
	bytes [enr.MaxSize]byte
}

func (s *storedRecord) set(r *enr.Record) { s.size = uint16(copy(s.bytes[:], r.Bytes())) }

// get returns the encoded record. It is part of s.
func (s *storedRecord) get() []byte { return s.bytes[:s.size] }

// numClasses is the number of classes of addresses that can be relayed.
const numClasses = int(netaddr.Special)

// group is a topic that has slots. The places of its ads are sorted by class: ads that the
// registrar may show to anybody come first.
type group struct {
	topic Topic
	bound time.Duration      // when the lower bound of the topic's component reaches zero
	upTo  [numClasses]uint32 // upTo[c] ads are of class c or lower
	slots uint32             // ads and expired ones; links free groups
}

// size returns the number of ads.
func (g *group) size() uint32 { return g.upTo[numClasses-1] }

func newCache(capacity int, seed uint64) cache {
	return cache{
		slots: newSlab[slot](capacity), records: newSlab[storedRecord](capacity),
		topics: newSlab[group](capacity), tree: newIPTree(capacity),
		byOwner: newIndex(capacity), byPlace: newIndex(capacity), byTopic: newIndex(capacity),
		freeSlot: none, freeTopic: none, oldest: none, newest: none, live: none, seed: seed,
	}
}

// hashOwner hashes an advertiser with the number of a topic. Peers choose their IDs, but do not
// know the seed that each word is mixed with before it is multiplied.
func (c *cache) hashOwner(id *enr.ID, topic uint32) uint64 {
	const odd = 0x9e3779b97f4a7c15
	at := (c.seed + uint64(topic)) * odd
	h1, l1 := bits.Mul64(binary.LittleEndian.Uint64(id[:])^c.seed, binary.LittleEndian.Uint64(id[8:])^at)
	h2, l2 := bits.Mul64(binary.LittleEndian.Uint64(id[16:])^at, binary.LittleEndian.Uint64(id[24:])^^c.seed)
	hi, lo := bits.Mul64(h1^l1^at, h2^l2^odd)
	return hi ^ lo
}

func (c *cache) hashTopic(topic *Topic) uint64 { return xxh3.HashSeed(topic[:], c.seed) }

// hashPlace mixes numbers that peers have little influence on.
func (c *cache) hashPlace(topic, place uint32) uint64 {
	hi, lo := bits.Mul64(uint64(topic)<<32|uint64(place)^c.seed, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (c *cache) ownerHash(n uint32) uint64 {
	s := c.slots.at(n)
	return c.hashOwner(&s.id, s.topic())
}
func (c *cache) placeHash(n uint32) uint64 {
	s := c.slots.at(n)
	return c.hashPlace(s.topic(), s.place)
}
func (c *cache) topicHash(n uint32) uint64 { return c.hashTopic(&c.topics.at(n).topic) }

// findTopic returns the number of a topic, or none.
func (c *cache) findTopic(topic *Topic) uint32 {
	x, h := &c.byTopic, c.hashTopic(topic)
	n, i := x.next(h, x.home(h))
	for n != none && c.topics.at(n).topic != *topic {
		n, i = x.next(h, x.after(i))
	}
	return n
}

// find returns the slot of an advertiser's ad for the topic with a number, none if there is none.
// The ad may have expired.
func (c *cache) find(id *enr.ID, topic uint32) uint32 {
	if topic == none {
		return none
	}
	x, h := &c.byOwner, c.hashOwner(id, topic)
	n, i := x.next(h, x.home(h))
	for n != none {
		if s := c.slots.at(n); s.topic() == topic && s.id == *id {
			break
		}
		n, i = x.next(h, x.after(i))
	}
	return n
}

// at returns the number of the slot with the ad at a place of a topic, and where the table of
// places has it. There must be one.
func (c *cache) at(topic, place uint32) (n uint32, entry int) {
	x, h := &c.byPlace, c.hashPlace(topic, place)
	for n, entry = x.next(h, x.home(h)); ; n, entry = x.next(h, x.after(entry)) {
		if s := c.slots.at(n); s.place == place && s.topic() == topic {
			return n, entry
		}
	}
}

// swap exchanges two places of a topic.
func (c *cache) swap(topic, a, b uint32) {
	if a == b {
		return
	}
	n, x := c.at(topic, a)
	m, y := c.at(topic, b)
	c.slots.at(n).place, c.slots.at(m).place = b, a
	c.byPlace.replace(x, m)
	c.byPlace.replace(y, n)
}
