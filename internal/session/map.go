package session

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Defaults of Config.
const (
	DefaultCapacity          = 16384
	DefaultChallenges        = 16384
	DefaultChallengeLifetime = time.Second
	DefaultIdleTimeout       = time.Hour
	DefaultMaxAttempts       = 128
	DefaultMaxProofs         = 8
)

const (
	// shards is how many parts a map has unless Config says otherwise. With a handful of workers
	// two seldom meet in one. A map has fewer if their sessions would be less than shardCapacity:
	// hashing is uneven, and the room that evens it out would be more than that.
	shards        = 64
	shardCapacity = 256

	// protectedAfter is how many messages must have been opened before a session counts as one
	// in use, which newcomers cannot displace. A handshake opens one.
	protectedAfter = 3
	// protectedFor is for how long after its last message such a session is kept against newcomers.
	protectedFor = 2 * time.Minute
	// evictionSamples is how many sessions are looked at to find the one that gives way.
	evictionSamples = 16
	// prefixQuota is how many of the samples may come from one network prefix before its sessions
	// give way to others although they are in use. Who owns a prefix can have any number of
	// identities there.
	prefixQuota = 4
	// previousFor is for how long keys that were replaced still open messages. Packets that
	// crossed a handshake arrive within that time.
	previousFor = 30 * time.Second
)

// Config says how large a Map is. Zero values give the defaults.
type Config struct {
	// sessions; where there are several shards each takes somewhat more than its share, as hashing
	// is uneven: with the default of Shards, up to 1.3 times as many
	Capacity int
	// challenges out at a time; the oldest one gives way. 52 bytes each, taken when they are needed
	Challenges        int
	ChallengeLifetime time.Duration // for how long a WHOAREYOU is good, and repeated as it is
	IdleTimeout       time.Duration // after which a session without messages ends
	// handshakes that are examined for one challenge, at most 255: each costs one key agreement
	MaxAttempts int
	// of these, ones whose message opens, so that a signature is verified; at most 63
	MaxProofs int
	// parts with a lock of their own, 64 by default, fewer for less than 16384 sessions; rounded up
	// to a power of two. With one, a small map takes little memory
	Shards   int
	Protocol codec.Protocol
	Seed     uint64 // secret: of the hash; random per process

	// KeepRecords keeps the record of each peer with its session; see Map.SetRecord. A record takes
	// up to 700 bytes, unless others hold it too.
	KeepRecords bool

	// OnEnd, if not nil, is told whose session has ended, be it that it was idle, gave way to
	// another one, or was removed. It is called with a lock held: it must return at once and not
	// use the Map.
	OnEnd func(*Key)
}

func (c *Config) setDefaults() {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Capacity, DefaultCapacity)
	def(&c.Challenges, DefaultChallenges)
	def(&c.MaxAttempts, DefaultMaxAttempts)
	def(&c.MaxProofs, DefaultMaxProofs)
	if c.Shards <= 0 {
		c.Shards = min(shards, 1<<(bits.Len(uint(max(c.Capacity/shardCapacity, 1)))-1))
	}
	c.Shards = 1 << bits.Len(uint(min(c.Shards, maxShards)-1))
	if c.ChallengeLifetime <= 0 {
		c.ChallengeLifetime = DefaultChallengeLifetime
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.Protocol == (codec.Protocol{}) {
		c.Protocol = codec.DefaultProtocol
	}
}

// Map holds the sessions and challenges of a node. It is safe for concurrent use.
type Map struct {
	cfg    Config
	shards []shard // a power of two
	held   held

	challenges challengeTable

	sweepShard, sweepSlot int          // where Sweep goes on
	swept                 atomic.Int64 // when it was last called: the time for Stats
}

type shard struct {
	mu sync.Mutex

	sessions  index
	slots     []slot
	free      []uint32
	view      atomic.Pointer[shardView] // sessions and slots
	capacity  int                       // the most slots
	clockHand uint32                    // where eviction has looked last
	step      uint32                    // and how far from there it looks next
	evicted   uint64
	refused   uint64
	expired   uint64

	_ [64]byte // shards are locked by different workers
}

