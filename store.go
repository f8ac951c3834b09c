package discv5

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/failed"
	"github.com/fastdisc/discv5/internal/goid"
)

// NodeStore keeps a node's memory between two runs; see Config.Store. Package nodestore has
// one that is a file. A NodeStore may be shared by nodes of one process that have different keys.
// One goroutine of a node at a time calls its methods. They may block, and should end: Close of the
// node waits for the last save.
type NodeStore interface {
	// LocalRecord returns the record that was last saved for a node ID, or nil if there is none.
	LocalRecord(id enr.ID) (*enr.Record, error)
	// SaveLocalRecord saves a node's own record. The record is durable when it returns: no peer
	// sees the record before, so that its sequence number never falls back.
	SaveLocalRecord(r *enr.Record) error

	// Addresses returns the states of a node ID's addresses that were last saved, or nil.
	Addresses(id enr.ID) ([]AddressState, error)
	// SaveAddresses saves the states of the node's own addresses.
	SaveAddresses(id enr.ID, states []AddressState) error

	// Nodes returns at most max other nodes to start from, the best first.
	Nodes(max int) ([]*enr.Record, error)
	// SaveNodes notes which nodes answer and which have failed since the last call. A store that is
	// full forgets the worst.
	SaveNodes(live []SeenNode, failed []enr.ID) error
}

// SeenNode is a node that answers, for a NodeStore.
type SeenNode struct {
	Record *enr.Record
	Seen   time.Time // when it last answered
}

const (
	// DefaultSaveInterval is the default of Config.SaveInterval.
	DefaultSaveInterval = time.Minute
	// MaxSeeds bounds the nodes of a store that a node starts from. It contacts all of them at the
	// same time.
	MaxSeeds = failed.MaxSeeds
)

// saver keeps Config.Store up to date.
type saver struct {
	n     *Node
	store NodeStore // nil: nothing is saved

	saves, failures atomic.Uint64

	tracker *failed.Tracker // owned by the goroutine that saves
}

// load puts the content of a store into cfg.
func (cfg *Config) load() error {
	s := cfg.Store
	if s == nil {
		return nil
	}
	id := cfg.PrivateKey.ID()
	r, err := s.LocalRecord(id)
	if err != nil {
		return errorf("discv5: read the local record of the store: %w", err)
	}
	if r != nil && r.ID() == id && (cfg.Previous == nil || cfg.Previous.Seq() < r.Seq()) {
		cfg.Previous = r
	}
	if cfg.PreviousAddresses == nil {
		states, err := s.Addresses(id)
		if err != nil {
			return errorf("discv5: read the addresses of the store: %w", err)
		}
		// a wrong content of a store is not a mistake of the program
		if checkPreviousAddresses(states) == nil {
			cfg.PreviousAddresses = states
		}
	}
	nodes, err := s.Nodes(MaxSeeds)
	if err != nil {
		return errorf("discv5: read the nodes of the store: %w", err)
	}
	for _, r := range nodes[:min(len(nodes), MaxSeeds)] {
		if r != nil && r.ID() != id && r.CheckUDP() == nil {
			cfg.seeds = append(cfg.seeds, ContactOf(r).Unvouched())
		}
	}
	return nil
}

// withSeeds appends the nodes of the store to a list of bootnodes that does not have them.
func (cfg *Config) withSeeds(list []Contact) []Contact {
	all := slices.Clone(list)
	for _, s := range cfg.seeds {
		if !slices.ContainsFunc(list, func(c Contact) bool { return c.ID() == s.ID() }) {
			all = append(all, s)
		}
	}
	return all
}

// init saves the node's first record.
func (s *saver) init(n *Node) error {
	s.n, s.store = n, n.cfg.Store
	if s.store == nil {
		return nil
	}
	var seeds []enr.ID
	for _, c := range n.cfg.seeds {
		seeds = append(seeds, c.ID())
	}
	s.tracker = failed.NewTracker(seeds, n.clock.Now()+failed.SeedTrial)
	return s.saveRecord(n.LocalRecord())
}

// saveRecord saves a local record that nobody has seen.
func (s *saver) saveRecord(r *enr.Record) error {
	if s.store == nil {
		return nil
	}
	return s.count(s.store.SaveLocalRecord(r))
}

// count counts a save and logs why one failed.
func (s *saver) count(err error) error {
	if err == nil {
		s.saves.Add(1)
		return nil
	}
	s.failures.Add(1)
	s.n.log.say(slog.LevelError, "the store cannot save", slog.String("err", err.Error()))
	return errorf("discv5: save in the store: %w", err)
}

// run saves now and then until the node is closed, and once more then.
func (s *saver) run(self *loop) {
	for s.n.pause(context.Background(), s.n.cfg.SaveInterval) {
		self.enter()
		s.save()
		self.leave()
	}
	if s.n.machine == nil { // Close waits for this one
		s.save()
	}
}

// save saves the node's record, addresses and known nodes.
func (s *saver) save() {
	n := s.n
	if s.count(s.store.SaveAddresses(n.ID(), n.AddressStates())) != nil {
		return
	}
	var nodes []SeenNode
	for k := range n.AllNodes() {
		s.tracker.Saw(k.Record.ID(), k.Live)
		if k.Live {
			nodes = append(nodes, SeenNode{k.Record, k.LastSeen})
		}
	}
	lost, _ := s.tracker.Failed(n.clock.Now())
	s.count(s.store.SaveNodes(nodes, lost))
}

// closedByOwn reports whether a goroutine of the node's that Close waits for calls Close of the
// node that is being closed: it must not wait for itself.
func (n *Node) closedByOwn() bool {
	if n.state.Load() != stateClosed {
		return false
	}
	_, own := n.loops.byGoroutine.Load(goid.ID())
	return own
}
