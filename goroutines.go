package discv5

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/goid"
)

// loops are the node's goroutines. Close waits for them, except for those that run a
// function of the program: that function may call Close, or wait for a goroutine that does. Such a
// goroutine ends soon after the function returns.
type loops struct {
	list        []*loop // closeMu guards it
	byGoroutine sync.Map
}

// loop is one of the node's goroutines.
type loop struct {
	n      *Node
	inside atomic.Int32 // functions of the program's, one within another
	once   sync.Once
	quiet  chan struct{} // closed when Close need not wait for it
}

// start runs f in a goroutine.
func (n *Node) start(f func(*loop)) {
	l := &loop{n: n, quiet: make(chan struct{})}
	n.loops.list = append(n.loops.list, l)
	go func() {
		id := goid.ID()
		n.loops.byGoroutine.Store(id, l)
		defer func() {
			n.loops.byGoroutine.Delete(id)
			l.release()
		}()
		f(l)
	}()
}

func (l *loop) release() { l.once.Do(func() { close(l.quiet) }) }

// enter comes before a function of the program's, leave after it. As a node is marked closed before
// Close looks at the loops, either Close sees that the loop is inside, or the loop sees that the
// node is closed.
func (l *loop) enter() {
	if l == nil { // of a simulated node, which waits for no loop
		return
	}
	l.inside.Add(1)
	if l.n.state.Load() == stateClosed {
		l.release()
	}
}

func (l *loop) leave() {
	if l != nil {
		l.inside.Add(-1)
	}
}

// wait waits for all loops that are not inside a function of the program's.
func (s *loops) wait() {
	for _, l := range s.list {
		if l.inside.Load() == 0 {
			<-l.quiet
		}
	}
}

// outside calls f, a function of the program, from any goroutine.
func (n *Node) outside(f func()) {
	if l, ok := n.loops.byGoroutine.Load(goid.ID()); ok {
		l := l.(*loop)
		l.enter()
		defer l.leave()
	}
	f()
}

// passes calls the table filter.
func (n *Node) passes(r *enr.Record) (ok bool) {
	n.outside(func() { ok = n.cfg.TableFilter(r) })
	return ok
}

// saveRecord calls SaveRecord.
func (n *Node) saveRecord(r *enr.Record) (err error) {
	n.outside(func() {
		if err = n.saver.saveRecord(r); err == nil && n.cfg.SaveRecord != nil {
			err = n.cfg.SaveRecord(r)
		}
	})
	if err != nil {
		n.log.say(slog.LevelError, "the local record cannot be saved and stays as it was", slog.String("err", err.Error()))
	}
	return err
}
