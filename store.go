package discv5

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/goid"
)

// NodeStore keeps what a node remembers between two runs; see Config.Store. Package nodestore has
// one that is a file. A NodeStore may be shared by nodes of one process that have different keys.
// One goroutine of a node at a time calls its methods. They may block, and should end: Close of the
// node waits for the last save.
type NodeStore interface {
	// LocalRecord returns the record that was last saved for a node ID, or nil if there is none.
	LocalRecord(id enr.ID) (*enr.Record, error)
	// SaveLocalRecord saves a node's own record. The record is durable when it returns: no peer
	// sees the record before, so that its sequence number never falls back.
	SaveLocalRecord(r *enr.Record) error

	// Addresses returns what was last saved about the addresses of a node ID, or nil.
	Addresses(id enr.ID) ([]AddressState, error)
	// SaveAddresses saves what the node knows of its own addresses.
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
	// MaxSeeds bounds the nodes of a store that a node starts from. It contacts them all.
	MaxSeeds = 128

	// seedTrial is how long a node of the store has to answer. It is contacted several times.
	seedTrial = 2 * time.Minute
)

// saver keeps Config.Store up to date.
type saver struct {
	n     *Node
	store NodeStore // nil: nothing is saved

	saves, failures atomic.Uint64

	// The goroutine that saves owns these.
	live  map[enr.ID]struct{} // at the last save
	seeds []enr.ID            // that are on trial
	start time.Duration
}

// load puts what a store remembers into cfg.
func (cfg *Config) load() error {
	s := cfg.Store
	if s == nil {
		return nil
	}
	id := cfg.PrivateKey.ID()
	r, err := s.LocalRecord(id)
	if err != nil {
		return fmt.Errorf("discv5: read the local record of the store: %w", err)
	}
	if r != nil && r.ID() == id && (cfg.Previous == nil || cfg.Previous.Seq() < r.Seq()) {
		cfg.Previous = r
	}
	if cfg.PreviousAddresses == nil {
		states, err := s.Addresses(id)
		if err != nil {
			return fmt.Errorf("discv5: read the addresses of the store: %w", err)
		}
		// what a store says is no mistake of the program's
		if checkPreviousAddresses(states) == nil {
			cfg.PreviousAddresses = states
		}
	}
	nodes, err := s.Nodes(MaxSeeds)
	if err != nil {
		return fmt.Errorf("discv5: read the nodes of the store: %w", err)
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
	s.n, s.store, s.start = n, n.cfg.Store, n.clock.Now()
	if s.store == nil {
		return nil
	}
	for _, c := range n.cfg.seeds {
		s.seeds = append(s.seeds, c.ID())
	}
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
	return fmt.Errorf("discv5: save in the store: %w", err)
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

// save saves what the node knows.
func (s *saver) save() {
	n := s.n
	if s.count(s.store.SaveAddresses(n.ID(), n.AddressStates())) != nil {
		return
	}
	var nodes []SeenNode
	present, live := make(map[enr.ID]struct{}), make(map[enr.ID]struct{})
	for k := range n.AllNodes() {
		id := k.Record.ID()
		present[id] = struct{}{}
		if k.Live {
			live[id] = struct{}{}
			nodes = append(nodes, SeenNode{k.Record, k.LastSeen})
		}
	}
	s.count(s.store.SaveNodes(nodes, s.failed(present, live)))
}

// failed returns the nodes that have failed: those that were live at the last save and have left
// the table, and nodes of the store that have not answered in time. If no node is live, or more
// have left than remain, this node itself may have no network, and nobody has failed.
func (s *saver) failed(present, live map[enr.ID]struct{}) (failed []enr.ID) {
	for id := range s.live {
		if _, ok := present[id]; !ok {
			failed = append(failed, id)
		}
	}
	s.live = live
	if len(live) == 0 {
		return nil
	}
	if len(failed) > len(live) {
		failed = nil
	}
	if s.seeds != nil && s.n.clock.Now()-s.start > seedTrial {
		for _, id := range s.seeds {
			if _, ok := present[id]; !ok && !slices.Contains(failed, id) {
				failed = append(failed, id)
			}
		}
		s.seeds = nil
	}
	return failed
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
