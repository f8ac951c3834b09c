package discv5

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/ranges"
)

// LookupOption changes how one lookup works. Only the functions of this package make one.
type LookupOption func(*lookupOptions)

// lookupOptions is what LookupOptions set.
type lookupOptions struct{ cfg lookup.Config }

// lookupConfig applies options. The error is a *RangeError.
func lookupConfig(options []LookupOption) (lookup.Config, error) {
	var o lookupOptions
	for _, set := range options {
		set(&o)
	}
	const most = lookup.DefaultMaxQueries
	return o.cfg, ranges.First(
		ranges.Check(ErrConfig, "WithAlpha", o.cfg.Alpha, 1, most, ranges.Default),
		ranges.Check(ErrConfig, "WithResults", o.cfg.K, 1, most, ranges.Default),
		ranges.Check(ErrConfig, "WithPaths", o.cfg.Paths, 1, most, ranges.Default),
		ranges.Check(ErrConfig, "WithQueryTimeout", o.cfg.QueryTimeout, minPeriod, MaxRequestTimeout, ranges.Default))
}

// WithAlpha sets how many queries a path of a lookup has under way at a time, at most 96. The
// default is 3. A lookup with an option out of its range fails with a [RangeError].
func WithAlpha(n int) LookupOption { return func(o *lookupOptions) { o.cfg.Alpha = n } }

// WithResults sets the number of results, at most 96: a lookup asks no more nodes. The default is
// 16.
func WithResults(n int) LookupOption { return func(o *lookupOptions) { o.cfg.K = n } }

// WithPaths makes the lookup follow n disjoint paths: a node found on one path is not used on
// another, so hostile nodes can mislead only some of the paths. The default is 1, the maximum 96.
func WithPaths(n int) LookupOption { return func(o *lookupOptions) { o.cfg.Paths = n } }

// WithQueryTimeout sets how long each queried node may take to answer. The default is
// Config.RequestTimeout. A short time makes a lookup fast but misses distant nodes.
func WithQueryTimeout(t time.Duration) LookupOption {
	return func(o *lookupOptions) { o.cfg.QueryTimeout = t }
}

// Errors of searches. Use errors.Is to distinguish them.
var (
	// ErrNotFound: no node knows the node.
	ErrNotFound = errors.New("discv5: not found")
	// ErrNoNodes: there is no node to ask. No node has made contact, and no bootnode can be used.
	ErrNoNodes = errors.New("discv5: no node is known and no bootnode can be used")
	// ErrNoAnswer: none of the asked nodes has answered.
	ErrNoAnswer = errors.New("discv5: none of the nodes that were asked has answered")
	// ErrExhausted: lookups all over the network find no further nodes.
	ErrExhausted = errors.New("discv5: no further nodes are found")
)

