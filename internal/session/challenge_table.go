package session

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// challengeTable holds the live challenges, with 52 bytes for each.
//
//	stripe 0..n-1          by the low bits of the hash of the name (endpoint and node ID)
//	  mutex
//	  bucket 0..m-1        by the high bits, which are also the tag
//	    tags   [15]uint32  and a cursor: one cache line
//	    slots  [ways]      of 48 bytes, in the order of tags
//
// A challenge ends at its deadline, without an action. A later challenge reuses the slot.
//
// A bucket is a ring: a new challenge takes the slot at the cursor, which holds the oldest one. A
// full table thus evicts its oldest challenges. With C slots and R new challenges a second, a
// challenge lives for C/R seconds on average. It must live for the round trip of a new peer. A
// challenge is evicted within time t if its bucket of w slots gets w new ones, which has
// probability P(Poisson(w·t·R/C) >= w). For w = 14:
//
//	t·R/C    0.2     0.4     0.5    0.6    0.8    1
//	lost     2e-6    0.2 %   1.3 %  4 %    19 %   43 %
//
// With 65,536 slots, a node's default, and a round trip of 100 ms, 0.5 is 327,680 names a second.
//
// The table identifies a name by its stripe, bucket and 32-bit tag. If two names collide, which
// happens to at most one name in 67 million with 64 challenges in a stripe, the second name may
// receive the challenge of the first, and another one for its next message. The ID nonce goes to
// the sender of a message, so an attacker who wants the nonce of another sender would need a
// collision of a hash with a secret seed.
type challengeTable struct {
	mask     [codec.IVSize]byte // IV XOR ID nonce
	lifetime time.Duration
	attempts uint8
	proofs   uint8
	stripes  []challengeStripe // a power of two
}

const (
	challengeWays = 15
	// stripeCapacity is the smallest number of slots of a stripe.
	stripeCapacity = 4 * challengeWays
)

type challengeStripe struct {
	mu         sync.Mutex
	buckets    atomic.Pointer[challengeBuckets]
	ways       int // slots in use per bucket
	ofName     int // largest number of challenges of a name
	maxBuckets int
	shift      int           // the number of buckets is maxBuckets >> shift
	now        time.Duration // latest time seen
	serial     uint16
	chance     uint64 // secret
	evicted    uint64

	_ [64]byte // different workers lock different stripes
}

// challengeBuckets are the buckets of a stripe. grow replaces them as a whole.
type challengeBuckets struct {
	heads []challengeHead
	slots []challengeSlot
}

type challengeHead struct {
	tags   [challengeWays]uint32 // 0: free
	cursor uint32                // atomic, because prefetch reads it without the lock
}

type challengeSlot struct {
	deadline  time.Duration
	recordSeq uint64
	idNonce   [codec.IDNonceSize]byte
	nonce     codec.Nonce
	serial    uint16 // orders challenges with equal deadlines
	attempts  uint8  // examined handshakes
	flags     uint8
}

// Flags of a challengeSlot, above the count of proofs.
const (
	flagRepeated = 0x80 // the challenge was sent for another message too
	flagArrived  = 0x40 // a handshake has arrived since
	proofMask    = 0x3f
)

func (t *challengeTable) init(cfg *Config) {
	h := xxh3.Hash128Seed([]byte("IV"), cfg.Seed).Bytes()
	t.mask, t.lifetime = h, cfg.ChallengeLifetime
	t.attempts, t.proofs = uint8(min(cfg.MaxAttempts, 255)), uint8(min(cfg.MaxProofs, proofMask))
	n := 1 << (bits.Len(uint(max(cfg.MaxChallenges/stripeCapacity, 1))) - 1)
	t.stripes = make([]challengeStripe, min(n, shards))
	for i := range t.stripes {
		t.stripes[i].init(max(cfg.MaxChallenges/len(t.stripes), 1))
		t.stripes[i].chance = cfg.Seed + uint64(i)
	}
}

func (s *challengeStripe) init(capacity int) {
	// Buckets of 15 leave a remainder; one more bucket may leave less.
	s.maxBuckets, s.ways = max(capacity/challengeWays, 1), min(capacity, challengeWays)
	if n := s.maxBuckets + 1; capacity/n*n > s.maxBuckets*s.ways && capacity > challengeWays {
		s.maxBuckets, s.ways = n, capacity/n
	}
	s.ofName = max(min(MaxChallengesOfName, s.ways*2/3), 1)
	s.shift = bits.Len(uint(s.maxBuckets)) - 1
	s.buckets.Store(s.make())
}

