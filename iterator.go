package discv5

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Filter passes on the records of seq that keep accepts, and all errors.
func Filter(seq iter.Seq2[*enr.Record, error], keep func(*enr.Record) bool) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		for r, err := range seq {
			if (err != nil || keep(r)) && !yield(r, err) {
				return
			}
		}
	}
}

// found is one pair of a sequence of records.
type found struct {
	record *enr.Record
	err    error
}

// Mix takes records from several sequences in turn, so that a prolific source does not crowd out
// the others. If a source has nothing within patience, a record of another source takes its turn.
// With patience 0 Mix does not wait for the turn; with a negative patience it always waits. Errors
// pass through. The sequence ends when all sources have ended.
//
// Each source runs in its own goroutine as long as the loop runs. After the loop, a source that
// waits for the network ends with its next record: give the sources a context that ends with the
// loop.
func Mix(patience time.Duration, sources ...iter.Seq2[*enr.Record, error]) iter.Seq2[*enr.Record, error] {
	return func(yield func(*enr.Record, error) bool) {
		m := mixer{done: make(chan struct{}), any: make(chan mixed)}
		defer close(m.done)
		for _, s := range sources {
			m.start(s)
		}
		for turn := 0; len(m.sources) > 0; turn++ {
			turn %= len(m.sources)
			x := m.next(m.sources[turn], patience)
			if x.ended {
				turn = m.remove(x.from, turn) - 1
				continue
			}
			if !yield(x.record, x.err) {
				return
			}
			if x.from != m.sources[turn] {
				turn-- // the source keeps its turn
			}
		}
	}
}

// mixer runs the sources of Mix.
type mixer struct {
	sources []*mixSource
	any     chan mixed    // what any source has; each offers its record here and on its own channel
	done    chan struct{} // closed when the loop is left
}

type mixSource struct{ own chan mixed }

// mixed is the next item of a source: a record, an error, or its end.
type mixed struct {
	found
	from  *mixSource
	ended bool
}

// start runs a source.
func (m *mixer) start(seq iter.Seq2[*enr.Record, error]) {
	s := &mixSource{own: make(chan mixed)}
	m.sources = append(m.sources, s)
	offer := func(x mixed) bool {
		select {
		case <-m.done:
			return false
		default:
		}
		select {
		case s.own <- x:
		case m.any <- x:
		case <-m.done:
			return false
		}
		return true
	}
	go func() {
		for r, err := range seq {
			if !offer(mixed{found: found{r, err}, from: s}) {
				return
			}
		}
		offer(mixed{from: s, ended: true})
	}()
}

// next waits for what s has, and after patience for what any source has.
func (m *mixer) next(s *mixSource, patience time.Duration) mixed {
	if patience < 0 {
		return <-s.own
	}
	select {
	case x := <-s.own:
		return x
	default:
	}
	if patience > 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case x := <-s.own:
			return x
		case <-t.C:
		}
	}
	select {
	case x := <-s.own:
		return x
	case x := <-m.any:
		return x
	}
}

// remove takes out a source that has ended and returns whose turn it is.
func (m *mixer) remove(s *mixSource, turn int) int {
	for i, o := range m.sources {
		if o == s {
			m.sources = append(m.sources[:i:i], m.sources[i+1:]...)
			if i < turn {
				turn--
			}
			break
		}
	}
	return turn
}

// Iterator pulls records from a sequence, for programs that cannot loop over [Node.RandomNodes]:
// other goroutines can close it. Use NewIterator.
//
//	it := discv5.NewIterator(func(ctx context.Context) iter.Seq2[*enr.Record, error] {
//		return node.RandomNodes(ctx)
//	})
//	defer it.Close()
//	for it.Next() {
//		dial(it.Node())
//	}
//	return it.Err()
type Iterator struct {
	ctx    context.Context
	cancel context.CancelFunc
	source func(context.Context) iter.Seq2[*enr.Record, error]
	start  sync.Once
	items  chan found // closed at the end of the sequence

	mu   sync.Mutex
	node *enr.Record
	err  error
}

// NewIterator returns an iterator over the sequence that source returns. The first Next calls
// source, once, with a context that Close ends.
func NewIterator(source func(context.Context) iter.Seq2[*enr.Record, error]) *Iterator {
	it := &Iterator{source: source, items: make(chan found)}
	it.ctx, it.cancel = context.WithCancel(context.Background())
	return it
}

// run feeds items until the sequence ends or the iterator is closed.
func (it *Iterator) run() {
	defer close(it.items)
	for r, err := range it.source(it.ctx) {
		select {
		case it.items <- found{r, err}:
		case <-it.ctx.Done():
			return
		}
	}
}

// Next waits for the next record. It reports false at the end of the sequence and after Close. An
// error without a record, such as ErrNoNodes while no node is reachable, does not end it: the
// sequence decides whether it continues. Only one goroutine at a time may call Next.
func (it *Iterator) Next() bool {
	it.start.Do(func() { go it.run() })
	for {
		select {
		case <-it.ctx.Done(): // wins over a record that waits
			it.set(nil, nil)
			return false
		default:
		}
		select {
		case x, ok := <-it.items:
			switch {
			case !ok && it.ctx.Err() == nil:
				it.set(nil, it.Err())
				return false
			case ok && x.err == nil && it.ctx.Err() == nil:
				it.set(x.record, nil)
				return true
			case ok && it.ctx.Err() == nil:
				it.set(nil, x.err)
			}
		case <-it.ctx.Done():
		}
	}
}

func (it *Iterator) set(r *enr.Record, err error) {
	it.mu.Lock()
	it.node, it.err = r, err
	it.mu.Unlock()
}

// Node returns the record of the last Next, and nil if Next reported false.
func (it *Iterator) Node() *enr.Record {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.node
}

// Err returns the last error of the sequence since its last record: the reason for its end or, from
// another goroutine while Next waits, the reason for the wait. After Close it is nil.
func (it *Iterator) Err() error {
	it.mu.Lock()
	defer it.mu.Unlock()
	return it.err
}

// Close ends the iterator and a Next that waits. Any goroutine may call it, more than once.
func (it *Iterator) Close() { it.cancel() }