// Lookup finds the nodes closest to target in the network, closest first, 16 unless an option sets
// another number. All of them have answered. If there are fewer, the network has no more near
// target. If ctx ends first, Lookup returns the nodes found so far with the context's error. The
// error wraps ErrBusy if more than 64 lookups would be under way, ErrNoNodes if there is no node to
// ask, and ErrNoAnswer, with the cause, if no node has answered: see Bootnodes.
func (n *Node) Lookup(ctx context.Context, target enr.ID, options ...LookupOption) ([]*enr.Record, error) {
	s, err := n.search(target, nil, options)
	if err != nil {
		return nil, err
	}
	if _, err = n.wait(ctx, s.done, nil); err != nil {
		s.handle.Stop()
	} else if err = n.ended(ctx); err == nil {
		err = n.outcome(s)
	}
	found := s.handle.Results()
	records := make([]*enr.Record, 0, len(found))
	for i := range found {
		records = append(records, found[i].Record)
	}
	if err != nil {
		err = errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	return records, err
}

// search is a lookup under way.
type search struct {
	handle engine.LookupHandle
	done   chan struct{} // closed at the end
	wake   chan struct{} // there is something in fresh

	mu    sync.Mutex
	fresh []*enr.Record

	keep func(*enr.Record) bool
}

// search starts a lookup. keep, if not nil, selects the records to pass on; it runs in the
// goroutine that takes them.
func (n *Node) search(target enr.ID, keep func(*enr.Record) bool, options []LookupOption) (*search, error) {
	if err := n.running(); err != nil {
		return nil, errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	cfg, err := lookupConfig(options)
	if err != nil {
		return nil, errorf("discv5: lookup of %s: %w", target.Short(), err)
	}
	s := &search{done: make(chan struct{}), wake: make(chan struct{}, 1), keep: keep}
	var found func(*enr.Record)
	if keep != nil {
		found = func(r *enr.Record) {
			s.mu.Lock()
			s.fresh = append(s.fresh, r) // bounded, as are the records of one lookup
			s.mu.Unlock()
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}
	n.requester.do(func(w *engine.Worker) {
		s.handle = w.StartLookup(target, cfg, found, func() { close(s.done) })
	})
	if s.handle.Refused() {
		return nil, errorf("discv5: lookup of %s: %w", target.Short(), ErrBusy)
	}
	return s, nil
}

// outcome returns nil if a node has answered the queries of s, which has ended.
func (n *Node) outcome(s *search) error {
	switch p := s.handle.Progress(); {
	case p.Answers > 0:
		return nil
	case p.Queries > 0:
		return fmt.Errorf("%w: %d asked: %w", ErrNoAnswer, p.Queries, s.handle.Err())
	}
	for _, e := range *n.unusable.Load() {
		return fmt.Errorf("%w: %w", ErrNoNodes, e.Err)
	}
	return ErrNoNodes
}

// each passes on the kept records until the lookup or ctx ends, or yield returns false: then more
// is false. err is the reason why no node answered the lookup or why it ended early.
func (n *Node) each(ctx context.Context, s *search, yield func(*enr.Record) bool) (more bool, err error) {
	defer s.handle.Stop()
	for ended := false; !ended; {
		if ended, err = n.wait(ctx, s.wake, s.done); err != nil {
			return true, err
		}
		for _, r := range s.take() {
			if err := ctx.Err(); err != nil {
				return true, err
			}
			if s.keep(r) && !yield(r) {
				return false, nil
			}
		}
	}
	if err = n.ended(ctx); err == nil {
		err = n.outcome(s)
	}
	return true, err
}

// all keeps every record.
func all(*enr.Record) bool { return true }

// results returns the function that decides which records of a search are results.
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

// Search streams the records that a lookup of target finds, as they arrive, each node once. They
// are verified, but the nodes may not be alive. The sequence ends with the lookup, with ctx, or
// with the loop. If the lookup did not complete, or no node answered it, the last pair has an error
// and no record: the error of the context, ErrNotStarted, ErrClosed, ErrBusy, ErrNoNodes or
// ErrNoAnswer.
func (n *Node) Search(ctx context.Context, target enr.ID, options ...LookupOption) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		more, err := n.stream(ctx, target, options, func(r *enr.Record) bool { return yield(r, nil) })
		if more && err != nil {
			yield(nil, err)
		}
	}
}

// stream passes on the records that a lookup of target finds. more is false if yield has returned
// false.
func (n *Node) stream(ctx context.Context, target enr.ID, options []LookupOption, yield func(*enr.Record) bool) (more bool, err error) {
	if err = ctx.Err(); err == nil {
		var s *search
		if s, err = n.search(target, n.results(), options); err != nil {
			return true, err // it says what was being done
		}
		more, err = n.each(ctx, s, yield)
		if err == nil {
			return more, nil
		}
	}
	return true, errorf("discv5: lookup of %s: %w", target.Short(), err)
}

// ended returns the reason for an early end: the context's error, or that of a node that does not
// run.
func (n *Node) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.running()
}

// Resolve finds the newest record of a node: it asks the node itself if it is known, and otherwise
// looks it up. The error wraps ErrNotFound if no node has a record. If ctx or the node ends first,
// Resolve returns the record that it has with the error.
func (n *Node) Resolve(ctx context.Context, id enr.ID) (*enr.Record, error) {
	if id == n.ID() {
		return n.LocalRecord(), nil
	}
	var known *enr.Record
	ask := func(r *enr.Record) *enr.Record {
		if fresh, err := n.RequestENR(ctx, ContactOf(r)); err == nil {
			return fresh
		}
		return nil
	}
	if e, _, ok := n.engine.Table().Get(id); ok {
		known = e.Record
		if r := ask(known); r != nil {
			return r, nil
		}
	}
	var answer *enr.Record
	s, err := n.search(id, func(r *enr.Record) bool { return r.ID() == id }, nil)
	if err == nil {
		_, err = n.each(ctx, s, func(r *enr.Record) bool {
			if known == nil || r.Seq() > known.Seq() {
				known, answer = r, ask(r)
			}
			return answer == nil
		})
		if answer != nil {
			return answer, nil
		}
	}
	if err == nil && known == nil {
		err = ErrNotFound
	}
	if err != nil {
		err = errorf("discv5: resolve %s: %w", id.Short(), err)
	}
	return known, err
}

