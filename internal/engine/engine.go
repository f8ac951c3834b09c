package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// Engine is the state of one node. It is safe for concurrent use.
type Engine struct {
	cfg          Config
	self         enr.ID
	sessions     *session.Map
	table        *table.Table
	records      *enr.Cache
	nodesBuffers *NodesBuffers
	hands        session.Handshaker
	local        atomic.Pointer[enr.Record]
	public       atomic.Bool // see SetPublic
	calls        calls
	inbound      taskQueue // handshakes of other nodes
	own          taskQueue // tasks of this node's calls
	maintain     maintenance
	address      address
	recordLock   recordLock // for changes of local
	shut         sync.Once
	closing      chan struct{} // see Shut
	removed      removedNodes
	budget       *budget.Budget
	ticked       atomic.Int64 // time of the last Tick
	withheld     withheld
	responders   responders
	restarts     restarts
	families     families
	wake         chan struct{}
	registrar    *topic.Registrar  // nil unless the node is one
	recordChecks *recordCheckLimit // as registrar
	topicRuns    topicRuns

	mu      sync.Mutex
	workers []*Worker
}

// New returns an engine. It does nothing until a worker drives it.
func New(cfg Config) (*Engine, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	var seeds [32]byte
	if _, err := io.ReadFull(cfg.Random, seeds[:]); err != nil {
		return nil, fmt.Errorf("discv5: seed: %w", err)
	}
	seed := func(i int) uint64 { return binary.LittleEndian.Uint64(seeds[8*i:]) }

	e := &Engine{self: cfg.Key.ID(), wake: make(chan struct{}, maxWoken), closing: make(chan struct{})}
	e.recordLock.init()
	cfg.Session.Seed, cfg.Session.Protocol = seed(0), cfg.Protocol
	if cfg.OnEvent != nil {
		cfg.Session.OnEnd = func(k *session.Key) { e.event(Event{Kind: SessionEnded, ID: k.ID(), Addr: k.AddrPort()}) }
	}
	if cfg.Peers != nil {
		cfg.Session.Hold, cfg.Session.Release = cfg.Peers.Hold, cfg.Peers.Release
	}
	e.sessions = session.NewMap(cfg.Session)
	if e.records = cfg.RecordCache; e.records == nil {
		e.records = enr.NewCache(cfg.Records, seed(1))
	}
	if e.nodesBuffers = cfg.NodesBuffers; e.nodesBuffers == nil {
		e.nodesBuffers = new(NodesBuffers)
	}
	e.hands = session.Handshaker{Key: cfg.Key, Curve: cfg.Curve, Records: e.records, Protocol: cfg.Protocol}
	e.budget = budget.New(seed(3), cmp.Or(cfg.Session.MaxSessions, session.DefaultMaxSessions))
	cfg.Table.Self, cfg.Table.Seed, cfg.Table.OnChange = e.self, seed(2), e.tableChanged
	cfg.Table.LowPorts = cfg.LowPorts
	e.table = table.New(cfg.Table)
	e.calls.init(cfg.MaxRequests)
	e.inbound.init(cfg.MaxTasks)
	e.own.init(cfg.MaxTasks)
	e.withheld.init()
	e.maintain.init()
	e.maintain.announced.seq = cfg.Record.Seq()
	e.cfg = cfg
	e.public.Store(cfg.Public)
	e.setLocal(cfg.Record)
	a := &e.address
	a.contacts.seed, a.came.seed, a.met.seed = seed(3), seed(3), seed(3)
	e.initAddress(cfg.Addresses)
	if err := e.initTopics(); err != nil {
		return nil, fmt.Errorf("discv5: registrar: %w", err)
	}
	return e, nil
}

// ID returns the node ID of this node.
func (e *Engine) ID() enr.ID { return e.self }

// Record returns the local record.
func (e *Engine) Record() *enr.Record { return e.local.Load() }

// Table returns the node table.
func (e *Engine) Table() *table.Table { return e.table }

// Sessions returns the session map.
func (e *Engine) Sessions() *session.Map { return e.sessions }

// Records returns the cache of verified records.
func (e *Engine) Records() *enr.Cache { return e.records }

// Pending returns the number of outstanding calls.
func (e *Engine) Pending() int { return e.calls.pending.size() }

// Tasks returns the number of queued tasks.
func (e *Engine) Tasks() int { return e.inbound.len() + e.own.len() }

// known returns the record of a node that is in the table or was removed recently, or nil.
func (e *Engine) known(id enr.ID) *enr.Record {
	if n, _, ok := e.table.Get(id); ok {
		return n.Record
	}
	return e.removed.find(id)
}

// Offer offers a node to the table by its record, with an endpoint that can be reached from here.
// The errors are ErrNoEndpoint and ErrBlocked.
func (e *Engine) Offer(now time.Duration, r *enr.Record) (table.AddResult, error) {
	p, err := e.PeerOf(r)
	if err != nil {
		return 0, err
	}
	if e.unwanted(now, r) {
		return 0, fmt.Errorf("%w: node %s", ErrBlocked, p.ID.Short())
	}
	return e.addToTable(now, table.NewNode(r, p.Addr, false)), nil
}

// unwanted reports whether the node of a record is banned, by its ID or one of its endpoints.
func (e *Engine) unwanted(now time.Duration, r *enr.Record) bool {
	a := e.cfg.Access
	if a == nil || r == nil {
		return false
	}
	id := [32]byte(r.ID())
	if a.BlockedID(now, &id) {
		return true
	}
	for _, end := range [...]func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		if p, ok := end(); ok && a.Blocked(now, p.Addr()) {
			return true
		}
	}
	return false
}