func (s *challengeStripe) make() *challengeBuckets {
	n := s.maxBuckets >> s.shift
	return &challengeBuckets{make([]challengeHead, n), make([]challengeSlot, n*s.ways)}
}

func (t *challengeTable) stripe(h uint64) *challengeStripe {
	return &t.stripes[h&uint64(len(t.stripes)-1)]
}

// challengeTag returns the tag of a name's hash. It is never 0.
func challengeTag(h uint64) uint32 { return max(tagOf(h), 1) }

// bucket returns the head and the slots of the bucket of a tag.
func (p *challengeBuckets) bucket(tag uint32, ways int) (*challengeHead, []challengeSlot) {
	i := int(uint64(tag) * uint64(len(p.heads)) >> 32)
	return &p.heads[i], p.slots[i*ways : (i+1)*ways]
}

// prefetch reads the memory that the next challenge of a name will need.
func (t *challengeTable) prefetch(h uint64) byte {
	s, tag := t.stripe(h), challengeTag(h)
	p := s.buckets.Load()
	return byte(atomic.LoadUint32(&p.heads[uint64(tag)*uint64(len(p.heads))>>32].cursor))
}

// fill fills ch from a slot. The masking IV only needs to be new for each packet, so it is derived
// from the ID nonce of the same packet.
func (t *challengeTable) fill(c *challengeSlot, ch *Challenge) {
	ch.Nonce, ch.IDNonce, ch.RecordSeq = c.nonce, c.idNonce, c.recordSeq
	for i := range ch.IV {
		ch.IV[i] = c.idNonce[i] ^ t.mask[i]
	}
}

// challenge implements Map.Challenge.
func (t *challengeTable) challenge(now time.Duration, h uint64, nonce *codec.Nonce, recordSeq uint64, r *aead.Random, ch *Challenge) ChallengeResult {
	s, tag := t.stripe(h), challengeTag(h)
	s.mu.Lock()
	head, slots := s.buckets.Load().bucket(tag, s.ways)
	s.now = max(s.now, now)
	var newest, oldest, same *challengeSlot
	live, first := 0, 0 // first is the index of oldest
	repeated := false   // a challenge of this name was repeated, even if it has ended
	evicted := false
	for i := range slots {
		if head.tags[i] != tag {
			continue
		}
		c := &slots[i]
		repeated = repeated || c.flags&flagRepeated != 0
		if now > c.deadline {
			continue
		}
		live++
		if newest == nil || c.newer(newest) {
			newest = c
		}
		if oldest == nil || oldest.newer(c) {
			oldest, first = c, i
		}
		if c.nonce == *nonce {
			same = c
		}
	}
	if live > 0 {
		repeat := same
		if repeat == nil && (live == 1 && !repeated && t.age(now, newest) < t.lifetime/4 ||
			live >= s.ofName && t.age(now, oldest) < t.lifetime/4+s.random(t.lifetime/4)) {
			repeat = newest
		}
		if repeat != nil {
			if repeat != same {
				repeat.flags |= flagRepeated
			}
			t.fill(repeat, ch)
			s.mu.Unlock()
			return ChallengeRepeated
		}
		if live >= s.ofName {
			head.tags[first] = 0
		}
	}
	c := s.takeSlot(now, tag, &evicted)
	*c = challengeSlot{deadline: now + t.lifetime, recordSeq: recordSeq, nonce: *nonce, serial: s.serial}
	r.Block(&c.idNonce)
	s.serial++
	t.fill(c, ch)
	s.mu.Unlock()
	if evicted {
		return ChallengeEvicted
	}
	return ChallengeNew
}

// newer reports whether c was made after o, possibly at the same time. Serial numbers wrap.
func (c *challengeSlot) newer(o *challengeSlot) bool {
	return c.deadline > o.deadline || c.deadline == o.deadline && int16(c.serial-o.serial) > 0
}

func (t *challengeTable) age(now time.Duration, c *challengeSlot) time.Duration {
	return now - (c.deadline - t.lifetime)
}

// random returns a duration below d, which must be small. Randomness keeps a regular flood in a
// name from taking each slot as soon as it may be replaced.
func (s *challengeStripe) random(d time.Duration) time.Duration {
	s.chance += 0x9e3779b97f4a7c15 // splitmix64
	x := s.chance
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	hi, _ := bits.Mul64(x^x>>31, uint64(d))
	return time.Duration(hi)
}

