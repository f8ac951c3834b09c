package engine

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/table"
)

const (
	// checksPerTick bounds the liveness checks that one Tick starts, so that they never come in a
	// burst.
	checksPerTick = 8
	// fewNodes is the table size below which the node refreshes more often and contacts bootnodes.
	fewNodes = table.DefaultBucketSize
	// eagerRefresh is the pause between lookups while the table is that small. It doubles up to
	// RefreshInterval while lookups find nothing.
	eagerRefresh = 2 * time.Second
	// maxBootAnswered bounds the bootnodes whose first response starts a lookup.
	maxBootAnswered = 1024
)

// maintenance keeps the table full and up to date: it checks nodes, fetches newer records and makes
// lookups. Tick drives it.
type maintenance struct {
	mu           sync.Mutex
	due          []table.Node // scratch
	updates      []recordUpdate
	expire       []*call         // scratch
	bootAnswered map[enr.ID]bool // bootnodes with a response since Bootstrap
	announced    announcement

	// The following belongs to Tick alone.
	next  time.Duration // when the next refreshing lookup starts
	pause time.Duration // between that one and the next
	round int
	live  int // live nodes at the last lookup

	bootnodes atomic.Pointer[[]Peer]
	states    bootnodeStates

	lookSoon  atomic.Bool  // a bootnode has entered the table: look up soon
	bootstrap atomic.Bool  // start over; see Bootstrap
	active    atomic.Int32 // concurrent lookups
}

func (m *maintenance) init() {
	m.bootnodes.Store(new([]Peer))
	m.due = make([]table.Node, 0, checksPerTick)
	m.pause = eagerRefresh
}

// Tick does all work that is due. Call it about twenty times a second, always from the same
// goroutine.
func (w *Worker) Tick(now time.Duration) {
	w.now = now
	w.e.ticked.Store(int64(now))
	w.timeouts()
	w.e.sessions.Sweep(now)
	w.revalidate()
	w.fetchUpdates()
	w.judgeRestarts()
	w.announce()
	w.refresh()
	w.updateAddress()
	w.tickTopics()
	if w.e.cfg.Access != nil {
		w.e.cfg.Access.Sweep(now)
	}
	w.publish()
}

// revalidate sends PING to the nodes of the table whose check is due.
func (w *Worker) revalidate() {
	m := &w.e.maintain
	m.due = w.e.table.Due(w.now, m.due[:0], checksPerTick)
	for _, n := range m.due {
		w.check(n)
	}
}

func (w *Worker) check(n table.Node) {
	w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, n.Addr), NoFallback: true, Done: func(w *Worker, r Result) {
		if r.Err != nil {
			w.noteFailure(n.ID, n.Addr, r)
			return
		}
		// A record may also name an endpoint of the other family. It is relayed to users of that
		// family only after the node has answered there. Not all nodes entered the table through
		// offerVerified, which would have tested it.
		other := endpointOf(n.Record, netaddr.FamilyOf(n.Addr.Addr()).Other())
		if w.e.canSend(other) && w.e.believable(table.Class(n.Addr.Addr()), other) {
			w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, other), NoFallback: true, Done: func(*Worker, Result) {}}, budget.Named, nil)
		}
	}}, budget.Known, nil)
}

// noteFailure counts a failure against a node if the node is to blame. A failure that this node or
// an impatient caller caused does not count. Neither does one at an address at which the table no
// longer has the node: it may come from an old record that others still relay.
func (w *Worker) noteFailure(id enr.ID, at netip.AddrPort, r Result) {
	if !w.e.blames(r) {
		return
	}
	if n, _, ok := w.e.table.Get(id); ok && n.Addr == at {
		w.e.table.MarkFailed(w.now, id)
	}
}

// CanSend reports whether this node can send to an address: it has a socket of its family.
func (e *Engine) CanSend(a netip.AddrPort) bool { return e.canSend(a) }

func (e *Engine) canSend(a netip.AddrPort) bool {
	return a.IsValid() && (a.Addr().Is4() && e.cfg.IPv4 || a.Addr().Is6() && e.cfg.IPv6)
}

// requestRecord asks a peer for its record and offers it to the table if it matches the address of
// the peer.
func (w *Worker) requestRecord(p Peer, origin budget.Origin, done func(*Worker, Result)) {
	w.start(Request{Type: codec.TypeFindNode, Peer: p, Distances: []uint{0}, Done: func(w *Worker, r Result) {
		if r.Err == nil && len(r.Records) == 1 {
			w.e.responders.setRecord(r.Records[0])
			w.offerVerified(r.Records[0], p.Addr, false, byOwner)
		}
		done(w, r)
	}}, origin, nil)
}

