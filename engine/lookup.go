package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/lookup"
	"github.com/fastdisc/discv5/table"
)

// lookupRun drives one lookup.Lookup by the answers to its queries, which come from several goroutines.
type lookupRun struct {
	mu    sync.Mutex
	l     *lookup.Lookup
	found func(*enr.Record)
	done  func(*Worker, []lookup.Candidate)
	ended bool
	stop  bool

	timeout time.Duration // of a query; 0: Config.RequestTimeout
}

// LookupHandle lets a lookup be given up.
type LookupHandle struct{ run *lookupRun }

// Refused reports that the lookup was not started, there being too many under way.
func (h LookupHandle) Refused() bool { return h.run == nil }

// Stop makes the lookup send no further queries. Its done function is called with what has been found when those
// under way have ended.
func (h LookupHandle) Stop() {
	if h.run != nil {
		h.run.mu.Lock()
		h.run.stop = true
		h.run.mu.Unlock()
	}
}

// Lookup finds the nodes closest to target, starting from the table. found, if not nil, is told of the nodes that it
// starts from and of each record when it is first heard of, from any goroutine; done exactly once of the closest nodes that answered,
// closest first. Both must return at once. If too many lookups are under way done is told of none: see Refused.
func (w *Worker) Lookup(target enr.ID, cfg lookup.Config, found func(*enr.Record), done func(*Worker, []lookup.Candidate)) LookupHandle {
	e := w.e
	if e.maintain.active.Add(1) > maxLookups {
		e.maintain.active.Add(-1)
		done(w, nil)
		return LookupHandle{}
	}
	near := e.table.Closest(target, maxNodes, nil)
	seeds := make([]lookup.Candidate, len(near))
	for i, n := range near {
		seeds[i] = lookup.Candidate{ID: n.ID, Record: n.Record, Seq: n.Seq, Addr: n.Addr}
	}
	if found != nil {
		for _, n := range near {
			if rec := e.recordOf(n.Record); rec != nil {
				found(rec)
			}
		}
	}
	r := &lookupRun{l: lookup.New(target, cfg, e.self, seeds), found: found, done: done, timeout: cfg.QueryTimeout}
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
			results := r.l.Results()
			r.mu.Unlock()
			w.e.maintain.active.Add(-1)
			r.done(w, results)
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
	id := q.Node.ID
	rec := w.e.recordOf(q.Node.Record)
	if rec == nil {
		r.fail(id)
		return
	}
	pub, _ := rec.PublicKey()
	p := Peer{ID: id, PublicKey: pub, Addr: q.Node.Addr, Record: rec}
	w.Start(Request{Type: codec.TypeFindNode, Peer: p, Distances: q.Distances, Timeout: r.timeout, Done: func(w *Worker, res Result) {
		if res.Err != nil {
			w.failed(id, q.Node.Addr, res)
			r.fail(id)
		} else {
			r.answer(w, id, res.Records)
		}
		r.advance(w)
	}})
}

func (r *lookupRun) fail(id enr.ID) {
	r.mu.Lock()
	r.l.Fail(id)
	r.mu.Unlock()
}

// answer reports the nodes of an answer that can be contacted from here.
func (r *lookupRun) answer(w *Worker, id enr.ID, records []*enr.Record) {
	list := make([]lookup.Candidate, 0, len(records))
	for _, rec := range records {
		if rec.ID() == w.e.self {
			continue
		}
		if addr, ok := w.e.endpoint(rec); ok && table.Class(addr.Addr()) != table.Special {
			list = append(list, lookup.Candidate{ID: rec.ID(), Record: rec.Bytes(), Seq: rec.Seq(), Addr: addr})
		}
	}
	r.mu.Lock()
	fresh := r.l.Answer(id, list)
	if r.found == nil {
		r.mu.Unlock()
		return
	}
	fresh = slices.Clone(fresh)
	r.mu.Unlock()
	for _, c := range fresh {
		if rec := w.e.recordOf(c.Record); rec != nil {
			r.found(rec)
		}
	}
}

// Progress tells how far the lookup has come.
type Progress struct {
	lookup.Stats
	// Hops is how many nodes had to be asked one after another to hear of the closest node that has answered, and to ask
	// it: 1 for a node of the table, 0 while none has answered.
	Hops int
}

// Progress tells how far the lookup has come. It is zero for a lookup that was not started, there being too many.
func (h LookupHandle) Progress() Progress {
	if h.run == nil {
		return Progress{}
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return Progress{h.run.l.Stats(), h.run.l.Hops()}
}

// Results are the closest nodes that have answered so far.
func (h LookupHandle) Results() []lookup.Candidate {
	if h.run == nil {
		return nil
	}
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	return h.run.l.Results()
}
