package enr

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Cache remembers records that were verified, so that a record which many peers relay costs
// its signature check once. It is safe for concurrent use; a hit takes no lock and does not
// allocate.
//
// It is set-associative: a seeded hash of the whole record picks a set of four slots, and only full
// equality of the bytes is a hit. The seed keeps a peer from aiming at a set. In a full set the
// next slot that was not hit since the hand last passed is replaced, so that records seen once do
// not push out those in use. Only verified records enter: garbage evicts nothing, and each eviction
// costs the sender a signature of its own.
//
// Memory is bounded: 16 bytes for each slot and about 450 for the record in it. A record that
// has left the cache lives on as long as somebody holds it.
type Cache struct {
	sets  []cacheSet // length is a power of two
	seed  uint64
	stats struct{ verified, failed, evicted atomic.Uint64 }
}

const cacheWays = 4

// cacheSet is one cache line. Readers use atomics only; mu is for writers. A reader that sees
// the tag of one record with the pointer of another finds unequal bytes and misses.
type cacheSet struct {
	tags    [cacheWays]atomic.Uint32 // upper half of the hash: spares a look at most other records
	used    atomic.Uint32            // bit i: slot i was hit since the hand passed
	hand    uint32                   // next slot to consider for replacement; under mu
	mu      sync.Mutex
	records [cacheWays]atomic.Pointer[Record]
}

// CacheStats counts what a Cache did. Hits are the calls that appear nowhere here.
type CacheStats struct {
	Verified uint64 // records that were not there and verified
	Failed   uint64 // records that did not verify
	Evicted  uint64 // records replaced by others
}

// NewCache returns a cache for at least slots records: slots is rounded up to a power of two,
// and to four at least. seed must be random and secret.
func NewCache(slots int, seed uint64) *Cache {
	sets := 1
	if slots > cacheWays {
		sets = 1 << bits.Len(uint((slots-1)/cacheWays))
	}
	return &Cache{sets: make([]cacheSet, sets), seed: seed}
}

// Verify returns the record with the bytes of v: the one that was verified before, else a
// verified copy, which it stores. It fails as View.Verify does; failures are not stored.
// v is read during the call only.
func (c *Cache) Verify(v View) (*Record, error) {
	set, tag := c.place(v.bytes)
	if r := set.find(v.bytes, tag); r != nil {
		return r, nil
	}
	id, err := v.verify()
	return c.store(set, tag, v, id, err)
}

// VerifyOwned is Verify for a caller that has asked for the owner of v before. Precondition: id and
// xy are what View.Owner has returned for v. Nothing checks them: with others a false record would
// get in.
func (c *Cache) VerifyOwned(v View, id ID, xy *[64]byte) (*Record, error) {
	set, tag := c.place(v.bytes)
	if r := set.find(v.bytes, tag); r != nil {
		return r, nil
	}
	return c.store(set, tag, v, id, v.verifyBy(xy))
}

// store takes in a record that has been verified with the given result.
func (c *Cache) store(set *cacheSet, tag uint32, v View, id ID, err error) (*Record, error) {
	if err != nil {
		c.stats.failed.Add(1)
		return nil, err
	}
	c.stats.verified.Add(1)
	r, evicted := set.insert(v.own(id), tag)
	if evicted {
		c.stats.evicted.Add(1)
	}
	return r, nil
}

// Get returns the record with the bytes of v if it was verified before and is still there.
// It tells whether Verify would be cheap.
func (c *Cache) Get(v View) (*Record, bool) {
	set, tag := c.place(v.bytes)
	r := set.find(v.bytes, tag)
	return r, r != nil
}

// Stats returns the counters. They are read one by one, not at one moment.
func (c *Cache) Stats() CacheStats {
	return CacheStats{
		Verified: c.stats.verified.Load(),
		Failed:   c.stats.failed.Load(),
		Evicted:  c.stats.evicted.Load(),
	}
}

// place returns the set for a record and its tag within the set.
func (c *Cache) place(record []byte) (*cacheSet, uint32) {
	var d xxhash.Digest
	d.ResetWithSeed(c.seed)
	d.Write(record)
	h := d.Sum64()
	return &c.sets[h&uint64(len(c.sets)-1)], uint32(h >> 32)
}

func (s *cacheSet) find(record []byte, tag uint32) *Record {
	for i := range s.records {
		if s.tags[i].Load() != tag {
			continue
		}
		r := s.records[i].Load()
		if r == nil || !bytes.Equal(r.bytes, record) {
			continue
		}
		// Test before set: a line that is only read stays shared between cores.
		if bit := uint32(1) << i; s.used.Load()&bit == 0 {
			s.used.Or(bit)
		}
		return r
	}
	return nil
}

// insert stores r, unless another caller has stored an equal record meanwhile, and returns
// the record that is in the set.
func (s *cacheSet) insert(r *Record, tag uint32) (stored *Record, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.find(r.bytes, tag); other != nil {
		return other, false
	}
	// Readers may mark slots faster than the hand clears them: after one round it takes what
	// it points at.
	for range cacheWays {
		bit := uint32(1) << s.hand
		if s.used.Load()&bit == 0 {
			break
		}
		s.used.And(^bit)
		s.hand = (s.hand + 1) % cacheWays
	}
	i := s.hand
	s.hand = (s.hand + 1) % cacheWays
	evicted = s.records[i].Load() != nil
	s.records[i].Store(r)
	s.tags[i].Store(tag)
	return r, evicted
}
