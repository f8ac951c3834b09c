package simnet

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// Config says what a network is like. The zero value is one without loss whose delays follow
// geography.
type Config struct {
	// Seed decides all that is left to chance. Equal seeds and equal calls give equal runs.
	Seed uint64
	// Conditions are what befalls datagrams from the start; see SetConditions.
	Conditions Conditions
	// InsecureCurve replaces the arithmetic of handshakes by hashes, in all nodes. Nodes with it
	// understand each other and nobody else. Handshakes then cost microseconds in place of most of
	// a millisecond, so that a test can have thousands of nodes. It is no cryptography.
	InsecureCurve bool
	// JobTime is the time that a node takes for one piece of queued work, such as a handshake;
	// default 0. With it, queues fill under load.
	JobTime time.Duration
	// Audit has every Audit-th node audited; default 1, all of them. Negative: none.
	Audit int
	// Records bounds the cache of verified records that all nodes share; default 65536.
	Records int
	// OnDatagram, if not nil, is called when a datagram has come to the end of its way. It must not
	// let time pass.
	OnDatagram func(Datagram, Fate)
}

// Errors of this package.
var (
	ErrAddrUsed   = errors.New("simnet: address is in use")
	ErrAddr       = errors.New("simnet: address cannot be used")
	ErrDown       = errors.New("simnet: node is not running")
	ErrNested     = errors.New("simnet: time cannot be made to pass from within an event")
	ErrUnfinished = errors.New("simnet: has not ended in the time it was given")
)

const (
	// TickInterval is the grid on which nodes are ticked.
	TickInterval = 50 * time.Millisecond
	// Housekeeping is the longest time between two ticks of a node.
	Housekeeping = 10 * time.Minute
	// SweepInterval is the time after which a tick looks at all sessions of a node, to end those
	// that have been idle for too long. A real node goes round every few seconds.
	SweepInterval = 30 * time.Minute

	never = time.Duration(math.MaxInt64)

	// wallStart is the time on the wall at which every network starts, in milliseconds since 1970.
	// Sequence numbers of records start with the time, so that a node that has lost them does not
	// fall back.
	wallStart = 1_750_000_000_000
)

// Network is a set of nodes and sockets on one virtual clock. Make one with New.
type Network struct {
	cfg     Config
	cond    Conditions
	now     time.Duration
	seq     uint64 // of events
	flying  events
	alarms  events
	running bool

	rng     *rand.Rand // what befalls datagrams; nodes have generators of their own
	records *enr.Cache // all nodes share this, and the memory that follows
	buffers buffers
	answers engine.AnswerPool
	hosts   map[netip.Addr]host // public addresses
	nodes   []*Node             // running or not, but not removed
	made    int                 // nodes ever
	nats    int
	given4  uint32
	given6  uint32
	filter  func(Datagram) bool
	split   bool
	free    []*packet
	next    *packet // what outboxes write into
	trace   uint64
	traffic Traffic
	past    window // what nodes had counted that are no more
	audit   audit
}

// New returns an empty network at time 0.
func New(cfg Config) *Network {
	if cfg.Audit == 0 {
		cfg.Audit = 1
	}
	if cfg.Records <= 0 {
		cfg.Records = 1 << 16
	}
	n := &Network{
		cfg: cfg, cond: cfg.Conditions.withDefaults(),
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0x6e6574776f726b)),
		records: enr.NewCache(cfg.Records, cfg.Seed),
		hosts:   make(map[netip.Addr]host),
	}
	n.next = n.packet()
	return n
}

// Now is the time since the network started.
func (n *Network) Now() time.Duration { return n.now }

// Seed is the seed of the run.
func (n *Network) Seed() uint64 { return n.cfg.Seed }

// Nodes returns the nodes that have not been removed, running or not, in no particular but always
// the same order. The caller may not change the slice, and it is valid until a node is added or
// removed.
func (n *Network) Nodes() []*Node { return n.nodes }

// Run lets d of time pass. Called from within an event it does nothing.
func (n *Network) Run(d time.Duration) { n.RunUntil(d, nil) }

// RunUntil lets time pass until done reports true, which is asked after each event, but no more
// than d. It reports whether done did. A nil done never does. Called from within an event it
// reports false at once.
func (n *Network) RunUntil(d time.Duration, done func() bool) bool {
	if n.running {
		return false
	}
	n.running = true
	defer func() { n.running = false }()
	if done != nil && done() {
		return true
	}
	end := n.now + max(d, 0)
	for n.step(end) {
		if done != nil && done() {
			return true
		}
	}
	n.now = end
	return false
}

// step lets the earliest event happen if it is due at end. Of two at the same time the one that was
// made first comes first.
func (n *Network) step(end time.Duration) bool {
	q := &n.flying
	if n.alarms.before(&n.flying) {
		q = &n.alarms
	}
	if q.first() > end {
		return false
	}
	e := q.pop()
	n.now = e.at
	e.what.happen(n)
	return true
}

// At has f called at time t, or at once after what is going on if that has passed.
func (n *Network) At(t time.Duration, f func()) { n.alarm(max(t, n.now), call(f)) }

// After has f called when d has passed.
func (n *Network) After(d time.Duration, f func()) { n.At(n.now+d, f) }

// call is a function of the test as an event.
type call func()

func (f call) happen(*Network) { f() }

func (n *Network) alarm(at time.Duration, what happening) {
	n.seq++
	n.alarms.push(event{at, n.seq, what})
}

// Rand returns a number in [0, k) from the network's generator, for tests that leave something to
// chance. It returns 0 if k is not positive.
func (n *Network) Rand(k int) int {
	if k <= 0 {
		return 0
	}
	return n.rng.IntN(k)
}

// wall is the time on the wall in milliseconds.
func (n *Network) wall() uint64 { return wallStart + uint64(n.now/time.Millisecond) }
