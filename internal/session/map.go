package session

import (
	"math/bits"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Defaults of Config.
const (
	DefaultMaxSessions       = 16384
	DefaultMaxChallenges     = 65536
	DefaultChallengeLifetime = time.Second
	DefaultIdleTimeout       = time.Hour
	DefaultMaxAttempts       = 128
	DefaultMaxProofs         = 8
)

const (
	// shards is the default number of shards. With a few workers, two seldom want the same one. A
	// map has fewer shards if each would get less than shardCapacity sessions, because hashing is
	// uneven and small shards need more spare slots.
	shards        = 64
	shardCapacity = 256

	// protectedAfter is the number of decrypted messages after which a session counts as in use, so
	// that new sessions cannot evict it. A handshake counts once.
	protectedAfter = 3
	// protectedFor is how long a session in use is protected after its last message.
	protectedFor = 2 * time.Minute
	// evictionSamples is the number of sessions that eviction compares.
	evictionSamples = 16
	// prefixQuota is the number of samples that one network prefix may have before its sessions in
	// use may be evicted. The owner of a prefix can make any number of identities there.
	prefixQuota = 4
	// previousFor is how long replaced keys still decrypt messages. Packets that crossed a
	// handshake arrive within that time.
	previousFor = 30 * time.Second
)

// Config configures a Map. Zero values mean the defaults.
type Config struct {
	// MaxSessions is the number of sessions. Because hashing is uneven, each of several shards gets
	// spare slots, so a map with the default of Shards holds up to 1.3 times as many.
	MaxSessions int
	// MaxChallenges is the number of live challenges; beyond it the oldest one is evicted. Each
	// takes 52 bytes, allocated on demand.
	MaxChallenges     int
	ChallengeLifetime time.Duration // lifetime of a WHOAREYOU
	IdleTimeout       time.Duration // a session without messages ends after this time
	// MaxAttempts is the number of handshakes that may be examined for one challenge, at most 255.
	// Each costs one key agreement.
	MaxAttempts int
	// MaxProofs is the number of handshakes per challenge whose signature may be verified, at most
	// 63. Their message has decrypted.
	MaxProofs int
	// Shards is the number of parts with a lock each: 64 by default, fewer for less than 16384
	// sessions, rounded up to a power of two. With one shard, a small map takes little memory.
	Shards   int
	Protocol codec.Protocol
	Seed     uint64 // seed of the hash; must be secret and random

	// KeepRecords stores the record of each peer with its session; see Map.SetRecord. A record
	// takes up to 700 bytes, unless it is shared.
	KeepRecords bool

	// OnEnd, if not nil, is called when a session expires, is evicted or removed. A lock is held
	// during the call, so OnEnd must return promptly and must not use the Map.
	OnEnd func(*Key)

	// Hold and Release, if not nil, are called with the endpoint of a session when it begins and
	// when it ends. Unlike OnEnd they include sessions whose handshake never completes. A lock is
	// held during the call.
	Hold, Release func(netip.AddrPort)
}

// Capacity returns the largest number of sessions that a Map of c holds.
func (c Config) Capacity() int {
	c.setDefaults()
	return c.shardCapacity() * c.Shards
}

// shardCapacity returns the largest number of sessions of a shard. c has its defaults.
func (c *Config) shardCapacity() int {
	n := (c.MaxSessions + c.Shards - 1) / c.Shards
	if c.Shards > 1 {
		// Hashing is uneven, so a shard gets four standard deviations and a little more.
		n += 4*isqrt(n) + 8
	}
	return n
}

func (c *Config) setDefaults() {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxSessions, DefaultMaxSessions)
	def(&c.MaxChallenges, DefaultMaxChallenges)
	def(&c.MaxAttempts, DefaultMaxAttempts)
	def(&c.MaxProofs, DefaultMaxProofs)
	if c.Shards <= 0 {
		c.Shards = min(shards, 1<<(bits.Len(uint(max(c.MaxSessions/shardCapacity, 1)))-1))
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

	sweepShard, sweepSlot int          // position of Sweep
	swept                 atomic.Int64 // time of the last Sweep, used by Stats
}

type shard struct {
	mu sync.Mutex

	sessions  index
	slots     []slot
	free      []uint32
	view      atomic.Pointer[shardView] // sessions and slots
	capacity  int                       // largest number of slots
	clockHand uint32                    // last slot that eviction looked at
	step      uint32                    // distance to the next one
	evicted   uint64
	refused   uint64
	expired   uint64

	_ [64]byte // different workers lock different shards
}

// slot is one session. A free slot has a zero key and no keys.
type slot struct {
	// The first cache line holds the session key and the keys.
	key  Key
	live bool

	current, next, previous *Keys
	nextUntil               time.Duration // end of next
	previousUntil           time.Duration // end of previous

	// single is current if it is the only pair, for readers without the lock; see publishSingle.
	single atomic.Pointer[Keys]

	record  *enr.Record // of the peer, or nil
	since   time.Duration
	inbound bool // the peer made contact first

	_ [7]byte // a slot takes two cache lines, which the CPU fetches together
}

// begin starts a session that has no keys yet.
func (e *slot) begin(now time.Duration, inbound bool) {
	if e.current == nil {
		e.since, e.inbound = now, inbound
	}
}

// publishSingle publishes a change of the session to readers without the lock. They see a session
// with one pair of keys, as nearly all have. With several pairs they must take the lock.
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
	capacity := cfg.shardCapacity()
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

// Hash returns the hash of k in this map. The methods below take it with the key, so that a caller
// computes it once per packet.
func (m *Map) Hash(k *Key) uint64 { return k.hash(m.cfg.Seed) }

func (m *Map) shard(h uint64) *shard { return &m.shards[h&uint64(len(m.shards)-1)] }

// Found is the result of Lookup. Missing keys are nil; at least one pair exists.
type Found struct {
	Current, Next, Previous *Keys
}

// Lookup returns the session of k, whose hash is h. It changes nothing.
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

// Sender returns the keys to seal a new message for k with: the current ones, unless they are used
// up. It returns false if a handshake must come first.
func (m *Map) Sender(k *Key, h uint64) (*Keys, bool) {
	f, ok := m.Lookup(k, h)
	if !ok || f.Current == nil || f.Current.Exhausted() {
		return nil, false
	}
	return f.Current, true
}

// Promote records that a message of k was decrypted with keys other than the current ones, if these
// keys still belong to the session. Next keys become current, and Promote returns true, because the
// peer has answered a handshake of this node. Previous keys become current only if their handshake
// crossed another one and both sides agree on it. A replay of messages under old keys must not make
// those current.
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

// Offer stores the keys of a handshake that this node has just sent to k. They decrypt the peer's
// answer and become current with it, or are dropped at until. If the session is new and there is no
// room, Offer returns false and stores nothing.
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

// Establish makes keys current with which the peer has encrypted the message of its handshake, and
// ends the challenge that the handshake answered. If that challenge has ended or was replaced,
// Establish returns false and changes nothing: the handshake came twice or too late. It also
// returns false if the session is new and there is no room; then the challenge is used up.
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
	// sweepWindow bounds the sessions per Sweep, so that no worker waits long for a shard.
	sweepWindow = 256
	// sweepCalls is the smallest number of Sweep calls for a whole round.
	sweepCalls = 64
	// maxShards bounds Config.Shards.
	maxShards = 1024
)

// Sweep removes expired sessions and keys from one part of the map. Each call continues where the
// last one stopped. Only one goroutine may call it.
func (m *Map) Sweep(now time.Duration) {
	m.swept.Store(int64(now))
	s := &m.shards[m.sweepShard]
	s.mu.Lock()
	defer s.mu.Unlock()
	// Even for a small map a round takes sweepCalls calls, so that a sweep costs little.
	window := min(sweepWindow, len(s.slots)*len(m.shards)/sweepCalls+1)
	end := min(m.sweepSlot+window, len(s.slots))
	s.sweep(m, now, m.sweepSlot, end)
	if m.sweepSlot = end; end >= len(s.slots) {
		m.sweepSlot, m.sweepShard = 0, (m.sweepShard+1)%len(m.shards)
	}
}

// SweepAll sweeps the whole map. Use it to sweep everything now and then instead of a little all
// the time, from the goroutine that calls Sweep.
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
	Challenges int    // live ones
	Evicted    uint64 // sessions evicted for new ones
	Refused    uint64 // new sessions refused for lack of room
	Expired    uint64 // sessions that ended because they were idle

	ChallengesEvicted uint64 // live challenges evicted for new ones
}

// Stats returns the counts. It takes each shard's lock in turn.
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