// Expel applies Config.Access to all that is known: nodes that have been banned, or lie outside of
// the allowed networks, leave the table and the responders, and their sessions end. Call it after a
// change of Config.Access. It looks at all sessions.
func (e *Engine) Expel(now time.Duration) {
	for node := range e.table.All() {
		if e.unwanted(now, node.Record) || e.cfg.Access.Blocked(now, node.Addr.Addr()) {
			e.table.Remove(now, node.ID)
		}
	}
	e.responders.removeFunc(func(p Peer) bool { return e.blocked(now, p.ID, p.Addr.Addr()) })
	for s := range e.sessions.All() {
		if e.blocked(now, s.Key.ID(), s.Key.AddrPort().Addr()) {
			e.sessions.Remove(&s.Key, e.sessions.Hash(&s.Key))
		}
	}
	e.expelAds(now)
}

// blocked reports whether a node at an address is banned or outside of the allowed networks.
func (e *Engine) blocked(now time.Duration, id enr.ID, addr netip.Addr) bool {
	b := [32]byte(id)
	return e.cfg.Access.Blocked(now, addr) || e.cfg.Access.BlockedID(now, &b)
}

func (e *Engine) event(ev Event) {
	if e.cfg.OnEvent != nil {
		e.cfg.OnEvent(ev)
	}
}

// Counters sums the counters of all workers.
func (e *Engine) Counters() (c Counters) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		w.pubMu.Lock()
		for i, v := range w.published {
			c[i] += v
		}
		w.pubMu.Unlock()
	}
	return c
}

// Close ends every call with ErrClosed, and so do later ones. Other workers may still answer
// packets.
func (w *Worker) Close() {
	defer w.publish()
	e := w.e
	e.Shut()
	for _, c := range e.calls.close() {
		w.complete(c, Result{Err: ErrClosed})
	}
	for t := e.nextTask(); t != nil; t = e.nextTask() {
		if t.kind == taskVerify { // its call is no longer pending: the task must end it
			w.notify(t.call, Result{Err: ErrClosed})
		}
		t.queue.release(t)
	}
}

// maxWoken bounds the goroutines that are woken at a time to run tasks.
const maxWoken = 64

// dropOf returns the counter for an error of the decoder.
func dropOf(err error) Counter {
	switch err {
	case codec.ErrSize:
		return DropSize
	case codec.ErrProtocol:
		return DropProtocol
	case codec.ErrFlag:
		return DropFlag
	case codec.ErrAuthSize:
		return DropAuthSize
	case codec.ErrTrailing:
		return DropTrailing
	case codec.ErrNoMessage:
		return DropNoMessage
	case codec.ErrKeySizes:
		return DropKeySizes
	default:
		return DropRecordSize
	}
}

// ExemptPrivate says when peers at private addresses are exempt from the limits by prefix of the
// node table, and from the rate limits. Loopback is always exempt. The quotas of the handshake
// queue have no exemption: they apply only when half of it is in use.
//
// All nodes of a private network may share one prefix, and nobody in such a network needs
// protection from the others. At a node that the public network can reach, a private source address
// is forged, or belongs to a neighbor that deserves no more trust than other sources.
type ExemptPrivate uint8

// Values of ExemptPrivate.
const (
	// ExemptAuto exempts them while the node itself is private: its record names no global address,
	// and it listens on none. The exemption ends when the node learns a global address.
	ExemptAuto ExemptPrivate = iota
	// ExemptAlways exempts them.
	ExemptAlways
	// ExemptNever does not.
	ExemptNever
)

// ErrExemptPrivate means that a text is no ExemptPrivate.
var ErrExemptPrivate = errors.New("exemption of private networks: want auto, always or never")

// String returns "auto", "always" or "never".
func (x ExemptPrivate) String() string {
	return [...]string{"auto", "always", "never", "unknown"}[min(x, 3)]
}

// UnmarshalText parses the output of String. Errors wrap ErrExemptPrivate.
func (x *ExemptPrivate) UnmarshalText(text []byte) error {
	for v := ExemptAuto; v <= ExemptNever; v++ {
		if string(text) == v.String() {
			*x = v
			return nil
		}
	}
	return fmt.Errorf("%w, not %.20q", ErrExemptPrivate, text)
}

// SetPublic says whether this node can be reached at a global address whatever its record names,
// for example because it listens there. See ExemptAuto and Config.Public.
func (e *Engine) SetPublic(public bool) {
	e.public.Store(public)
	e.updateExempt()
}

// Private reports whether private networks are exempt from limits; see ExemptPrivate.
func (e *Engine) Private() bool {
	switch e.cfg.ExemptPrivate {
	case ExemptAlways:
		return true
	case ExemptNever:
		return false
	}
	return !e.public.Load() && !namesGlobal(e.Record())
}

func namesGlobal(r *enr.Record) bool {
	a, has4 := r.UDPEndpoint4()
	b, has6 := r.UDPEndpoint6()
	return has4 && netaddr.ClassOf(a.Addr()) == netaddr.Global || has6 && netaddr.ClassOf(b.Addr()) == netaddr.Global
}

// setLocal publishes a local record.
func (e *Engine) setLocal(r *enr.Record) {
	e.local.Store(r)
	e.updateExempt()
}

// updateExempt tells the table and the limiters whether private networks are exempt.
func (e *Engine) updateExempt() {
	private := e.Private()
	e.table.SetExemptPrivate(private)
	exempt := limiter.ExemptLoopback
	if private {
		exempt = limiter.ExemptLocal
	}
	for _, l := range []*limiter.Limiter{e.cfg.Unverified, e.cfg.Handshake, e.cfg.Verified, e.cfg.TalkLimit} {
		l.SetExempt(exempt)
	}
}
