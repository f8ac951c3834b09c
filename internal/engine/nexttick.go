package engine

import (
	"math"
	"time"
)

const never = time.Duration(math.MaxInt64)

// NextTick returns the time from which Tick has something to do. It is for programs that would
// rather sleep than call Tick twenty times a second: a simulation of thousands of nodes, a device
// on a battery. It holds until a method of the engine or of one of its workers is called; with
// workers in several goroutines it is out of date at once, so that it is for those that drive an
// engine with one. A time that has passed means now.
//
// Housekeeping does not count: that idle sessions end, that votes and bans are forgotten. A Tick
// every few minutes is enough for it, with Sessions().SweepAll if idle sessions are to end in time.
// Call NextTick from the goroutine that calls Tick.
func (w *Worker) NextTick() time.Duration {
	e, m := w.e, &w.e.maintain
	m.mu.Lock()
	fetch := len(m.newer) > 0
	m.mu.Unlock()
	if fetch || m.anew.Load() || m.hurry.Load() && m.active.Load() == 0 {
		return w.now
	}
	return min(m.next, e.calls.pending.NextExpiry(), e.table.NextDue(), e.nextCount(), e.restarts.nextDue(), e.nextAnnouncement())
}

// NextExpiry returns the time from which a Tick ends a call that has had no answer. Without calls
// that is the largest Duration. A call whose time has passed does not outlive the next Tick.
func (e *Engine) NextExpiry() time.Duration { return e.calls.pending.NextExpiry() }

// Lookups is how many lookups are under way.
func (e *Engine) Lookups() int { return int(e.maintain.active.Load()) }
