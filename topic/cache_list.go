package topic

import (
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// newAd is what insert stores.
type newAd struct {
	id      *enr.ID
	topic   *Topic
	record  *enr.Record
	key     ipKey
	class   netaddr.Class
	counted bool
	expires time.Duration

	old   uint32 // slot of an expired ad of the same advertiser and topic, none without one
	group uint32 // number of the topic, none if the cache has none
}

// insert stores an ad. There must be fewer ads than slots, and no live ad of the same advertiser
// and topic. An expired one is replaced. Ads must be inserted in the order of their expiry.
func (c *cache) insert(a *newAd) {
	g := a.group
	if g != none {
		c.topics.at(g).slots++ // before a slot is released that may be its last
	}
	if a.old != none {
		c.release(a.old)
	}
	n := c.takeSlot()
	if g == none {
		g = c.takeTopic(a.topic)
		c.topics.at(g).slots++
	}
	s := c.slots.at(n)
	s.id, s.expires = *a.id, a.expires
	s.pack(g, a)
	c.records.at(n).set(a.record)
	c.link(n)
	c.byOwner.insert(n, c.hashOwner(a.id, g), c.ownerHash)
	c.enter(n)
	if s.counted() {
		c.tree.add(s.key())
	}
	c.ads++
}

// takeSlot returns an unused slot. If all are in use, the one that expired first is given up.
func (c *cache) takeSlot() uint32 {
	if c.freeSlot == none {
		if n, ok := c.slots.next(); ok {
			_, _ = c.records.next() // its record has the same number
			return n
		}
		c.release(c.oldest)
	}
	n := c.freeSlot
	c.freeSlot = c.slots.at(n).older
	return n
}

// takeTopic adds a topic that the cache does not have, and returns its number.
func (c *cache) takeTopic(topic *Topic) uint32 {
	n := c.freeTopic
	if n != none {
		c.freeTopic = c.topics.at(n).slots
	} else {
		n, _ = c.topics.next()
	}
	*c.topics.at(n) = group{topic: *topic}
	c.byTopic.insert(n, c.hashTopic(topic), c.topicHash)
	return n
}

// link appends a slot to the list.
func (c *cache) link(n uint32) {
	s := c.slots.at(n)
	s.older, s.newer = c.newest, none
	if c.newest != none {
		c.slots.at(c.newest).newer = n
	} else {
		c.oldest = n
	}
	c.newest = n
	if c.live == none {
		c.live = n
	}
}

func (c *cache) unlink(n uint32) {
	s := c.slots.at(n)
	if s.older != none {
		c.slots.at(s.older).newer = s.newer
	} else {
		c.oldest = s.newer
	}
	if s.newer != none {
		c.slots.at(s.newer).older = s.older
	} else {
		c.newest = s.older
	}
	if c.live == n {
		c.live = s.newer
	}
}

// enter gives an ad a place among those of its topic: behind the others of its class. Each class
// behind that makes room: its first ad becomes its last.
func (c *cache) enter(n uint32) {
	s := c.slots.at(n)
	topic, own := s.topic(), int(s.class())
	g := c.topics.at(topic)
	if g.size() == 0 {
		c.groups++
		g.bound = 0
	}
	place := g.size()
	s.place = place
	c.byPlace.insert(n, c.hashPlace(topic, place), c.placeHash)
	for class := numClasses - 1; class > own; class-- {
		first := g.upTo[class-1]
		c.swap(topic, place, first)
		place = first
		g.upTo[class]++
	}
	g.upTo[own]++
}

// leave takes an ad's place from it.
func (c *cache) leave(n uint32) {
	s := c.slots.at(n)
	topic := s.topic()
	g := c.topics.at(topic)
	for class := int(s.class()); class < numClasses; class++ {
		g.upTo[class]--
		c.swap(topic, s.place, g.upTo[class])
	}
	c.byPlace.delete(c.byPlace.find(n, c.placeHash(n)), c.placeHash)
	s.place = none
	if g.size() == 0 {
		c.groups--
	}
}

// retire ends an ad: nothing but its slot remains, which remembers when it was admitted.
func (c *cache) retire(n uint32) {
	s := c.slots.at(n)
	c.leave(n)
	if s.counted() {
		c.tree.remove(s.key())
	}
	c.ads--
}

// release frees a slot, whose ad has expired or is ended by this.
func (c *cache) release(n uint32) {
	s := c.slots.at(n)
	if s.live() {
		c.retire(n)
	}
	c.unlink(n)
	c.byOwner.delete(c.byOwner.find(n, c.ownerHash(n)), c.ownerHash)
	topic := s.topic()
	s.older, c.freeSlot = c.freeSlot, n
	g := c.topics.at(topic)
	if g.slots--; g.slots == 0 {
		c.byTopic.delete(c.byTopic.find(topic, c.hashTopic(&g.topic)), c.topicHash)
		g.slots, c.freeTopic = c.freeTopic, topic
	}
}

// expire ends the ads that have expired and frees the slots of those that did so before void. It
// calls gone for each ad that ends, unless gone is nil.
func (c *cache) expire(now, void time.Duration, gone func(*slot)) (ended int) {
	for ; c.live != none; ended++ {
		s := c.slots.at(c.live)
		if s.expires > now {
			break
		}
		n := c.live
		c.live = s.newer
		c.retire(n)
		if gone != nil {
			gone(s)
		}
	}
	for c.oldest != none && c.oldest != c.live {
		if c.slots.at(c.oldest).expires >= void {
			break
		}
		c.release(c.oldest)
	}
	return ended
}
