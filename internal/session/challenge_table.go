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

// challengeTable holds the challenges that are out, with 52 bytes for each.
//
//	stripe 0..n-1          by the low bits of the hash of the name (endpoint and node ID)
//	  mutex
//	  bucket 0..m-1        by the high bits, which are also the tag
//	    tags   [15]uint32  and a cursor: one cache line
//	    slots  [ways]      of 48 bytes, in the order of tags
//
// Nothing is done when a challenge ends by time: its deadline says so, and its place is used again.
//
// A bucket is a ring: a new challenge takes the place at the cursor, where the oldest one is. The
// table so gives up the oldest when it is full, and with C places and R new challenges a second a
// challenge lives for C/R seconds on average. The least that matters is the round trip of a new
// peer. A challenge is given up within a time t if its bucket of w places takes w new ones, so with
// probability P(Poisson(w·t·R/C) >= w). For w = 14:
//
//	t·R/C    0.2     0.4     0.5    0.6    0.8    1
//	lost     2e-6    0.2 %   1.3 %  4 %    19 %   43 %
//
// For 65,536 places, the default of a node, and a round trip of 100 ms, 0.5 is 327,680 names a
// second.
//
// Names are compared by the 32 bits of their tag and where they are. If two names have the same
// ones, which happens to one in 67 million at most for 64 challenges in a stripe, the second may be
// sent the challenge of the first, and its next message another one. The ID nonce goes to the
// sender of a message, so that an attacker who wants another's would have to find a collision of a
// hash whose seed is secret.
type challengeTable struct {
	mask     [codec.IVSize]byte // what IV and ID nonce differ by
	lifetime time.Duration
	attempts uint8
	proofs   uint8
	stripes  []challengeStripe // a power of two
}

const (
	challengeWays = 15
	// stripeCapacity is the least number of places for which a stripe of its own is made.
	stripeCapacity = 4 * challengeWays
)

type challengeStripe struct {
	mu         sync.Mutex
	buckets    atomic.Pointer[challengeBuckets]
	ways       int // of the places of a bucket that are used
	ofName     int // challenges that one name can have
	maxBuckets int
	shift      int           // the present number of buckets is maxBuckets >> shift
	now        time.Duration // the latest time that was seen
	serial     uint16
	chance     uint64 // secret
	evicted    uint64

	_ [64]byte // stripes are locked by different workers
}

// challengeBuckets are the buckets of a stripe. They are replaced as a whole when there are more.
type challengeBuckets struct {
	heads []challengeHead
	slots []challengeSlot
}

type challengeHead struct {
	tags   [challengeWays]uint32 // 0: free
	cursor uint32                // written atomically, because prefetch reads it without the lock
}

type challengeSlot struct {
	deadline  time.Duration
	recordSeq uint64
	idNonce   [codec.IDNonceSize]byte
	nonce     codec.Nonce
	serial    uint16 // tells which of two of the same deadline is newer
	attempts  uint8  // handshakes that were examined
	flags     uint8
}

// Flags of a challengeSlot, above the count of proofs.
const (
	flagRepeated = 0x80 // the challenge was sent for another message
	flagArrived  = 0x40 // a handshake has arrived since
	proofMask    = 0x3f
)

func (t *challengeTable) init(cfg *Config) {
	h := xxh3.Hash128Seed([]byte("IV"), cfg.Seed).Bytes()
	t.mask, t.lifetime = h, cfg.ChallengeLifetime
	t.attempts, t.proofs = uint8(min(cfg.MaxAttempts, 255)), uint8(min(cfg.MaxProofs, proofMask))
	n := 1 << (bits.Len(uint(max(cfg.Challenges/stripeCapacity, 1))) - 1)
	t.stripes = make([]challengeStripe, min(n, shards))
	for i := range t.stripes {
		t.stripes[i].init(max(cfg.Challenges/len(t.stripes), 1))
		t.stripes[i].chance = cfg.Seed + uint64(i)
	}
}

func (s *challengeStripe) init(capacity int) {
	// Buckets of 15 leave a rest; one bucket more may leave less.
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

// tag is what names are told apart by: never 0.
func challengeTag(h uint64) uint32 { return max(tagOf(h), 1) }

// bucket returns the bucket of a tag: its head and the index of its first slot.
func (p *challengeBuckets) bucket(tag uint32, ways int) (*challengeHead, []challengeSlot) {
	i := int(uint64(tag) * uint64(len(p.heads)) >> 32)
	return &p.heads[i], p.slots[i*ways : (i+1)*ways]
}

// prefetch reads the memory that the next challenge for a name with the given hash needs.
func (t *challengeTable) prefetch(h uint64) byte {
	s, tag := t.stripe(h), challengeTag(h)
	p := s.buckets.Load()
	return byte(atomic.LoadUint32(&p.heads[uint64(tag)*uint64(len(p.heads))>>32].cursor))
}

// fill makes of what is kept of a challenge what was sent. The masking IV need only be new for each
// packet: it follows from the ID nonce, and is sent in the same packet.
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
	live, first := 0, 0 // first is where the oldest stands
	repeated := false   // a challenge was, also one that has ended
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

// newer reports whether c was made after o, which may be at the same time. Serial numbers wrap.
func (c *challengeSlot) newer(o *challengeSlot) bool {
	return c.deadline > o.deadline || c.deadline == o.deadline && int16(c.serial-o.serial) > 0
}

func (t *challengeTable) age(now time.Duration, c *challengeSlot) time.Duration {
	return now - (c.deadline - t.lifetime)
}

// random returns a duration below d, which is small. Chance keeps a regular flood in a name from
// taking every place at the moment it is to be had.
func (s *challengeStripe) random(d time.Duration) time.Duration {
	s.chance += 0x9e3779b97f4a7c15 // splitmix64
	x := s.chance
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	hi, _ := bits.Mul64(x^x>>31, uint64(d))
	return time.Duration(hi)
}

// takeSlot returns the slot of a new challenge, and sets evicted if a live one has ended for it.
// Before that the stripe gets more buckets, if it can have more.
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

// grow gives the stripe twice as many buckets, or one more than that.
func (s *challengeStripe) grow(now time.Duration) {
	old := s.buckets.Load()
	s.shift--
	p := s.make()
	for i := range old.heads {
		from := &old.heads[i]
		for j := range s.ways {
			at := (int(from.cursor) + j) % s.ways // the oldest first
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

// finish ends challenge ch of a name and reports whether it was still there.
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

// stats counts what lives. It looks at the whole table.
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
