package simnet

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/virtual"
)

// Config says what a network is like. The zero value is one without loss whose delays follow
// geography.
type Config struct {
	// Seed decides everything that is random. Equal seeds and equal calls give equal runs.
	Seed uint64
	// Conditions apply to datagrams from the start; see SetConditions.
	Conditions Conditions
	// InsecureCurve replaces the arithmetic of handshakes by hashes, in all nodes. Nodes with it
	// understand each other and nobody else. Handshakes then cost microseconds in place of most of
	// a millisecond, so that a test can have thousands of nodes. It is no cryptography.
	InsecureCurve bool
	// TaskTime is the time that a node takes for one handshake task; default 0. With it, queues
	// fill under load.
	TaskTime time.Duration
	// Audit has every Audit-th node audited; default 1, all of them. Negative: none.
	Audit int
	// Records bounds the cache of verified records that all nodes share; default 65536.
	Records int
	// OnDatagram, if not nil, is called when a datagram has been delivered or dropped. It must not
	// let time pass.
	OnDatagram func(Datagram, Fate)
}

// Errors of this package.
var (
	ErrAddrUsed = errors.New("simnet: address is in use")
	ErrAddr     = errors.New("simnet: address cannot be used")
	ErrDown     = errors.New("simnet: node is not running")
)

const (
	// TickInterval is the grid on which nodes are ticked.
	TickInterval = virtual.TickInterval
	// Housekeeping is the longest time between two ticks of a node.
	Housekeeping = 10 * time.Minute
	// SweepInterval is the time after which a tick looks at all sessions of a node, to end those
	// that have been idle for too long. A node on sockets goes round every few seconds.
	SweepInterval = 30 * time.Minute

	never = time.Duration(math.MaxInt64)

	// wallStart is the time at which every network starts, in milliseconds since 1970.
	// Sequence numbers of records start with the time, so that a node that has lost them does not
	// fall back.
	wallStart = 1_750_000_000_000
)

// Network is a set of nodes and sockets on one virtual clock. Make one with New.
type Network struct {
	scheduler
	cfg   Config
	clock atomic.Int64 // time of the last event

	// mu guards everything up to nodes. Functions of the test that are called with it must not
	// call methods of the network: Conditions.Delay.
	mu      sync.Mutex
	cond    Conditions
	seq     uint64 // of events
	flying  events
	alarms  events
	rng     *rand.Rand          // for datagrams; nodes have generators of their own
	hosts   map[netip.Addr]host // public addresses
	nats    int
	given4  uint32
	given6  uint32
	filter  func(Datagram) bool
	split   bool
	free    []*packet
	trace   xxhash.Digest // of all datagrams
	traffic Traffic

	// Functions that add and remove nodes have these to themselves.
	nodes        []*Node    // running or not, but not removed
	made         int        // nodes ever
	records      *enr.Cache // all nodes share this, and the memory that follows
	nodesBuffers engine.NodesBuffers
	past         window // what nodes had counted that are no more
	audit        audit
}

// New returns an empty network at time 0. The error is a *RangeError.
func New(cfg Config) (*Network, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Audit == 0 {
		cfg.Audit = 1
	}
	if cfg.Records == 0 {
		cfg.Records = 1 << 16
	}
	n := &Network{
		cfg: cfg, cond: cfg.Conditions.withDefaults(),
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0x6e6574776f726b)),
		records: enr.NewCache(cfg.Records, cfg.Seed),
		hosts:   make(map[netip.Addr]host),
	}
	n.trace.Reset()
	n.scheduler.init()
	return n, nil
}

// Seed returns the seed of the run.
func (n *Network) Seed() uint64 { return n.cfg.Seed }

// Nodes returns the nodes that have not been removed, running or not. The order is arbitrary, but
// the same in every run.
func (n *Network) Nodes() []*Node { return slices.Clone(n.nodes) }

// Close ends all nodes and the goroutines that wait for them. ForTest does it when the test ends.
func (n *Network) Close() {
	for _, nd := range n.nodes {
		nd.Crash()
	}
	if n.live.Load() == nil {
		n.RunUntil(0, nil)
		n.resumeReady()
	}
}

// Rand returns a number in [0, k) from the network's generator, for tests that need
// one. It returns 0 if k is not positive.
func (n *Network) Rand(k int) int {
	if k <= 0 {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(k)
}

// wall returns the time of day.
func (n *Network) wall() time.Time {
	if n.live.Load() != nil {
		return time.Now()
	}
	return time.UnixMilli(wallStart).Add(n.Now()).UTC()
}
