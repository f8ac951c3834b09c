package engine

import (
	"errors"
	"sync/atomic"

	"github.com/fastdisc/discv5/internal/goid"
)

// ErrNested: a change of the local record was asked for from within another one, by the function
// that makes it or by Config.SaveRecord. It would wait for itself.
var ErrNested = errors.New("engine: the local record is being changed by the caller of this function")

// recordLock lets changes of the local record follow one another. They call functions of the
// program, so nobody waits for the lock who would keep such a function from its end.
type recordLock struct {
	held   chan struct{}
	holder atomic.Uint64 // goroutine that holds it
}

func (l *recordLock) init() { l.held = make(chan struct{}, 1) }

// lock waits for the lock. It fails with ErrNested, and with ErrClosed if the engine is closed
// meanwhile.
func (l *recordLock) lock(closing <-chan struct{}) error {
	if id := goid.ID(); id != 0 && l.holder.Load() == id {
		return ErrNested
	}
	if l.try() {
		return nil
	}
	select {
	case l.held <- struct{}{}:
		l.holder.Store(goid.ID())
		return nil
	case <-closing:
		return ErrClosed
	}
}

// try takes the lock if it is free.
func (l *recordLock) try() bool {
	select {
	case l.held <- struct{}{}:
		l.holder.Store(goid.ID())
		return true
	default:
		return false
	}
}

func (l *recordLock) unlock() {
	l.holder.Store(0)
	<-l.held
}

// Shut ends waits for changes of the local record with ErrClosed. Call it before Worker.Close, as
// soon as the engine is to be closed.
func (e *Engine) Shut() { e.shut.Do(func() { close(e.closing) }) }
