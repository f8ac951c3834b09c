package engine

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// Engine is all state of one node. Its methods may be called from several goroutines.
type Engine struct {
	cfg        Config
	self       enr.ID
	sessions   *session.Map
	table      *table.Table
	records    *enr.Cache
	answers    *AnswerPool
	hands      session.Handshaker
	local      atomic.Pointer[enr.Record]
	public     atomic.Bool // see SetPublic
	calls      calls
	inbound    queue // handshakes of strangers
	own        queue // what this node's calls lead to
	maintain   maintenance
	address    address
	recordLock recordLock // for changes of local
	shut       sync.Once
	closing    chan struct{} // see Shut
	departed   departed
	budget     *budget.Budget
	ticked     atomic.Int64 // time of the last Tick
	withheld   withheld
	responders responders
	restarts   restarts
	families   families
	wake       chan struct{}

	mu      sync.Mutex
	workers []*Worker
}

// New makes an engine. It does nothing until a worker drives it.
func New(cfg Config) (*Engine, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	var seeds [32]byte
	if _, err := io.ReadFull(cfg.Random, seeds[:]); err != nil {
		return nil, fmt.Errorf("engine: seed: %w", err)
	}
	seed := func(i int) uint64 { return binary.LittleEndian.Uint64(seeds[8*i:]) }

	e := &Engine{self: cfg.Key.ID(), wake: make(chan struct{}, wakeTokens), closing: make(chan struct{})}
	e.recordLock.init()
	cfg.Session.Seed, cfg.Session.Protocol = seed(0), cfg.Protocol
	if cfg.OnEvent != nil {
		cfg.Session.OnEnd = func(k *session.Key) { e.event(Event{Kind: SessionEnded, ID: k.ID(), Addr: k.AddrPort()}) }
	}
	e.sessions = session.NewMap(cfg.Session)
	if e.records = cfg.RecordCache; e.records == nil {
		e.records = enr.NewCache(cfg.Records, seed(1))
	}
	if e.answers = cfg.Answers; e.answers == nil {
		e.answers = new(AnswerPool)
	}
	e.hands = session.Handshaker{Key: cfg.Key, Curve: cfg.Curve, Records: e.records, Protocol: cfg.Protocol}
	e.budget = budget.New(seed(3), cmp.Or(cfg.Session.Capacity, session.DefaultCapacity))
	cfg.Table.Self, cfg.Table.Seed, cfg.Table.OnChange = e.self, seed(2), e.tableChanged
	cfg.Table.LowPorts = cfg.LowPorts
	e.table = table.New(cfg.Table)
	e.calls.init(cfg.MaxRequests)
	e.inbound.init(cfg.Jobs)
	e.own.init(cfg.Jobs)
	e.withheld.init()
	e.maintain.init(cfg.Bootnodes)
	e.maintain.announced.seq = cfg.Record.Seq()
	e.cfg = cfg
	e.public.Store(cfg.Public)
	e.setLocal(cfg.Record)
	a := &e.address
	a.contacts.seed, a.came.seed, a.met.seed = seed(3), seed(3), seed(3)
	e.initAddress(cfg.Addresses)
	return e, nil
}

// ID is the node ID of this node.
func (e *Engine) ID() enr.ID { return e.self }

// Record is the local record.
func (e *Engine) Record() *enr.Record { return e.local.Load() }

// SetRecord replaces the local record. Peers learn of it with the next PING or PONG.
func (e *Engine) SetRecord(r *enr.Record) error {
	if r.ID() != e.self {
		return ErrRecordOwner
	}
	if err := e.recordLock.lock(e.closing); err != nil {
		return err
	}
	defer e.recordLock.unlock()
	if r.Seq() < e.Record().Seq() {
		return ErrRecordOld
	}
	e.setLocal(r)
	return nil
}

// Table is the node table.
func (e *Engine) Table() *table.Table { return e.table }

// Sessions is the session map.
func (e *Engine) Sessions() *session.Map { return e.sessions }

// Records is the cache of verified records.
func (e *Engine) Records() *enr.Cache { return e.records }

// Pending is how many calls wait for an answer.
func (e *Engine) Pending() int { return e.calls.pending.Len() }

// Jobs is how many jobs wait.
func (e *Engine) Jobs() int { return e.inbound.len() + e.own.len() }

// known returns the record of a node that is in the table or has just left it, or nil.
func (e *Engine) known(id enr.ID) *enr.Record {
	if n, _, ok := e.table.Get(id); ok {
		return n.Record
	}
	return e.departed.find(id)
}

// Offer offers a node to the table by its record, to be contacted at an endpoint that can be
// reached from here. The errors are ErrNoEndpoint and ErrBlocked.
func (e *Engine) Offer(now time.Duration, r *enr.Record) (table.AddResult, error) {
	p, err := e.PeerOf(r)
	if err != nil {
		return 0, err
	}
	if e.unwanted(now, r) {
		return 0, fmt.Errorf("%w: node %s", ErrBlocked, p.ID.Short())
	}
	return e.place(now, table.NewNode(r, p.Addr, false)), nil
}

// unwanted reports whether a record's node is banned, by its ID or an endpoint.
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

// Expel takes nodes out of the table that have been banned since they came in. Call it after a
// change of Config.Access.
func (e *Engine) Expel(now time.Duration) (n int) {
	for node := range e.table.All() {
		if e.unwanted(now, node.Record) || e.cfg.Access.Blocked(now, node.Addr.Addr()) {
			e.table.Remove(now, node.ID)
			n++
		}
	}
	return n
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

// Close ends every call with ErrClosed; new ones end so too. Workers may go on answering meanwhile.
func (w *Worker) Close() {
	defer w.publish()
	e := w.e
	e.Shut()
	for _, c := range e.calls.close() {
		w.finish(c, Result{Err: ErrClosed})
	}
	for j := e.nextJob(); j != nil; j = e.nextJob() {
		if j.kind == jobNodes { // its call is no longer pending: the job has to end it
			w.conclude(j.call, Result{Err: ErrClosed})
		}
		j.queue.release(j)
	}
}

// wakeTokens is how many goroutines that run jobs are woken at a time, at most.
const wakeTokens = 64

// dropOf says under which cause a datagram is counted that the codec refused.
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
