package discv5

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
)

const (
	// MaxStaticNodes bounds the static and trusted nodes together.
	MaxStaticNodes = 1024

	// staticTick is the time between two looks for static nodes to contact, staticChecks how many
	// are contacted at each.
	staticTick   = 250 * time.Millisecond
	staticChecks = 64
	// staticPause is the time between two PINGs to a static node that answers: sessions and NAT
	// mappings last longer. After a failure the next PING follows after staticFirst, then after
	// twice as long each time, up to staticMost.
	staticPause = 30 * time.Second
	staticFirst = time.Second
	staticMost  = 5 * time.Minute
)

// ErrStaticNodes means that a node has MaxStaticNodes static and trusted nodes already.
var ErrStaticNodes = errors.New("discv5: too many static and trusted nodes")

// StaticNode is a node that this one stays in contact with; see Config.StaticNodes.
type StaticNode struct {
	ID      enr.ID
	Trusted bool
	Record  *enr.Record    // the newest that is known, or nil
	Addr    netip.AddrPort // of the last contact
	// Live says that the last PING was answered.
	Live bool
	// Answered is when the node last answered, zero for never.
	Answered time.Time
	// Failures counts the contacts in a row that failed, and Err says how the last one did.
	Failures int
	Err      error
	// Next is when the node is contacted next.
	Next time.Time
}

// staticNodes keeps in contact with the nodes that the program names.
type staticNodes struct {
	n *Node

	running bool // run has begun; Node.closeMu guards it

	mu   sync.Mutex
	list []*staticNode
	byID map[enr.ID]*staticNode
}

// staticNode is the state of one of them. staticNodes.mu guards it.
type staticNode struct {
	given   Contact // as the program named it
	id      enr.ID
	trusted bool
	record  *enr.Record
	addr    netip.AddrPort

	live, answeredOnce bool
	answered           time.Duration
	failures           int
	err                error
	next               time.Duration
	busy               bool        // a request is under way
	offer              *enr.Record // to be offered to the table
}

// init takes over the nodes of the Config.
func (s *staticNodes) init(n *Node) error {
	s.n, s.byID = n, make(map[enr.ID]*staticNode)
	for i, c := range n.cfg.StaticNodes {
		if err := s.add(c, false); err != nil {
			return fmt.Errorf("%w: StaticNodes: node %d: %w", ErrConfig, i+1, err)
		}
	}
	for i, c := range n.cfg.TrustedNodes {
		if err := s.add(c, true); err != nil {
			return fmt.Errorf("%w: TrustedNodes: node %d: %w", ErrConfig, i+1, err)
		}
	}
	return nil
}

// add adds a node or makes one that is there trusted.
func (s *staticNodes) add(c Contact, trusted bool) error {
	if c.record == nil && !c.peer.Addr.IsValid() {
		return ErrNoEndpoint
	}
	id := c.ID()
	if id == s.n.cfg.PrivateKey.ID() {
		return ErrSelf
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byID[id]; x != nil {
		x.given, x.trusted, x.next = c, x.trusted || trusted, 0
		if r := c.Record(); r != nil && (x.record == nil || r.Seq() > x.record.Seq()) {
			x.record = r
		}
	} else {
		if len(s.list) >= MaxStaticNodes {
			return fmt.Errorf("%w: %d", ErrStaticNodes, MaxStaticNodes)
		}
		x := &staticNode{given: c, id: id, trusted: trusted, record: c.Record()}
		s.list, s.byID[id] = append(s.list, x), x
	}
	if !trusted {
		return nil
	}
	return s.n.cfg.Access.Permit(limits.NodeTarget([32]byte(id)), limits.Forever)
}

// trusts implements table.Config.Trusted.
func (s *staticNodes) trusts(id enr.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[id]
	return x != nil && x.trusted
}

// run contacts the nodes that are due until the node is closed.
func (s *staticNodes) run(self *loop) {
	for s.n.pause(context.Background(), staticTick) {
		for _, x := range s.due() {
			s.contact(x)
		}
		for _, r := range s.offers() {
			self.enter() // the table filter is the program's
			s.n.engine.Offer(s.n.clock.Now(), r)
			self.leave()
		}
	}
}

// start begins to contact nodes if there are any. closeMu is held.
func (s *staticNodes) start() {
	s.mu.Lock()
	any := len(s.list) > 0
	s.mu.Unlock()
	if any && !s.running {
		s.running = true
		s.n.background(s.run)
	}
}

// added starts the work for a node that was added.
func (s *staticNodes) added() {
	s.n.closeMu.Lock()
	if s.n.state.Load() == stateStarted {
		s.start()
	}
	s.n.closeMu.Unlock()
	s.n.changed()
}

// due returns the nodes to contact now and marks them as busy.
func (s *staticNodes) due() (list []*staticNode) {
	now := s.n.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if !x.busy && x.next <= now && len(list) < staticChecks {
			x.busy = true
			list = append(list, x)
		}
	}
	return list
}