// refresh starts the next lookup when its time has come: for the ID of this node and for random
// targets in turn. While few nodes are known, it contacts the bootnodes.
func (w *Worker) refresh() {
	e, m := w.e, &w.e.maintain
	if m.bootstrap.Swap(false) {
		m.next, m.pause, m.round, m.live = 0, eagerRefresh, 0, 0
		m.mu.Lock()
		m.bootAnswered = nil
		m.mu.Unlock()
	}
	// Bootnodes answer one after another. A lookup that runs finds the others without help.
	if m.active.Load() == 0 && m.lookSoon.Swap(false) {
		m.next, m.round = min(m.next, w.now), 0
	}
	if w.now < m.next {
		return
	}
	live := e.table.LiveLen()
	few := live < fewNodes
	switch {
	case !few:
		m.pause = e.cfg.RefreshInterval
	case live > m.live:
		m.pause = min(eagerRefresh, e.cfg.RefreshInterval)
	default:
		m.pause = min(m.pause*2, e.cfg.RefreshInterval)
	}
	m.live = live
	m.next = w.now + m.pause
	if few {
		w.contactBootnodes()
	} else {
		w.contactAbsent()
	}
	target := e.self
	if m.round++; m.round%4 != 1 {
		var random [32]byte
		w.random.Read(random[:])
		if t, ok := e.table.RefreshTarget(w.now, random); ok && !few {
			target = t
		} else {
			target = enr.ID(random)
		}
		e.table.MarkRefreshed(w.now, target)
	}
	w.lookup(target, lookup.Config{}, &feelers{asked: make(map[enr.ID]bool)}, nil, func(*Worker, LookupHandle) {})
}

// Bootstrap makes the next Tick contact the bootnodes and look up the ID of this node, as after a
// start.
func (e *Engine) Bootstrap() { e.maintain.bootstrap.Store(true) }

// contactBootnodes contacts the bootnodes that are not in the table, and recently removed nodes. A
// response brings them into the table if there is room, and a lookup follows.
func (w *Worker) contactBootnodes() {
	type place struct {
		id   enr.ID
		addr netip.AddrPort
	}
	asked := make(map[place]bool)
	bootnodes := *w.e.maintain.bootnodes.Load()
	for i, b := range slices.Concat(bootnodes, w.e.formerNodes()) {
		at, origin := place{b.ID, b.Addr}, budget.Operator
		if i >= len(bootnodes) {
			origin = budget.Known
		}
		if b.Listed {
			origin = budget.Named
		}
		if b.ID == w.e.self || asked[at] {
			continue
		}
		asked[at] = true
		_, s, had := w.e.table.Get(b.ID)
		if had && s.Live {
			continue
		}
		w.contact(b, origin, func(w *Worker, r Result) {
			if r.Err != nil {
				return
			}
			// There is a new node to start from: it has entered the table, or has answered for the
			// first time.
			if _, has := w.e.table.Seq(b.ID); w.e.maintain.firstAnswer(b.ID) || has && !had {
				w.e.maintain.lookSoon.Store(true)
			}
		})
	}
}

// firstAnswer reports whether a bootnode has not answered before, and notes that it has.
func (m *maintenance) firstAnswer(id enr.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bootAnswered[id] || len(m.bootAnswered) >= maxBootAnswered {
		return false
	}
	if m.bootAnswered == nil {
		m.bootAnswered = make(map[enr.ID]bool)
	}
	m.bootAnswered[id] = true
	return true
}

// contact sends a node a PING, or asks for its record if that is not known. A response brings the
// node into the table.
func (w *Worker) contact(p Peer, origin budget.Origin, done func(*Worker, Result)) {
	if origin == budget.Operator {
		done = w.noteBootnode(p, done)
	}
	if p.Record == nil {
		w.requestRecord(p, origin, done)
	} else {
		// The node is known to have been at this address only.
		w.start(Request{Type: codec.TypePing, Peer: p, NoFallback: origin != budget.Operator, Done: done}, origin, nil)
	}
}