// takeSlot returns the slot of a new challenge, and sets evicted if it held a live one. It adds
// buckets first, up to the stripe's capacity.
func (s *challengeStripe) takeSlot(now time.Duration, tag uint32, evicted *bool) *challengeSlot {
	for {
		head, slots := s.buckets.Load().bucket(tag, s.ways)
		at := head.cursor
		if head.tags[at] != 0 && now <= slots[at].deadline {
			if s.shift > 0 {
				s.grow(now)
				continue
			}
			*evicted = true
			s.evicted++
		}
		head.tags[at] = tag
		atomic.StoreUint32(&head.cursor, (at+1)%uint32(s.ways))
		return &slots[at]
	}
}

// grow doubles the number of buckets, or adds one more than that.
func (s *challengeStripe) grow(now time.Duration) {
	old := s.buckets.Load()
	s.shift--
	p := s.make()
	for i := range old.heads {
		from := &old.heads[i]
		for j := range s.ways {
			at := (int(from.cursor) + j) % s.ways // oldest first
			c := &old.slots[i*s.ways+at]
			if from.tags[at] == 0 || now > c.deadline {
				continue
			}
			head, slots := p.bucket(from.tags[at], s.ways)
			head.tags[head.cursor], slots[head.cursor] = from.tags[at], *c
			head.cursor = (head.cursor + 1) % uint32(s.ways)
		}
	}
	s.buckets.Store(p)
}

// each calls do for the live challenges of a name.
func (s *challengeStripe) each(now time.Duration, h uint64, do func(head *challengeHead, i int, c *challengeSlot)) {
	s.now = max(s.now, now)
	tag := challengeTag(h)
	head, slots := s.buckets.Load().bucket(tag, s.ways)
	for i := range slots {
		if head.tags[i] == tag && now <= slots[i].deadline {
			do(head, i, &slots[i])
		}
	}
}

// arrived implements Map.Arrived.
func (t *challengeTable) arrived(now time.Duration, h uint64) (a Arrival) {
	s := t.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.First = true
	s.each(now, h, func(_ *challengeHead, _ int, c *challengeSlot) {
		a.Live = true
		a.First = a.First && c.flags&flagArrived == 0
		a.NamesRecord = a.NamesRecord || c.recordSeq > 0
		c.flags |= flagArrived
	})
	a.First = a.First && a.Live
	return a
}

// attempt implements Map.Attempt.
func (t *challengeTable) attempt(now time.Duration, h uint64, list *Candidates) bool {
	var kept [MaxChallengesOfName]challengeSlot
	n := 0
	s := t.stripe(h)
	s.mu.Lock()
	s.each(now, h, func(_ *challengeHead, _ int, c *challengeSlot) {
		if c.attempts >= t.attempts || c.flags&proofMask >= t.proofs || n == len(kept) {
			return
		}
		c.attempts++
		at := n
		for ; at > 0 && c.newer(&kept[at-1]); at-- {
			kept[at] = kept[at-1]
		}
		kept[at] = *c
		n++
	})
	s.mu.Unlock()
	for i := range n {
		t.fill(&kept[i], &list.list[i])
	}
	list.n = n
	return n > 0
}

// proof implements Map.Proof.
func (t *challengeTable) proof(now time.Duration, h uint64, ch *Challenge) (ok bool) {
	s := t.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(now, h, func(_ *challengeHead, _ int, c *challengeSlot) {
		if c.idNonce == ch.IDNonce && c.flags&proofMask < t.proofs {
			c.flags++
			ok = true
		}
	})
	return ok
}

// finish ends challenge ch of a name and reports whether it was live.
func (t *challengeTable) finish(now time.Duration, h uint64, ch *Challenge) (ok bool) {
	s := t.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(now, h, func(head *challengeHead, i int, c *challengeSlot) {
		if c.idNonce == ch.IDNonce {
			head.tags[i] = 0
			ok = true
		}
	})
	return ok
}

// stats counts live challenges. It reads the whole table.
func (t *challengeTable) stats(now time.Duration, st *Stats) {
	for i := range t.stripes {
		s := &t.stripes[i]
		s.mu.Lock()
		s.now = max(s.now, now)
		p := s.buckets.Load()
		for b := range p.heads {
			for j, tag := range p.heads[b].tags[:s.ways] {
				if tag != 0 && s.now <= p.slots[b*s.ways+j].deadline {
					st.Challenges++
				}
			}
		}
		st.ChallengesEvicted += s.evicted
		s.mu.Unlock()
	}
}