// offers takes the records to be offered to the table.
func (s *staticNodes) offers() (list []*enr.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if x.offer != nil {
			list = append(list, x.offer)
			x.offer = nil
		}
	}
	return list
}

// target returns how to contact x: by its newest record, and where that has failed every other time
// as the program named it.
func (s *staticNodes) target(x *staticNode) Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.record == nil || x.failures%2 == 1 {
		return x.given
	}
	return ContactOf(x.record)
}

// contact sends a PING to x.
func (s *staticNodes) contact(x *staticNode) {
	to := s.target(x)
	peer, err := to.resolve(s.n.engine)
	if err != nil {
		s.done(x, peer.Addr, engine.Result{Err: err})
		return
	}
	s.n.requester.do(func(w *engine.Worker) {
		w.Start(engine.Request{Type: codec.TypePing, Peer: peer, NoFallback: to.at, Done: func(w *engine.Worker, r engine.Result) {
			if r.Err != nil || !s.outdated(x, r.Pong.RecordSeq) {
				s.done(x, peer.Addr, r)
				return
			}
			w.Start(engine.Request{Type: codec.TypeFindNode, Distances: []uint{0}, Peer: peer, NoFallback: to.at, Done: func(_ *engine.Worker, r engine.Result) {
				s.done(x, peer.Addr, engine.Result{Records: r.Records}) // that it answers is known
			}})
		}})
	})
}

// outdated reports whether the node has a newer record than is known.
func (s *staticNodes) outdated(x *staticNode, seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return x.record == nil || x.record.Seq() < seq
}

// done notes the end of a contact.
func (s *staticNodes) done(x *staticNode, at netip.AddrPort, r engine.Result) {
	now := s.n.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	x.busy, x.addr, x.err, x.live = false, at, r.Err, r.Err == nil
	if r.Err != nil {
		x.failures = min(x.failures+1, 1<<30)
		x.next = now + s.jitter(min(staticFirst<<min(x.failures-1, 16), staticMost))
		return
	}
	for _, rec := range r.Records {
		if rec.ID() == x.id && (x.record == nil || rec.Seq() > x.record.Seq()) {
			x.record = rec
		}
	}
	x.failures, x.answered, x.answeredOnce = 0, now, true
	x.next = now + s.jitter(staticPause)
	x.offer = x.record
}

// jitter changes d by up to a tenth either way, so that nodes that fail together are not contacted
// together.
func (s *staticNodes) jitter(d time.Duration) time.Duration {
	var b [8]byte
	io.ReadFull(s.n.random(), b[:])
	return d - d/10 + time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(d/5))
}

// AddStaticNode adds to Config.StaticNodes. A node that is there is contacted now, as c says. The
// error wraps ErrStaticNodes, ErrNoEndpoint or ErrSelf.
func (n *Node) AddStaticNode(c Contact) error {
	if err := n.static.add(c, false); err != nil {
		return errorf("discv5: add static node %s: %w", c.ID().Short(), err)
	}
	n.static.added()
	return nil
}

// AddTrustedNode adds to Config.TrustedNodes. A static node becomes trusted. Errors are those of
// AddStaticNode, and those of Permit.
func (n *Node) AddTrustedNode(c Contact) error {
	if err := n.static.add(c, true); err != nil {
		return errorf("discv5: add trusted node %s: %w", c.ID().Short(), err)
	}
	n.engine.Table().Remove(n.clock.Now(), c.ID()) // it comes back as a trusted one
	n.static.added()
	return nil
}

// RemoveStaticNode ends what AddStaticNode, AddTrustedNode or the Config began for a node: the
// table treats it like any other. It reports whether the node was there.
func (n *Node) RemoveStaticNode(id enr.ID) bool {
	s := &n.static
	s.mu.Lock()
	x := s.byID[id]
	if x != nil {
		s.list = slices.DeleteFunc(s.list, func(o *staticNode) bool { return o == x })
		delete(s.byID, id)
	}
	s.mu.Unlock()
	if x != nil && x.trusted {
		n.cfg.Access.Remove(limits.Permit, limits.NodeTarget([32]byte(id)))
		n.engine.Table().Remove(n.clock.Now(), id) // it must return as a node that is not trusted
	}
	return x != nil
}

// StaticNodes lists the static and trusted nodes and how contact with each goes.
func (n *Node) StaticNodes() []StaticNode {
	s := &n.static
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]StaticNode, len(s.list))
	for i, x := range s.list {
		list[i] = StaticNode{ID: x.id, Trusted: x.trusted, Record: x.record, Addr: x.addr, Live: x.live, Failures: x.failures, Err: x.err, Next: n.wall(x.next)}
		if x.answeredOnce {
			list[i].Answered = n.wall(x.answered)
		}
	}
	return list
}
