package fleet

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	beatInterval = 3 * time.Second
	// aliveFor is how long a member counts as present without a new heartbeat.
	aliveFor = 4 * beatInterval
	// banInterval is the time between two looks at the bans.
	banInterval = 5 * time.Second
	// writeInterval is the time between two looks at which nodes have to be written.
	writeInterval = 5 * time.Second
	// A look at all nodes takes its time from the servers and this machine: the pause after it is
	// scanRatio times as long, within bounds.
	scanRatio = 50
	scanMin   = 30 * time.Second
	scanMax   = 10 * time.Minute
	// A look that something asks for comes sooner.
	wakeRatio = 5
	wakeMin   = time.Second
	// retryPause follows a failure.
	retryPause = time.Second
)

// MemberConfig describes a member of a fleet.
type MemberConfig struct {
	Conn *Conn
	// Prefix begins the names of all buckets. Fleets and networks with different ones share
	// nothing. See Prefix.
	Prefix string
	// Name is unique in the fleet; see ValidName.
	Name    string
	Version string // of the program
	// WriteRate is how many nodes the member writes in a second. Default: DefaultWriteRate.
	WriteRate int
	// Lease, if not nil, is shown with the state of the member.
	Lease *Lease
	Log   *slog.Logger
}

// DefaultWriteRate is the default of MemberConfig.WriteRate.
const DefaultWriteRate = 50

// Prefix returns the prefix of the buckets of a network.
func Prefix(network string) string { return "discv5-" + network }

// Node is what a Member needs of the node that it shares for. All functions are called from
// goroutines of the Member.
type Node struct {
	ID enr.ID
	// Record returns the present record of the node.
	Record func() *enr.Record
	// Seen returns the nodes that answer.
	Seen func() []Seen
	// Has reports whether the node needs no candidate with an ID, such as one that it knows.
	Has func(enr.ID) bool
	// Try contacts candidates. Their records are verified, and nothing else is known of them.
	Try func(context.Context, []*enr.Record)
	// Load returns the load of the node.
	Load func() Load
	// Bans returns the bans of the node's own settings, and SetBans replaces those of the fleet.
	Bans    func() []Ban
	SetBans func([]Ban)
}

// Seen is a node that answers.
type Seen struct {
	Record *enr.Record
	At     time.Time // of its last answer
}

// Load is the load of a member.
type Load struct {
	PacketsIn  uint64 `json:"packets_in"` // since the start
	PacketsOut uint64 `json:"packets_out"`
	Sessions   int    `json:"sessions"`
	Table      int    `json:"table"`
	Live       int    `json:"live"`
}

// Member shares what a node learns with the other members of a fleet, and the other way round. It
// works in goroutines of its own, with deadlines, and holds nothing back for a fleet that does not
// take it: nothing of it can slow the node down.
type Member struct {
	cfg     MemberConfig
	counts  counts
	nodes   handle
	bans    handle
	members handle

	instance string
	kick     chan struct{} // asks for a look at all nodes
	failures chan enr.ID

	mu      sync.Mutex
	node    *Node
	cached  []*enr.Record // candidates of a standby
	state   MemberState
	told    [numOperations]bool // the log has the problem
	beats   uint64
	others  map[string]*presence
	written map[enr.ID]writtenNode // what this member has written; only write uses it and round
	round   uint64
	// writtenTo is when the bucket was made that written is about.
	writtenTo time.Time
}

// MemberState is the state of a Member and its fleet for people.
type MemberState struct {
	Conn    State
	Lease   *LeaseState // nil without an identity
	Members []Info      // by name
	Nodes   int         // entries at the last look at all nodes
	Scanned time.Time   // when that look ended; zero for never
	Wrote   time.Time   // last successful write
	Bans    int         // bans of other members that are in force
	// Problem says in a single line why the fleet does not work; it is empty if it does.
	Problem string
	// ProblemSince is when it began.
	ProblemSince time.Time

	problems [numOperations]string
	since    [numOperations]time.Time
}

// Operations of a member, each with its own problem.
type operation int

const (
	opBeat operation = iota
	opNodes
	opScan
	opBans
	numOperations
)

