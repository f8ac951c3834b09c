package discv5

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/fastdisc/discv5/engine"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/lookup"
)

// LookupOption changes how one lookup works.
type LookupOption func(*lookup.Config)

// WithAlpha sets how many queries are under way at once; default 3.
func WithAlpha(n int) LookupOption { return func(c *lookup.Config) { c.Alpha = n } }

// WithResults sets how many nodes are wanted; default 16. A lookup asks at most 96 nodes and so finds no more than that.
func WithResults(n int) LookupOption { return func(c *lookup.Config) { c.K = n } }

// WithPaths makes the lookup follow n disjoint paths: what is heard on one is not used on another, so that hostile
// nodes lead at most some of them astray. Default 1, at most 96.
func WithPaths(n int) LookupOption { return func(c *lookup.Config) { c.Paths = n } }

// WithQueryTimeout sets how long the answer of each node that is asked may take; default Config.RequestTimeout. Short times make a lookup
// quick, at the price of nodes that are far away.
func WithQueryTimeout(t time.Duration) LookupOption {
	return func(c *lookup.Config) { c.QueryTimeout = t }
}

// ErrNotFound: the node that was looked for did not turn up.
var ErrNotFound = errors.New("discv5: not found")

// Lookup finds the nodes closest to target in the network, closest first, 16 unless an option says otherwise. All
// of them have answered. If ctx ends first, what has been found so far is returned with the context's error. The error wraps ErrBusy if
// more than 64 lookups would be under way.
func (n *Node) Lookup(ctx context.Context, target enr.ID, options ...LookupOption) ([]*enr.Record, error) {
	s, err := n.search(target, nil, options)
	if err != nil {
		return nil, err
	}
	var found []lookup.Candidate
	select {
	case found = <-s.done:
		err = ctx.Err()
		if n.state.Load() == stateClosed {
			err = ErrClosed
		}
	case <-ctx.Done():
		s.handle.Stop()
		found, err = s.handle.Results(), ctx.Err()
	}
	records := make([]*enr.Record, 0, len(found))
	for _, c := range found {
		if r := n.engine.RecordOf(c.Record); r != nil {
			records = append(records, r)
		}
	}
	if err != nil {
		err = fmt.Errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	return records, err
}

// search is a lookup under way.
type search struct {
	handle engine.LookupHandle
	done   chan []lookup.Candidate
	wake   chan struct{} // there is something in fresh

	mu    sync.Mutex
	fresh []*enr.Record
}

// search starts a lookup. keep decides which of the records that it hears of go to fresh.
func (n *Node) search(target enr.ID, keep func(*enr.Record) bool, options []LookupOption) (*search, error) {
	if err := n.running(); err != nil {
		return nil, fmt.Errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	var cfg lookup.Config
	for _, o := range options {
		o(&cfg)
	}
	s := &search{done: make(chan []lookup.Candidate, 1), wake: make(chan struct{}, 1)}
	var found func(*enr.Record)
	if keep != nil {
		found = func(r *enr.Record) {
			if !keep(r) {
				return
			}
			s.mu.Lock()
			s.fresh = append(s.fresh, r) // bounded: a lookup hears of a bounded number of nodes
			s.mu.Unlock()
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}
	n.client.do(func(w *engine.Worker) {
		s.handle = w.Lookup(target, cfg, found, func(_ *engine.Worker, c []lookup.Candidate) { s.done <- c })
	})
	if s.handle.Refused() {
		return nil, fmt.Errorf("discv5: lookup of %s: %w", target.Short(), ErrBusy)
	}
	return s, nil
}

// each hands on what is kept, until the lookup or ctx ends, or yield returns false.
func (s *search) each(ctx context.Context, yield func(*enr.Record) bool) {
	defer s.handle.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-s.done:
			ended = true
		}
		for _, r := range s.take() {
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}

// all keeps every record.
func all(*enr.Record) bool { return true }

// results returns what decides which records of a search are results.
func (n *Node) results() func(*enr.Record) bool {
	if n.cfg.TableFilter == nil {
		return all
	}
	return n.engine.Passes
}

// take empties fresh.
func (s *search) take() []*enr.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.fresh
	s.fresh = nil
	return list
}

// Search streams the records that a lookup of target hears of, as they come in, each node once. They have been verified, but the
// nodes need not be alive. It ends with the lookup, with ctx, or when the loop is left. Nothing comes if the node does not run, or if too
// many lookups are under way.
func (n *Node) Search(ctx context.Context, target enr.ID, options ...LookupOption) iter.Seq[*enr.Record] {
	return func(yield func(*enr.Record) bool) {
		if s, err := n.search(target, n.results(), options); err == nil {
			s.each(ctx, yield)
		}
	}
}

// LookupWhere looks up target until it has heard of count nodes whose record satisfies match, or is done. The
// records have been verified; the nodes need not be alive. match is called from the caller's goroutine.
func (n *Node) LookupWhere(ctx context.Context, target enr.ID, match func(*enr.Record) bool, count int, options ...LookupOption) ([]*enr.Record, error) {
	var list []*enr.Record
	seen := make(map[enr.ID]bool)
	take := func(r *enr.Record) bool {
		if !seen[r.ID()] && match(r) {
			seen[r.ID()] = true
			list = append(list, r)
		}
		return len(list) < count
	}
	if count <= 0 {
		return nil, nil
	}
	for node := range n.engine.Table().All() {
		if r := n.engine.RecordOf(node.Record); r != nil && !take(r) {
			return list, nil
		}
	}
	s, err := n.search(target, n.results(), options)
	if err != nil {
		return list, err
	}
	if s.each(ctx, take); len(list) == count {
		return list, nil
	}
	if err := n.ended(ctx); err != nil {
		return list, fmt.Errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	return list, nil
}

// ended is why something ends before it is done: the context's error, or that of a node that does not run.
func (n *Node) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.running()
}

// searchPause is the shortest time between two lookups of RandomNodes, so that a loop that throws away most of what it gets does not become
// a burden to the network.
const searchPause = time.Second

// RandomNodes streams records of nodes from all over the network: what one lookup after another of random targets hears of. A node
// may come again after a while. It ends with ctx, when the node is closed, or when the loop is left.
func (n *Node) RandomNodes(ctx context.Context, options ...LookupOption) iter.Seq[*enr.Record] {
	return func(yield func(*enr.Record) bool) {
		for n.ended(ctx) == nil {
			start := n.clock.Now()
			var target enr.ID
			rand.Read(target[:])
			for r := range n.Search(ctx, target, options...) {
				if !yield(r) {
					return
				}
			}
			select {
			case <-ctx.Done():
			case <-n.closing:
			case <-time.After(searchPause - (n.clock.Now() - start)):
			}
		}
	}
}

// Resolve finds the newest record of a node: from the node itself if it is known, else by a lookup. The error wraps ErrNotFound if nobody
// has one. If ctx or the node ends first, what is known is returned with the error.
func (n *Node) Resolve(ctx context.Context, id enr.ID) (*enr.Record, error) {
	if id == n.ID() {
		return n.LocalRecord(), nil
	}
	var known *enr.Record
	ask := func(r *enr.Record) *enr.Record {
		if fresh, err := n.RequestENR(ctx, Contacts(r)[0]); err == nil {
			return fresh
		}
		return nil
	}
	if e, _, ok := n.engine.Table().Get(id); ok {
		if known = n.engine.RecordOf(e.Record); known != nil {
			if r := ask(known); r != nil {
				return r, nil
			}
		}
	}
	var answer *enr.Record
	s, err := n.search(id, func(r *enr.Record) bool { return r.ID() == id }, nil)
	if err == nil {
		s.each(ctx, func(r *enr.Record) bool {
			if known == nil || r.Seq() > known.Seq() {
				known, answer = r, ask(r)
			}
			return answer == nil
		})
		if answer != nil {
			return answer, nil
		}
		err = n.ended(ctx)
	}
	if err == nil && known == nil {
		err = ErrNotFound
	}
	if err != nil {
		err = fmt.Errorf("discv5: resolve %s: %w", id.Short(), err)
	}
	return known, err
}