// slot is one session. A slot with key zero and no keys is free.
type slot struct {
	// The first cache line: whose session it is, and its keys.
	key  Key
	live bool

	current, next, previous *Keys
	nextUntil               time.Duration // when next is given up
	previousUntil           time.Duration // when previous is dropped

	// current, if there are no others, for those who read without the lock; see publishSingle
	single atomic.Pointer[Keys]

	record  *enr.Record // of the peer, or nil
	since   time.Duration
	inbound bool // the peer made contact first

	_ [7]byte // slots take two cache lines each, which are fetched together
}

// begin notes that the session, which has no keys yet, comes to be.
func (e *slot) begin(now time.Duration, inbound bool) {
	if e.current == nil {
		e.since, e.inbound = now, inbound
	}
}

// publishSingle lets readers without the lock see what a change of the session has led to. A session with
// one pair of keys, which nearly all have, is open to them; with several it takes the lock to know
// what they are.
func (e *slot) publishSingle() {
	if e.next != nil || e.previous != nil {
		e.single.Store(nil)
		return
	}
	e.single.Store(e.current)
}

// reset empties e for a new session of k, or for none.
func (e *slot) reset(k *Key, live bool) {
	e.key, e.live = *k, live
	e.current, e.next, e.previous = nil, nil, nil
	e.nextUntil, e.previousUntil = 0, 0
	e.record, e.since, e.inbound = nil, 0, false
	e.publishSingle()
}

// NewMap returns an empty map.
func NewMap(cfg Config) *Map {
	cfg.setDefaults()
	m := &Map{cfg: cfg, shards: make([]shard, cfg.Shards)}
	capacity := (cfg.Capacity + cfg.Shards - 1) / cfg.Shards
	if cfg.Shards > 1 {
		// Hashing spreads unevenly: a shard gets four standard deviations and a little more than
		// its share.
		capacity += 4*isqrt(capacity) + 8
	}
	for i := range m.shards {
		m.shards[i].begin(capacity)
	}
	m.challenges.init(&m.cfg)
	m.held.init(capacity * cfg.Shards)
	return m
}

func isqrt(n int) int {
	r := 0
	for r*r < n {
		r++
	}
	return r
}

// Hash is the hash of k in this map. The methods below take it along with the key, so that it is
// calculated once for a packet.
func (m *Map) Hash(k *Key) uint64 { return k.hash(m.cfg.Seed) }

func (m *Map) shard(h uint64) *shard { return &m.shards[h&uint64(len(m.shards)-1)] }

// Found is what Lookup knows about a peer. Keys that do not exist are nil; at least one of the
// three does.
type Found struct {
	Current, Next, Previous *Keys
}

// Lookup finds the session of k, whose hash is h. It changes nothing.
func (m *Map) Lookup(k *Key, h uint64) (f Found, ok bool) {
	s := m.shard(h)
	s.mu.Lock()
	if e := s.find(k, h); e != nil {
		f = Found{e.current, e.next, e.previous}
		ok = true
	}
	s.mu.Unlock()
	return f, ok
}

// Sender returns the keys to seal a new message for k with: current ones that are not used up. It
// reports false when a handshake must come first.
func (m *Map) Sender(k *Key, h uint64) (*Keys, bool) {
	f, ok := m.Lookup(k, h)
	if !ok || f.Current == nil || f.Current.Exhausted() {
		return nil, false
	}
	return f.Current, true
}

// Promote notes that a message of k has been opened with keys other than the current ones, if they
// still belong to the session. Next keys become the current ones; then a handshake of this node has
// been answered, and Promote reports it. Previous keys do so only if they come from a handshake
// that crossed another one and that both sides settle on: a replay of what was sent under old keys
// must not bring those back.
func (m *Map) Promote(now time.Duration, k *Key, h uint64, opened *Keys) (answered bool) {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(k, h)
	if e == nil || opened == nil || e.current == opened {
		return false
	}
	switch opened {
	case e.next:
		e.next = nil
		answered = true
	case e.previous:
		if e.current == nil || e.current.preferred || !opened.preferred {
			return false
		}
	default:
		return false
	}
	opened.inherit(e.current)
	e.begin(now, false)
	e.previous, e.previousUntil = e.current, now+previousFor
	e.current = opened
	e.publishSingle()
	return answered
}