// NewMember returns a Member. Run makes it work.
func NewMember(cfg MemberConfig) (*Member, error) {
	if !ValidName(cfg.Name) {
		return nil, errors.Join(ErrConfig, errors.New("the name of a member is 1 to 64 letters, digits, - and _"))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.WriteRate <= 0 {
		cfg.WriteRate = DefaultWriteRate
	}
	m := &Member{
		cfg: cfg, instance: random(), kick: make(chan struct{}, 1), failures: make(chan enr.ID, maxFailures),
		others: make(map[string]*presence), written: make(map[enr.ID]writtenNode),
	}
	m.nodes = handle{conn: cfg.Conn, bucket: Bucket{Name: cfg.Prefix + "_nodes", MaxBytes: nodeBytes, MaxValue: maxNodeValue, TTL: nodeTTL}}
	m.bans = handle{conn: cfg.Conn, bucket: Bucket{Name: cfg.Prefix + "_bans", MaxBytes: banBytes, MaxValue: maxBanValue, TTL: banTTL}}
	m.members = handle{conn: cfg.Conn, bucket: Bucket{Name: cfg.Prefix + "_members", MaxBytes: memberBytes, MaxValue: maxMemberValue, TTL: memberTTL}}
	return m, nil
}

// SetNode sets the node that the member shares for, or nil. With a Node that has an ID and no
// functions the member prepares candidates for that ID: it is for a standby.
func (m *Member) SetNode(n *Node) {
	m.mu.Lock()
	if m.node == nil || n == nil || m.node.ID != n.ID {
		m.cached = nil
	}
	m.node = n
	m.mu.Unlock()
	m.wake()
}

// wake asks for a look at all nodes soon.
func (m *Member) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

func (m *Member) current() *Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.node
}

// Run shares until ctx ends.
func (m *Member) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { m.every(ctx, beatInterval, opBeat, m.beat) })
	all.Go(func() { m.every(ctx, writeInterval, opNodes, m.write) })
	all.Go(func() { m.every(ctx, banInterval, opBans, m.shareBans) })
	all.Go(func() { m.scans(ctx) })
	all.Wait()
}

// every calls f at intervals until ctx ends. After a failure it retries sooner.
func (m *Member) every(ctx context.Context, interval time.Duration, op operation, f func(context.Context) error) {
	for {
		err := f(ctx)
		m.problem(op, err)
		wait := interval
		if err != nil {
			wait = min(wait, retryPause)
		}
		// Members that start at the same time do not write at the same time.
		wait += rand.N(wait / 10)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// problem notes the result of an operation.
func (m *Member) problem(op operation, err error) {
	text := ""
	if err != nil {
		text = oneLine(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[op] = m.told[op] && err != nil; !m.told[op] && worthLogging(err) {
		m.told[op] = true
		m.cfg.Log.Warn("the fleet does not do what it should", "err", text)
	}
	if (m.state.problems[op] == "") != (text == "") {
		m.state.since[op] = time.Now()
	}
	m.state.problems[op] = text
}

// worthLogging reports whether an error of a call says more than that no server is connected, which
// the Conn logs, or that this process ends.
func worthLogging(err error) bool {
	return err != nil && !errors.Is(err, ErrUnreachable) && !errors.Is(err, context.Canceled)
}

// State returns the state of the member.
func (m *Member) State() MemberState {
	conn := m.cfg.Conn.State()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Conn = conn
	s.Members = m.present(now())
	if m.cfg.Lease != nil {
		l := m.cfg.Lease.State()
		s.Lease = &l
	}
	switch {
	case !conn.Connected:
		s.Problem, s.ProblemSince = "no server of the fleet is connected", conn.Since
		if conn.Err != "" {
			s.Problem += ": " + conn.Err
		}
	case s.Lease != nil && s.Lease.Err != "":
		s.Problem, s.ProblemSince = s.Lease.Err, s.Lease.ErrSince
	default:
		if i := slices.IndexFunc(s.problems[:], func(p string) bool { return p != "" }); i >= 0 {
			s.Problem, s.ProblemSince = s.problems[i], s.since[i]
		}
	}
	return s
}

// Counts returns the counts since the start.
func (m *Member) Counts() (list [NumCounts]uint64) {
	for i := range list {
		list[i] = m.counts[i].Load()
	}
	return list
}