const (
	// searchPause is the shortest time between two lookups of RandomNodes, so that a loop that
	// drops most records does not burden the network. LookupWhere pauses after searchEager lookups,
	// and after one without new nodes.
	searchPause = time.Second
	searchEager = 8
	// searchHeard bounds the nodes that LookupWhere remembers. Further ones count as seen.
	searchHeard = 1 << 16
)

// LookupWhere looks for count nodes whose record satisfies match: in the table, in a lookup of
// target, and then in lookups of other targets, all over the network. The records are verified; the
// nodes may not be alive. It calls match in the caller's goroutine, once for each node.
//
// With fewer than count nodes there is an error: ErrExhausted if the lookups find no further nodes,
// the error of the context, or one of Lookup.
func (n *Node) LookupWhere(ctx context.Context, target enr.ID, match func(*enr.Record) bool, count int, options ...LookupOption) ([]*enr.Record, error) {
	if count <= 0 {
		return nil, nil
	}
	var list []*enr.Record
	heard := make(map[enr.ID]bool)
	take := func(r *enr.Record) bool {
		if !heard[r.ID()] && len(heard) < searchHeard {
			heard[r.ID()] = true
			if match(r) {
				list = append(list, r)
			}
		}
		return len(list) < count
	}
	fail := func(err error) ([]*enr.Record, error) {
		return list, errorf("discv5: %d of %d nodes wanted: %w", len(list), count, err)
	}
	if err := n.ended(ctx); err != nil {
		return fail(err)
	}
	for node := range n.engine.Table().All() {
		if !take(node.Record) {
			return list, nil
		}
	}
	fruitless := 0 // lookups in a row
	for i := 0; ; i++ {
		before, start := len(heard), n.clock.Now()
		_, err := n.stream(ctx, spread(n.random(), target, i), options, take)
		switch {
		case len(list) == count:
			return list, nil
		case err != nil:
			return fail(err)
		case len(heard) > before:
			fruitless = 0
		default:
			fruitless++
		}
		if fruitless >= fruitlessMost(len(heard), options) {
			return fail(fmt.Errorf("%w: %d nodes in %d lookups", ErrExhausted, len(heard), i+1))
		}
		if (i >= searchEager || fruitless > 0) && !n.pause(ctx, searchPause-(n.clock.Now()-start)) {
			return fail(n.ended(ctx))
		}
	}
}

// fruitlessMost is the number of consecutive lookups without new nodes after which LookupWhere
// gives up: enough to ask half of a network of that size.
func fruitlessMost(heard int, options []LookupOption) int {
	cfg, _ := lookupConfig(options) // the lookups have reported an error
	if cfg.K <= 0 {
		cfg.K = lookup.DefaultK
	}
	return min(max(heard/(2*cfg.K), 4), 64)
}

// spread returns the i-th of targets that lie evenly all over the network; the first is target
// itself. Each target halves the largest gap between the earlier ones.
func spread(random io.Reader, target enr.ID, i int) enr.ID {
	if i == 0 {
		return target
	}
	var t enr.ID
	io.ReadFull(random, t[:])
	binary.BigEndian.PutUint32(t[:], binary.BigEndian.Uint32(target[:])^bits.Reverse32(uint32(i)))
	return t
}

// pause waits, and reports false if ctx or the node ends first.
func (n *Node) pause(ctx context.Context, d time.Duration) bool {
	if n.machine != nil {
		late, err := n.machine.Wait(ctx, n.closing, n.machine.After(d))
		return err == nil && late
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-n.closing:
	case <-t.C:
		return true
	}
	return false
}

// RandomNodes streams records of nodes from all over the network, from one lookup after another of
// random targets. A node may appear once more after a while. The sequence ends with ctx, when the
// node is closed, or with the loop; the last pair then has the context's error, ErrClosed, or
// ErrNotStarted. Other errors, as of Search, also come without a record; the loop may continue
// after them, and the next lookup follows.
func (n *Node) RandomNodes(ctx context.Context, options ...LookupOption) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		for {
			start := n.clock.Now()
			var target enr.ID
			io.ReadFull(n.random(), target[:])
			more, err := n.stream(ctx, target, options, func(r *enr.Record) bool { return yield(r, nil) })
			if !more || err != nil && !yield(nil, err) || n.ended(ctx) != nil && err != nil {
				return
			}
			if !n.pause(ctx, searchPause-(n.clock.Now()-start)) {
				if err := n.ended(ctx); err != nil {
					yield(nil, errorf("discv5: random nodes: %w", err))
				}
				return
			}
		}
	}
}
