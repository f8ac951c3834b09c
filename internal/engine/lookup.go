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

// lookupRun drives one lookup.Lookup by the answers to its queries, which come from several
// goroutines.
type lookupRun struct {
	mu    sync.Mutex
	l     *lookup.Lookup
	found func(*enr.Record)
	done  func(*Worker, LookupHandle)
	ended bool
	stop  bool
	err   error // of the last query that failed

	timeout time.Duration // of a query; 0: Config.RequestTimeout

	// of nodes that were named on the way: what pays for asking them
	grants  map[enr.ID]*budget.Grant
	feelers *feelers // of a lookup that refreshes the table
}

// LookupHandle lets a lookup be given up.
type LookupHandle struct{ run *lookupRun }

// Refused reports that the lookup was not started, there being too many under way.
func (h LookupHandle) Refused() bool { return h.run == nil }

// Stop makes the lookup send no further queries. Its done function is called with what has been
// found when those under way have ended.
func (h LookupHandle) Stop() {
	if h.run != nil {
		h.run.mu.Lock()
		h.run.stop = true
		h.run.mu.Unlock()
	}
}

// Lookup finds the nodes closest to target, starting from all nodes that have answered, see
// sources. found, if not nil, is told of the nodes that it starts from and of each record when it
// is first heard of, from any goroutine; done exactly once of the closest nodes that answered,
// closest first. Both must return at once. If too many lookups are under way done is told of none:
// see Refused.
func (w *Worker) Lookup(target enr.ID, cfg lookup.Config, found func(*enr.Record), done func(*Worker, []Peer)) LookupHandle {
	return w.lookup(target, cfg, nil, found, func(w *Worker, h LookupHandle) { done(w, h.Results()) })
}

// StartLookup is Lookup for a caller that asks the handle for the results: so Config.Table.Filter,
// which decides about them, is called from the caller's goroutine. ended is called exactly once.
func (w *Worker) StartLookup(target enr.ID, cfg lookup.Config, found func(*enr.Record), ended func()) LookupHandle {
	return w.lookup(target, cfg, nil, found, func(*Worker, LookupHandle) { ended() })
}

func (w *Worker) lookup(target enr.ID, cfg lookup.Config, f *feelers, found func(*enr.Record), done func(*Worker, LookupHandle)) LookupHandle {
	e := w.e
	if e.maintain.active.Add(1) > maxLookups {
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

// answer reports the nodes of an answer that can be contacted from here.
func (r *lookupRun) answer(w *Worker, from netip.AddrPort, id enr.ID, res Result) {
	list := make([]Peer, 0, len(res.Records))
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
	fresh = slices.Clone(fresh)
	r.mu.Unlock()
	for i := range fresh {
		r.found(fresh[i].Record)
	}
}

// Progress tells how far the lookup has come.
type Progress struct {
	lookup.Stats
	// Hops is how many nodes had to be asked one after another to hear of the closest node that has
	// answered, and to ask it: 1 for a node of the table, 0 while none has answered.
	Hops int
}

// Progress tells how far the lookup has come. It is zero for a lookup that was not started, there
// being too many.
func (h LookupHandle) Progress() Progress {
	if h.run == nil {
		return Progress{}
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return Progress{h.run.l.Stats(), h.run.l.Hops()}
}

// Err is how the last query ended that was not answered, nil if all were.
func (h LookupHandle) Err() error {
	if h.run == nil {
		return ErrBusy
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return h.run.err
}

// Results are the closest nodes that have answered so far.
func (h LookupHandle) Results() []Peer {
	if h.run == nil {
		return nil
	}
	h.run.mu.Lock()
	list := h.run.l.Answered()
	h.run.mu.Unlock()
	return h.run.l.Pick(list) // the filter may call whatever it likes
}

// lookupWide is how many of the candidates of a lookup may lie in one /16 or /32, a quarter of its
// results, where lookupNetworks of those are known: so many can fill the results among them. A
// network with fewer is one of a few providers, and has no diversity that a limit could protect.
const (
	lookupWide     = lookup.DefaultK / lookupNetworks
	lookupNetworks = 4
)

// lookupLimits returns the limits by prefix for the candidates of a lookup that begins with seeds.
// Those for hosts and sites are the limits of a bucket.
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

// A lookup asks the nodes closest to its target, and those that an attacker names are always
// closest. So the lookups that refresh the table end with a few PINGs, called feelers, to nodes
// that were named and not asked: those whose network prefixes the table has fewest members of. One
// that answers is offered to the table, where places turn over by prefix (S34).

const (
	// maxFeelers bounds the feelers of one lookup.
	maxFeelers = 3
	// maxNamed bounds the nodes that they are chosen from.
	maxNamed = 256
)

// feelers holds the nodes that a lookup has heard of and not asked.
type feelers struct {
	named []Peer
	asked map[enr.ID]bool
}

// hear notes nodes that a lookup has heard of. The lookup's lock is held.
func (f *feelers) add(list []Peer) {
	if f != nil {
		f.named = append(f.named, list[:min(len(list), maxNamed-len(f.named))]...)
	}
}

// ask notes that the lookup asks a node. The lookup's lock is held.
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
	r.mu.Lock() // answers that come too late may be under way
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

// The table filter decides who is a member of the table and a result of a lookup. Nodes that it
// refuses are asked all the same: a bootnode may serve several networks.

// ApplyFilter applies Config.Table.Filter to all nodes of the table, and takes out those that it
// refuses. Call it when the filter would decide otherwise than before. It returns how many nodes
// left.
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

// Passes reports whether the table filter lets a node with this record be a result.
func (e *Engine) Passes(r *enr.Record) bool {
	if e.cfg.Table.Filter == nil {
		return true
	}
	addr, _ := e.given(time.Duration(e.ticked.Load()), r)
	return e.cfg.Table.Filter(table.NewNode(r, addr, false))
}

// keep returns the condition for results of a lookup: that of the caller, which may be nil, and the
// table filter. A node whose record is not known cannot be a result.
func (e *Engine) keep(also func(*Peer) bool) func(*Peer) bool {
	return func(c *Peer) bool {
		if c.Record == nil || also != nil && !also(c) {
			return false
		}
		return e.Passes(c.Record)
	}
}
