package topic

import (
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// MaxSample is the most ads that Sample returns.
const MaxSample = 16

// Ad is a copy of an advertisement.
type Ad struct {
	Topic   Topic
	ID      enr.ID
	Expires time.Duration

	size   uint16
	family netaddr.Family
	record [enr.MaxSize]byte
}

// Record returns the encoded record, which was verified. It is part of the Ad.
func (a *Ad) Record() []byte { return a.record[:a.size] }

// Addr returns the address in the record, of the family in which the advertiser has proven it.
func (a *Ad) Addr() (addr netip.Addr, ok bool) {
	v, err := enr.ParseView(a.Record())
	if err != nil {
		return addr, false
	}
	if a.family == netaddr.IPv4 {
		return v.IP4()
	}
	return v.IP6()
}

// copyAd copies the ad in slot n.
func (c *cache) copyAd(n uint32, a *Ad) {
	s, r := c.slots.at(n), c.records.at(n)
	a.Topic, a.ID, a.Expires = c.topics.at(s.topic()).topic, s.id, s.expires
	a.family, a.size = s.family(), r.size
	copy(a.record[:r.size], r.bytes[:r.size])
}

// Query asks for ads, TOPICQUERY.
type Query struct {
	Topic Topic
	// ID is the node ID of the peer that asks. Its own ad is not returned.
	ID enr.ID
	// Source is where the request came from. Ads that may not be relayed there are not returned.
	Source netip.Addr
}

// Sample appends to dst a uniform random sample of the topic's ads, most of them at most, and
// MaxSample in all (discv5-theory.md, Lookup Responses). most of 0 stands for DefaultReturn. It
// allocates nothing if dst has room. rnd belongs to the caller's goroutine.
func (r *Registrar) Sample(now time.Duration, q *Query, rnd *aead.Random, most int, dst []Ad) []Ad {
	r.mu.Lock()
	defer r.mu.Unlock()
	var chosen [MaxSample]uint32
	for _, slot := range r.draw(now, q, rnd, most, &chosen) {
		dst = slices.Grow(dst, 1)[:len(dst)+1]
		r.cache.copyAd(slot, &dst[len(dst)-1])
	}
	return dst
}

// SampleRecords is Sample for callers that need only the encoded records. It copies them into buf,
// and appends them to dst. It allocates nothing if dst has room and buf has MaxSample*enr.MaxSize
// bytes.
func (r *Registrar) SampleRecords(now time.Duration, q *Query, rnd *aead.Random, most int, dst [][]byte, buf []byte) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var chosen [MaxSample]uint32
	buf = buf[:0]
	for _, slot := range r.draw(now, q, rnd, most, &chosen) {
		record, start := r.cache.records.at(slot), len(buf)
		buf = append(buf, record.bytes[:record.size]...)
		dst = append(dst, buf[start:len(buf):len(buf)])
	}
	return dst
}

// draw writes the slots of a sample to chosen, and returns as many of them as there are. The caller
// holds the lock.
func (r *Registrar) draw(now time.Duration, q *Query, rnd *aead.Random, most int, chosen *[MaxSample]uint32) []uint32 {
	if most <= 0 {
		most = DefaultReturn
	}
	most = min(most, MaxSample)
	r.advance(now)
	class := netaddr.ClassOf(q.Source)
	group := r.cache.findTopic(&q.Topic)
	r.stats.Queries++
	if group == none || class == netaddr.Special {
		return nil
	}
	// The ads that may be relayed have the first n places. The own one is skipped.
	n := r.cache.topics.at(group).upTo[class]
	own := none
	if slot := r.cache.find(&q.ID, group); slot != none {
		if own = r.cache.slots.at(slot).place; own < n {
			n--
		}
	}
	count := min(uint32(most), n)
	r.stats.Returned += uint64(count)
	choose(rnd, n, count, chosen)
	for i, place := range chosen[:count] {
		if place >= own {
			place++
		}
		// All entries are found before the first ad is read, so that the processor waits for their
		// memory once.
		chosen[i], _ = r.cache.at(group, place)
	}
	return chosen[:count]
}

// choose writes count different numbers below n to chosen, each set of them as likely as any other
// (Floyd's algorithm), and returns count. One seed serves for all numbers: nobody can foresee them,
// and the next sample has another seed.
func choose(rnd *aead.Random, n, count uint32, chosen *[MaxSample]uint32) uint32 {
	if count == 0 {
		return 0
	}
	seed := rnd.Uint64()
	var taken uint64 // bit x%64 for each number x: most numbers need not be searched for
	for i := range count {
		last := n - count + i
		pick, _ := bits.Mul64(splitMix(&seed), uint64(last)+1)
		number := uint32(pick)
		if taken>>(number%64)&1 != 0 && slices.Contains(chosen[:i], number) {
			number = last
		}
		taken |= 1 << (number % 64)
		chosen[i] = number
	}
	return count
}

// splitMix returns the next number of the generator SplitMix64.
func splitMix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Ads appends to dst copies of the ads of a topic, at most most, in no particular order.
func (r *Registrar) Ads(now time.Duration, topic Topic, most int, dst []Ad) []Ad {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	group := r.cache.findTopic(&topic)
	if group == none {
		return dst
	}
	for place := range min(r.cache.topics.at(group).size(), uint32(max(most, 0))) {
		dst = slices.Grow(dst, 1)[:len(dst)+1]
		slot, _ := r.cache.at(group, place)
		r.cache.copyAd(slot, &dst[len(dst)-1])
	}
	return dst
}

// All calls f with each ad, oldest first, until f returns false. The Ad is f's only until it
// returns. f must not call the registrar, which is locked. It is for inspection.
func (r *Registrar) All(now time.Duration, f func(*Ad) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	var a Ad
	for n := r.cache.live; n != none; {
		r.cache.copyAd(n, &a)
		if n = r.cache.slots.at(n).newer; !f(&a) {
			return
		}
	}
}

// Remove ends the ads that match returns true for, and returns how many those were. The Ad is the
// function's only until it returns; it must not call the registrar. Use it when nodes are banned.
// It takes time in proportion to the number of ads.
func (r *Registrar) Remove(match func(*Ad) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var a Ad
	removed := 0
	for n := r.cache.live; n != none; {
		older := n
		n = r.cache.slots.at(n).newer
		if r.cache.copyAd(older, &a); match(&a) {
			r.cache.release(older)
			removed++
		}
	}
	r.stats.Removed += uint64(removed)
	return removed
}
