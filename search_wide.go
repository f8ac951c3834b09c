package discv5

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
)

const (
	// searchPause is the shortest time between two lookups of RandomNodes, so that a loop that
	// throws away most of what it gets does not become a burden to the network. LookupWhere pauses
	// after searchEager lookups, and after one that brought nothing new.
	searchPause = time.Second
	searchEager = 8
	// searchHeard bounds the nodes that LookupWhere remembers. Further ones count as heard of.
	searchHeard = 1 << 16
)

// LookupWhere looks for count nodes whose record satisfies match: in the table, in a lookup of
// target, and then in lookups of other targets, all over the network. The records have been
// verified; the nodes need not be alive. match is called from the caller's goroutine, once for each
// node.
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
		return list, fmt.Errorf("discv5: %d of %d nodes wanted: %w", len(list), count, err)
	}
	if err := n.ended(ctx); err != nil {
		return fail(err)
	}
	for node := range n.engine.Table().All() {
		if r := n.engine.RecordOf(node.Record); r != nil && !take(r) {
			return list, nil
		}
	}
	fruitless := 0 // lookups in a row
	for i := 0; ; i++ {
		before, start := len(heard), n.clock.Now()
		_, err := n.stream(ctx, spread(target, i), options, take)
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

// fruitlessMost is how many lookups in a row that bring nothing new it takes to believe that there
// is nothing: so many as to ask half of a network of that size.
func fruitlessMost(heard int, options []LookupOption) int {
	var cfg lookup.Config
	for _, o := range options {
		o(&cfg)
	}
	if cfg.K <= 0 {
		cfg.K = lookup.DefaultK
	}
	return min(max(heard/(2*cfg.K), 4), 64)
}

// spread returns the i-th of targets that lie evenly all over the network, the first being target
// itself: each halves the largest gap that those before it have left.
func spread(target enr.ID, i int) enr.ID {
	if i == 0 {
		return target
	}
	var t enr.ID
	rand.Read(t[:])
	binary.BigEndian.PutUint32(t[:], binary.BigEndian.Uint32(target[:])^bits.Reverse32(uint32(i)))
	return t
}

// pause waits, and reports false if ctx or the node ends first.
func (n *Node) pause(ctx context.Context, d time.Duration) bool {
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

// RandomNodes streams records of nodes from all over the network: what one lookup after another of
// random targets hears of. A node may come again after a while. It ends with ctx, when the node is
// closed, or when the loop is left; the last pair then has the context's error, or ErrClosed, or
// ErrNotStarted. Other errors, as of Search, also come without a record; the loop may go on after
// them, and the next lookup follows.
func (n *Node) RandomNodes(ctx context.Context, options ...LookupOption) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		for {
			start := n.clock.Now()
			var target enr.ID
			rand.Read(target[:])
			more, err := n.stream(ctx, target, options, func(r *enr.Record) bool { return yield(r, nil) })
			if !more || err != nil && !yield(nil, err) || n.ended(ctx) != nil && err != nil {
				return
			}
			if !n.pause(ctx, searchPause-(n.clock.Now()-start)) {
				if err := n.ended(ctx); err != nil {
					yield(nil, fmt.Errorf("discv5: random nodes: %w", err))
				}
				return
			}
		}
	}
}