// Offer stores new keys, of a handshake that this node has just sent to k: they open what the peer
// answers and become current with it. They are given up at until. If the session is new and there
// is no room, Offer reports false and nothing is stored.
func (m *Map) Offer(now time.Duration, k *Key, h uint64, keys *Keys, until time.Duration) bool {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	keys.owner = *k
	keys.used.Store(int64(now))
	e := s.find(k, h)
	if e == nil {
		if e = s.insert(m, now, k, h); e == nil {
			return false
		}
	}
	e.next, e.nextUntil = keys, until
	e.publishSingle()
	return true
}

// Establish makes new keys, with which the peer has encrypted the message of its handshake, the
// current ones. The challenge that the handshake answered ends with it; if it has ended already, or
// another one has taken its place, Establish reports false and nothing changes: the handshake came
// twice or too late. It also reports false, the challenge being used up, when the session is new
// and there is no room.
func (m *Map) Establish(now time.Duration, k *Key, h uint64, ch *Challenge, keys *Keys) bool {
	if !m.challenges.finish(now, h, ch) {
		return false
	}
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	keys.owner = *k
	keys.used.Store(int64(now))
	keys.state.Store(keys.state.Load()&^0xffff | 1)
	e := s.find(k, h)
	if e == nil {
		if e = s.insert(m, now, k, h); e == nil {
			return false
		}
	}
	e.begin(now, true)
	if e.current != nil {
		keys.inherit(e.current)
		e.previous, e.previousUntil = e.current, now+previousFor
	}
	e.current = keys
	e.publishSingle()
	return true
}

// Remove ends the session of k.
func (m *Map) Remove(k *Key, h uint64) {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, i := s.locate(k, h); e != nil {
		s.drop(m, i)
	}
}

const (
	// sweepWindow is how many sessions one Sweep looks at, at most, so that no worker waits long
	// for a shard.
	sweepWindow = 256
	// sweepCalls is how many calls of Sweep it takes at least to look at all sessions.
	sweepCalls = 64
	// maxShards bounds Config.Shards.
	maxShards = 1024
)

// Sweep ends what time has ended in one part of the map: idle sessions, next and previous keys.
// Each call goes on where the last one stopped. One goroutine may call it.
func (m *Map) Sweep(now time.Duration) {
	m.swept.Store(int64(now))
	s := &m.shards[m.sweepShard]
	s.mu.Lock()
	defer s.mu.Unlock()
	// However small the map, it takes sweepCalls calls to go round: a sweep costs little if nothing
	// else is to be done.
	window := min(sweepWindow, len(s.slots)*len(m.shards)/sweepCalls+1)
	end := min(m.sweepSlot+window, len(s.slots))
	s.sweep(m, now, m.sweepSlot, end)
	if m.sweepSlot = end; end >= len(s.slots) {
		m.sweepSlot, m.sweepShard = 0, (m.sweepShard+1)%len(m.shards)
	}
}

// SweepAll does what Sweep does, in all parts of the map at once. It is for those who would rather
// look at all sessions now and then than at a few all the time, and from the goroutine that calls
// Sweep.
func (m *Map) SweepAll(now time.Duration) {
	m.swept.Store(int64(now))
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.sweep(m, now, 0, len(s.slots))
		s.mu.Unlock()
	}
}

// Stats are counts of a Map.
type Stats struct {
	Sessions   int
	Challenges int    // that live
	Evicted    uint64 // sessions that gave way to newer ones
	Refused    uint64 // new sessions for which none gave way
	Expired    uint64 // sessions that ended because they were idle

	ChallengesEvicted uint64 // challenges that gave way to newer ones while they lived
}

// Stats counts. It takes every shard's lock in turn.
func (m *Map) Stats() (st Stats) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		st.Sessions += len(s.slots) - len(s.free)
		st.Evicted += s.evicted
		st.Refused += s.refused
		st.Expired += s.expired
		s.mu.Unlock()
	}
	m.challenges.stats(time.Duration(m.swept.Load()), &st)
	return st
}
