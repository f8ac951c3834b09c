package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/table"
)

// lookupRun drives one lookup.Lookup with the responses to its queries, which arrive on several
// goroutines.
type lookupRun struct {
	mu    sync.Mutex
	l     *lookup.Lookup
	found func(*enr.Record)
	done  func(*Worker, LookupHandle)
	ended bool
	stop  bool
	err   error // of the last failed query

	timeout time.Duration // of a query; 0: Config.RequestTimeout

	// grants holds, for each node that a response has named, the budget that the response granted.
	grants  map[enr.ID]*budget.Grant
	feelers *feelers // of a lookup that refreshes the table
}

// LookupHandle controls a lookup.
type LookupHandle struct{ run *lookupRun }

// Refused reports that the lookup was not started because too many run.
func (h LookupHandle) Refused() bool { return h.run == nil }

// Stop ends the lookup: it sends no further queries, and ends when the outstanding ones have.
func (h LookupHandle) Stop() {
	if h.run != nil {
		h.run.mu.Lock()
		h.run.stop = true
		h.run.mu.Unlock()
	}
}

// Lookup finds the nodes closest to target; sources says where it starts. It calls found, if not
// nil, with each record that it starts from or learns of, once and from any goroutine. It calls
// done exactly once with the closest nodes that answered, closest first. Both must not block. If
// too many lookups run, done gets no nodes; see Refused.
func (w *Worker) Lookup(target enr.ID, cfg lookup.Config, found func(*enr.Record), done func(*Worker, []Peer)) LookupHandle {
	return w.lookup(target, cfg, nil, found, func(w *Worker, h LookupHandle) { done(w, h.Results()) })
}

// StartLookup is Lookup for a caller that asks the handle for the results, so that
// Config.Table.Filter, which decides about them, runs on the goroutine of the caller. It calls
// ended exactly once.
func (w *Worker) StartLookup(target enr.ID, cfg lookup.Config, found func(*enr.Record), ended func()) LookupHandle {
	return w.lookup(target, cfg, nil, found, func(*Worker, LookupHandle) { ended() })
}

func (w *Worker) lookup(target enr.ID, cfg lookup.Config, f *feelers, found func(*enr.Record), done func(*Worker, LookupHandle)) LookupHandle {
	e := w.e
	if e.maintain.active.Add(1) > int32(e.cfg.MaxLookups) {
		e.maintain.active.Add(-1)
		done(w, LookupHandle{})
		return LookupHandle{}
	}
	seeds := e.sources(w.now, target)
	cfg.Keep = e.keep(cfg.Keep)
	cfg.Limits, cfg.ExemptPrivate = e.lookupLimits(seeds), e.Private()
	if found != nil {
		for i := range seeds {
			if rec := seeds[i].Record; rec != nil {
				found(rec)
			}
		}
	}
	r := &lookupRun{l: lookup.New(target, cfg, e.self, seeds), found: found, done: done, timeout: cfg.QueryTimeout,
		grants: make(map[enr.ID]*budget.Grant), feelers: f}
	r.advance(w)
	return LookupHandle{r}
}

// advance sends the queries that are due, or ends the lookup.
func (r *lookupRun) advance(w *Worker) {
	for {
		r.mu.Lock()
		if r.ended {
			r.mu.Unlock()
			return
		}
		s := r.l.Stats()
		if r.l.Done() || r.stop && s.Outstanding == 0 {
			r.ended = true
			r.mu.Unlock()
			w.e.maintain.active.Add(-1)
			r.feel(w)
			r.done(w, LookupHandle{r})
			return
		}
		if r.stop {
			r.mu.Unlock()
			return
		}
		q, ok := r.l.Next()
		r.mu.Unlock()
		if !ok {
			return
		}
		r.ask(w, q)
	}
}

func (r *lookupRun) ask(w *Worker, q lookup.Query) {
	id, p := q.Node.ID, q.Node
	origin := budget.Known
	r.mu.Lock()
	grant, named := r.grants[id]
	r.feelers.ask(id)
	r.mu.Unlock()
	if named || p.Listed {
		origin = budget.Named
	}
	w.start(Request{Type: codec.TypeFindNode, Peer: p, Distances: q.Distances, Timeout: r.timeout, Done: func(w *Worker, res Result) {
		if res.Err != nil {
			w.noteFailure(id, p.Addr, res)
			r.fail(id, res.Err)
		} else {
			r.answer(w, p.Addr, id, res)
		}
		r.advance(w)
	}}, origin, grant)
}

func (r *lookupRun) fail(id enr.ID, err error) {
	r.mu.Lock()
	r.err = err
	r.l.Fail(id)
	r.mu.Unlock()
}

// answer passes the nodes of a response to the lookup that can be contacted from here.
func (r *lookupRun) answer(w *Worker, from netip.AddrPort, id enr.ID, res Result) {
	list := w.peers[:0]
	defer clear(w.peers[:])
	by := table.Class(from.Addr())
	for _, rec := range res.Records {
		if rec.ID() == w.e.self {
			continue
		}
		if addr, ok := w.e.named(w.now, rec, by); ok {
			list = append(list, lookup.NewPeer(rec, addr))
		}
	}
	r.mu.Lock()
	fresh := r.l.Answer(id, list)
	for i := range fresh {
		r.grants[fresh[i].ID] = res.grant
	}
	r.feelers.add(fresh)
	if r.found == nil {
		r.mu.Unlock()
		return
	}
	records := make([]*enr.Record, len(fresh))
	for i := range fresh {
		records[i] = fresh[i].Record
	}
	r.mu.Unlock()
	for _, rec := range records {
		r.found(rec)
	}
}