// contactAbsent contacts one node that should be in the table and is not: a bootnode or a recently
// removed node, in turn. A network may be partitioned for so long that each part forgets the other.
// Then no node is short of nodes, and only this brings the parts together.
func (w *Worker) contactAbsent() {
	e, m := w.e, &w.e.maintain
	absent := func(list []Peer, origin budget.Origin) bool {
		if len(list) == 0 {
			return false
		}
		first := int(w.random.Uint32n(uint32(len(list))))
		for i := range list {
			p := list[(first+i)%len(list)]
			origin := origin
			if p.Listed {
				origin = budget.Named
			}
			if _, known := e.table.Seq(p.ID); !known && p.ID != e.self {
				w.contact(p, origin, func(*Worker, Result) {})
				return true
			}
		}
		return false
	}
	former := m.round%2 == 1
	if former && absent(e.formerNodes(), budget.Known) {
		return
	}
	if !absent(*m.bootnodes.Load(), budget.Operator) && !former {
		absent(e.formerNodes(), budget.Known)
	}
}

// formerNodes returns the recently removed nodes with the address at which each was contacted last.
// If they were removed because the network of this node was down, they are still there.
func (e *Engine) formerNodes() (list []Peer) {
	for _, n := range e.removed.all() {
		if e.canSend(n.addr) {
			list = append(list, lookup.NewPeer(n.record, n.addr))
		}
	}
	return list
}

// When the local record changes, the neighbors learn of it immediately: a PING carries the new
// sequence number, and peers that want the record ask for it. Otherwise they would learn of it with
// the next liveness check, minutes later.

const (
	// announcePause is the shortest time between two rounds. One round covers all changes in
	// between.
	announcePause = 5 * time.Second
	// announceMax bounds the neighbors of a round, the closest first, and announcePerTick the PINGs
	// of one Tick.
	announceMax     = 256
	announcePerTick = 8
)

// announcement is a round of PINGs. Only Tick uses it.
type announcement struct {
	seq   uint64        // of the last record announced
	next  time.Duration // no round starts before
	queue []table.Node
}

// announce sends a PING to live neighbors after a change of the local record.
func (w *Worker) announce() {
	e, a := w.e, &w.e.maintain.announced
	if seq := e.Record().Seq(); seq != a.seq && w.now >= a.next {
		a.seq, a.next = seq, w.now+announcePause
		a.queue = e.table.ClosestLive(e.self, announceMax, a.queue[:0])
	}
	k := min(len(a.queue), announcePerTick)
	for _, n := range a.queue[:k] {
		w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, n.Addr), NoFallback: true, Done: func(w *Worker, r Result) {
			if r.Err != nil {
				w.noteFailure(n.ID, n.Addr, r)
			}
		}}, budget.Known, nil)
	}
	if a.queue = a.queue[k:]; len(a.queue) == 0 {
		a.queue = nil
	}
}

// nextAnnouncement returns the time from which announce has work. Call it from the goroutine that
// calls Tick.
func (e *Engine) nextAnnouncement() time.Duration {
	a := &e.maintain.announced
	switch {
	case len(a.queue) > 0:
		return 0
	case e.Record().Seq() != a.seq:
		return a.next
	}
	return never
}

const never = time.Duration(math.MaxInt64)

// NextTick returns the time from which Tick has work. It serves programs that want to sleep rather
// than call Tick twenty times a second, such as a simulation of thousands of nodes or a device on a
// battery. The result holds until the next call of a method of the engine or of one of its workers,
// so use it only where one goroutine drives the engine. A time in the past means now.
//
// Housekeeping does not count, such as the end of idle sessions, votes and bans. A Tick every few
// minutes is enough for it, with Sessions().SweepAll if idle sessions must end on time. Call
// NextTick from the goroutine that calls Tick.
func (w *Worker) NextTick() time.Duration {
	e, m := w.e, &w.e.maintain
	m.mu.Lock()
	fetch := len(m.updates) > 0
	m.mu.Unlock()
	if fetch || m.bootstrap.Load() || m.lookSoon.Load() && m.active.Load() == 0 {
		return w.now
	}
	return min(m.next, e.calls.pending.nextExpiry(), e.table.NextDue(), e.nextCount(), e.restarts.nextDue(), e.nextAnnouncement(), e.nextTopics())
}

// NextExpiry returns the time from which a Tick ends a call without a response. Without calls that
// is the largest Duration.
func (e *Engine) NextExpiry() time.Duration { return e.calls.pending.nextExpiry() }

// Lookups returns the number of concurrent lookups.
func (e *Engine) Lookups() int { return int(e.maintain.active.Load()) }
