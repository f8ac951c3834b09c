package enr

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"
)

// Cache remembers verified records, so the signature of a record that many peers relay is verified
// once. It is safe for concurrent use. A hit takes no lock and does not allocate.
//
// The cache is set-associative: a seeded hash of the whole record selects a set of four slots, and
// a hit requires equal bytes. The seed keeps peers from targeting a set. In a full set, the clock
// hand moves to the next slot without a hit since its last visit and replaces that one, so that
// records seen once do not evict those in use. Only verified records enter, so an attacker needs a
// new signature for each eviction.
//
// Memory is bounded: 16 bytes per slot, and about 450 bytes for its record. An evicted record lives
// as long as others refer to it.
type Cache struct {
	sets  []cacheSet // length is a power of two
	seed  uint64
	stats struct{ verified, failed, evicted atomic.Uint64 }
}

const cacheWays = 4

// cacheSet fills one cache line. Readers use atomics only; mu is for writers. A reader that sees
// the tag of one record with the pointer of another finds unequal bytes and misses.
type cacheSet struct {
	tags    [cacheWays]atomic.Uint32 // upper half of the hash, to skip most other records
	used    atomic.Uint32            // bit i: slot i was hit since the hand passed it
	hand    uint32                   // next candidate for replacement; guarded by mu
	mu      sync.Mutex
	records [cacheWays]atomic.Pointer[Record]
}

// CacheStats are counts of a Cache. Calls that are not counted here were hits.
type CacheStats struct {
	Verified uint64 // records that were not cached and are valid
	Failed   uint64 // records that are not valid
	Evicted  uint64 // records evicted for others
}

// NewCache returns a cache for at least slots records. It rounds slots up to a power of two, at
// least four. seed must be random and secret.
func NewCache(slots int, seed uint64) *Cache {
	sets := 1
	if slots > cacheWays {
		sets = 1 << bits.Len(uint((slots-1)/cacheWays))
	}
	return &Cache{sets: make([]cacheSet, sets), seed: seed}
}

// Verify returns the record with the bytes of v: the cached one, or a verified copy, which it
// stores. It returns the errors of View.Verify and does not store failures. It does not keep v.
func (c *Cache) Verify(v View) (*Record, error) {
	set, tag := c.find(v.bytes)
	if r := set.find(v.bytes, tag); r != nil {
		return r, nil
	}
	id, err := v.verify()
	return c.store(set, tag, v, id, err)
}

// VerifyOwned is Verify for callers that already called View.Owner. Precondition: id and xy are the
// results of v.Owner. Nothing checks them: other values would let an invalid record in.
func (c *Cache) VerifyOwned(v View, id ID, xy *[64]byte) (*Record, error) {
	set, tag := c.find(v.bytes)
	if r := set.find(v.bytes, tag); r != nil {
		return r, nil
	}
	return c.store(set, tag, v, id, v.verifyBy(xy))
}

// store stores a record after a verification with result err.
func (c *Cache) store(set *cacheSet, tag uint32, v View, id ID, err error) (*Record, error) {
	if err != nil {
		return nil, c.fail(err)
	}
	c.stats.verified.Add(1)
	r, evicted := set.insert(v.own(id), tag)
	if evicted {
		c.stats.evicted.Add(1)
	}
	return r, nil
}

// fail counts a record that is not valid, and returns err.
func (c *Cache) fail(err error) error {
	c.stats.failed.Add(1)
	return err
}

// Get returns the record with the bytes of v if it is cached. Callers use it to learn whether
// Verify is cheap.
func (c *Cache) Get(v View) (*Record, bool) {
	set, tag := c.find(v.bytes)
	r := set.find(v.bytes, tag)
	return r, r != nil
}

// Find returns the record with the bytes b if it is cached. b need not be a record: Find does not
// parse it, so a hit costs a hash and a comparison.
func (c *Cache) Find(b []byte) (*Record, bool) {
	set, tag := c.find(b)
	r := set.find(b, tag)
	return r, r != nil
}

// Stats returns the counters. It reads them one after the other.
func (c *Cache) Stats() CacheStats {
	return CacheStats{
		Verified: c.stats.verified.Load(),
		Failed:   c.stats.failed.Load(),
		Evicted:  c.stats.evicted.Load(),
	}
}

// find returns the set of a record and its tag within the set.
func (c *Cache) find(record []byte) (*cacheSet, uint32) {
	h := xxh3.HashSeed(record, c.seed)
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
		// Test before set, because a line that is only read stays shared between cores.
		if bit := uint32(1) << i; s.used.Load()&bit == 0 {
			s.used.Or(bit)
		}
		return r
	}
	return nil
}

// insert stores r, unless another goroutine has stored an equal record, and returns the record in
// the set.
func (s *cacheSet) insert(r *Record, tag uint32) (stored *Record, evicted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.find(r.bytes, tag); other != nil {
		return other, false
	}
	// Readers may mark slots faster than the hand clears the marks, so it stops after one round.
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