// Progress reports how far a lookup has come.
type Progress struct {
	lookup.Stats
	// Hops is the number of nodes queried one after another to learn of the closest node that has
	// answered, and to query it: 1 for a node of the table, 0 while none has answered.
	Hops int
}

// Progress reports how far the lookup has come. It is zero for a lookup that was not started.
func (h LookupHandle) Progress() Progress {
	if h.run == nil {
		return Progress{}
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return Progress{h.run.l.Stats(), h.run.l.Hops()}
}

// Err returns the error of the last query that failed, nil if none did.
func (h LookupHandle) Err() error {
	if h.run == nil {
		return ErrBusy
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return h.run.err
}

// Results returns the closest nodes that have answered so far. Each has a record.
func (h LookupHandle) Results() []Peer {
	if h.run == nil {
		return nil
	}
	h.run.mu.Lock()
	list := h.run.l.Answered()
	h.run.mu.Unlock()
	return h.run.l.Pick(list) // without the lock: the filter may call anything
}

// lookupWide bounds the candidates of a lookup in one /16 or /32 to a quarter of its results, if at
// least lookupNetworks of these prefixes are known: so many can fill the results together. A
// network with fewer has few providers, and no diversity that a limit could protect.
const (
	lookupWide     = lookup.DefaultK / lookupNetworks
	lookupNetworks = 4
)

// lookupLimits returns the limits by prefix for the candidates of a lookup that starts from seeds.
// Hosts and sites have the limits of a bucket.
func (e *Engine) lookupLimits(seeds []Peer) prefixquota.Limits {
	limits := e.cfg.Table.BucketLimits.WithDefaults(table.DefaultBucketLimits)
	if limits.Wide < 0 {
		return limits
	}
	known := make(map[netaddr.Prefix]struct{}, lookupNetworks)
	for i := range seeds {
		if known[netaddr.Wide(seeds[i].Addr.Addr())] = struct{}{}; len(known) >= lookupNetworks {
			limits.Wide = min(limits.Wide, lookupWide)
			return limits
		}
	}
	limits.Wide = -1
	return limits
}

// A lookup queries the nodes closest to its target, and nodes that an attacker names are always
// closest. So the lookups that refresh the table end with a few PINGs, called feelers, to nodes
// that were named but not queried: those whose network prefixes have the fewest members in the
// table. A node that answers is offered to the table, where positions turn over by prefix (S34).

const (
	// maxFeelers bounds the feelers of one lookup.
	maxFeelers = 3
	// maxNamed bounds the nodes that they are chosen from.
	maxNamed = 256
)

// feelers holds the nodes that a lookup has learned of, and those that it has queried.
type feelers struct {
	named []Peer
	asked map[enr.ID]bool
}

// add notes nodes that a lookup has learned of. The lock of the lookup is held.
func (f *feelers) add(list []Peer) {
	if f != nil {
		f.named = append(f.named, list[:min(len(list), maxNamed-len(f.named))]...)
	}
}

// ask notes that the lookup queries a node. The lock of the lookup is held.
func (f *feelers) ask(id enr.ID) {
	if f != nil {
		f.asked[id] = true
	}
}

// feel sends the feelers of a lookup that has ended.
func (r *lookupRun) feel(w *Worker) {
	f := r.feelers
	if f == nil {
		return
	}
	type choice struct {
		peer     Peer
		crowding int64
		grant    *budget.Grant
	}
	var list []choice
	r.mu.Lock() // late responses may still arrive
	for _, c := range f.named {
		if _, known := w.e.table.Seq(c.ID); !known && !f.asked[c.ID] {
			list = append(list, choice{c, w.e.table.Crowding(c.Addr.Addr()), r.grants[c.ID]})
		}
	}
	r.mu.Unlock()
	slices.SortStableFunc(list, func(a, b choice) int { return cmp.Compare(a.crowding, b.crowding) })
	felt := make(map[netip.Addr]bool)
	for _, c := range list {
		if len(felt) == maxFeelers {
			break
		}
		if felt[c.peer.Addr.Addr()] {
			continue
		}
		felt[c.peer.Addr.Addr()] = true
		w.start(Request{Type: codec.TypePing, Peer: c.peer, NoFallback: true, Done: func(*Worker, Result) {}}, budget.Named, c.grant)
	}
}

// The table filter decides which nodes are members of the table and results of lookups. Lookups
// query other nodes all the same: a bootnode may serve several networks.

// ApplyFilter removes the nodes from the table that Config.Table.Filter refuses, and returns how
// many it removed. Call it after a change of what the filter depends on.
func (e *Engine) ApplyFilter(now time.Duration) (n int) {
	filter := e.cfg.Table.Filter
	if filter == nil {
		return 0
	}
	for node := range e.table.All() {
		if !filter(node) && e.table.Remove(now, node.ID) {
			n++
		}
	}
	return n
}

// Passes reports whether the table filter accepts a node with this record as a result.
func (e *Engine) Passes(r *enr.Record) bool {
	if e.cfg.Table.Filter == nil {
		return true
	}
	addr, _ := e.given(time.Duration(e.ticked.Load()), r)
	return e.cfg.Table.Filter(table.NewNode(r, addr, false))
}

// keep returns the condition for results of a lookup: the condition also of the caller, which may
// be nil, and the table filter. A node without a known record is never a result.
func (e *Engine) keep(also func(*Peer) bool) func(*Peer) bool {
	return func(c *Peer) bool {
		if c.Record == nil || also != nil && !also(c) {
			return false
		}
		return e.Passes(c.Record)
	}
}
