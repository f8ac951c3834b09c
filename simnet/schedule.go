package simnet

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/goid"
	"github.com/fastdisc/discv5/internal/virtual"
)

// scheduler decides who lets time pass: at most one goroutine at a time, the one that holds the
// token. At most one of the goroutines that Go has started runs at a time, and only while the one
// with the token waits for it. So a run depends on the seed and on the calls alone.
type scheduler struct {
	token    chan struct{} // has room for one
	loop     atomic.Uint64 // the goroutine that holds it, 0 if none does
	yield    chan struct{} // a goroutine of Go waits or has ended
	managed  map[uint64]*routine
	routines atomic.Int32            // how many there are in managed
	current  atomic.Pointer[routine] // the one that runs
	parked   []*routine              // those that wait, in the order in which they began to
	live     atomic.Pointer[pace]    // not nil: time passes with the system's clock

	// An event of a machine can end the waits for its node alone. Any other event, and a machine
	// that stops, may end every wait.
	touched  *machine // by the present event
	touchAll atomic.Bool
	unlooked int // events since all waits were looked at

	kick chan struct{} // wakes the live loop
}

// routine is a goroutine that Go has started.
type routine struct {
	ready  func() bool // what it waits for
	m      *machine    // whose node it waits for, or nil
	resume chan struct{}
}

// pace relates the network's clock to that of the system.
type pace struct {
	base  time.Duration
	began time.Time
}

func (p *pace) now() time.Duration { return p.base + time.Since(p.began) }

func (s *scheduler) init() {
	s.token, s.yield, s.kick = make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
	s.managed = make(map[uint64]*routine)
}

// Now returns the time since the network started.
func (n *Network) Now() time.Duration {
	if p := n.live.Load(); p != nil {
		return p.now()
	}
	return time.Duration(n.clock.Load())
}

// Run lets d of time pass. Called from within an event it does nothing.
func (n *Network) Run(d time.Duration) { n.RunUntil(d, nil) }

// RunUntil lets time pass until done returns true, which it asks after each event, but no more than
// d. It returns what done returned last. A nil done is never true. Called from within an event it
// returns false and does nothing.
func (n *Network) RunUntil(d time.Duration, done func() bool) bool {
	if done == nil {
		done = func() bool { return false }
	}
	end := n.Now() + max(d, 0)
	id := goid.ID()
	switch r := n.routine(id); {
	case n.live.Load() != nil:
		return n.sleep(end, done)
	case r != nil:
		n.At(end, func() {})
		is := done()
		for !is && n.Now() < end {
			n.park(r, nil, func() bool { is = done(); return is || n.Now() >= end })
		}
		return is
	case n.loop.Load() == id:
		return false
	}
	n.acquire(id)
	defer n.release()
	if done() {
		return true
	}
	for n.step(end) {
		if done() {
			return true
		}
	}
	n.clock.Store(int64(end))
	return false
}

// sleep is RunUntil while the network is live.
func (n *Network) sleep(end time.Duration, done func() bool) bool {
	const look = 10 * time.Millisecond
	for !done() {
		left := end - n.Now()
		if left <= 0 {
			return false
		}
		time.Sleep(min(left, look))
	}
	return true
}

func (n *Network) acquire(id uint64) {
	n.token <- struct{}{}
	n.loop.Store(id)
}

func (n *Network) release() {
	n.loop.Store(0)
	<-n.token
}

// step handles the earliest event if it is due at end. Events of the same time come in the order in
// which they were made.
func (n *Network) step(end time.Duration) bool {
	n.mu.Lock()
	q := n.earliest()
	if q.first() > end {
		n.mu.Unlock()
		return false
	}
	e := q.pop()
	n.clock.Store(int64(e.at))
	n.mu.Unlock()
	n.touched = nil
	e.what.happen(n)
	if n.routines.Load() > 0 {
		n.resumeReady()
	}
	return true
}

// earliest returns the queue that has the earliest event. The caller holds mu.
func (n *Network) earliest() *events {
	if n.alarms.before(&n.flying) {
		return &n.alarms
	}
	return &n.flying
}

// Go calls f in a goroutine of the program under test, from the next event on. Such goroutines run
// one at a time, and no time passes while one does; it passes while they wait in methods of nodes
// or in Run. They must not wait for anything else, such as a channel or time.Sleep: that needs
// Live, under which f runs in an ordinary goroutine.
func (n *Network) Go(f func()) {
	if n.live.Load() != nil {
		go f()
		return
	}
	n.alarm(n.Now(), start(f))
}

// start is the event that starts a goroutine.
type start func()

func (f start) happen(n *Network) {
	r := &routine{resume: make(chan struct{})}
	n.routines.Add(1)
	n.current.Store(r)
	go func() {
		id := goid.ID()
		n.mu.Lock()
		n.managed[id] = r
		n.mu.Unlock()
		defer func() {
			n.mu.Lock()
			delete(n.managed, id)
			n.mu.Unlock()
			n.routines.Add(-1)
			n.yield <- struct{}{}
		}()
		f()
	}()
	n.handOver()
}

// maxRun bounds the real time for which a goroutine of Go may run without a wait.
const maxRun = 2 * time.Minute

// handOver waits until the goroutine that was started or resumed waits or has ended.
func (n *Network) handOver() {
	t := time.NewTimer(maxRun)
	defer t.Stop()
	select {
	case <-n.yield:
		n.current.Store(nil)
	case <-t.C:
		panic("simnet: a goroutine or TALK handler has neither ended nor waited in a method of a node for " +
			maxRun.String() + "; if it waits for something else, use Network.Live")
	}
}

// routine returns the goroutine with a number if Go has started it, else nil. A goroutine that the
// running one has started and waits for, as iter.Pull does, counts as that one.
func (n *Network) routine(id uint64) *routine {
	if n.routines.Load() == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.managed[id]; r != nil {
		return r
	}
	if n.loop.Load() == id {
		return nil
	}
	return n.current.Load()
}

// park has the calling goroutine, which is r, wait until ready returns true. m is the machine whose
// events can have that happen, nil for any event.
func (n *Network) park(r *routine, m *machine, ready func() bool) {
	r.ready, r.m = ready, m
	n.parked = append(n.parked, r)
	n.yield <- struct{}{}
	<-r.resume
}

// resumeReady lets the goroutines run that need not wait any longer.
func (n *Network) resumeReady() {
	all := n.lookAtAll()
	for i := 0; i < len(n.parked); i++ {
		r := n.parked[i]
		if !all && r.m != nil && r.m != n.touched || !r.ready() {
			continue
		}
		n.parked = append(n.parked[:i], n.parked[i+1:]...)
		n.current.Store(r)
		r.resume <- struct{}{}
		n.handOver()
		i, all = -1, len(n.parked) <= fewParked || n.lookAtAll() // others may be ready by now
	}
}

// So many goroutines that wait are all looked at when one has run. If there are more, all are
// looked at after every lookEvery events, because a goroutine may have ended the context of
// another.
const fewParked, lookEvery = 64, 1000

// lookAtAll reports whether all waits are to be looked at after this event.
func (n *Network) lookAtAll() bool {
	n.unlooked++
	all := n.touchAll.Swap(false) || n.touched == nil || n.unlooked >= lookEvery
	if all {
		n.unlooked = 0
	}
	return all
}

// ErrIdle is returned by a call that waits while nothing will ever happen in the network.
var ErrIdle = errors.New("simnet: nothing is left that could end the wait")

// wait implements virtual.Machine.Wait for m. The goroutine that waits lets time pass, unless
// another one does.
func (n *Network) wait(ctx context.Context, m *machine, a, b <-chan struct{}) (fromB bool, err error) {
	ready := func() bool {
		select {
		case <-a:
			return true
		case <-b:
			fromB = true
			return true
		default:
			err = ctx.Err()
			return err != nil
		}
	}
	if ready() {
		return fromB, err
	}
	id := goid.ID()
	if r := n.routine(id); r != nil {
		n.park(r, m, ready)
		return fromB, err
	}
	if n.loop.Load() == id && n.live.Load() == nil {
		return false, ErrNested
	}
	select {
	case <-a:
		return false, nil
	case <-b:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case n.token <- struct{}{}:
	}
	n.loop.Store(id)
	defer n.release()
	for !ready() {
		if !n.step(never) {
			return false, ErrIdle
		}
	}
	return fromB, err
}

// ErrNested is returned by calls that wait, such as a node's Ping, from within an event: see Go.
var ErrNested = virtual.ErrNested

// Live has time pass with that of the system from now on, until stop is called: in a bubble of
// testing/synctest with that of the bubble, so that nobody waits for it, and elsewhere in real
// time. The program under test may then use goroutines, timers and contexts as it likes. Its
// goroutines run at the same time, so that a seed does not decide everything any more. Run sleeps.
//
// While the network is live its methods may be called from any goroutine, but one goroutine at a
// time must add and remove nodes, and let them crash and come back.
func (n *Network) Live() (stop func()) {
	n.acquire(0)
	n.live.Store(&pace{n.Now(), time.Now()})
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		n.serve(quit)
	}()
	return func() {
		close(quit)
		<-ended
		n.clock.Store(int64(n.Now()))
		n.live.Store(nil)
		n.release()
	}
}

// serve handles events when they are due.
func (n *Network) serve(quit <-chan struct{}) {
	n.loop.Store(goid.ID())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-quit:
			return
		default:
		}
		n.mu.Lock()
		at := n.earliest().first()
		n.mu.Unlock()
		now := n.Now()
		if at <= now {
			n.step(now)
			continue
		}
		timer.Reset(at - now)
		select {
		case <-timer.C:
		case <-n.kick:
		case <-quit:
			return
		}
	}
}

// push adds an event. The caller holds mu.
func (n *Network) push(q *events, at time.Duration, what happening) {
	n.seq++
	q.push(event{at, n.seq, what})
	if n.live.Load() != nil && q.first() == at {
		select {
		case n.kick <- struct{}{}:
		default:
		}
	}
}

// WithTimeout returns a context that ends when d has passed on the network's clock. Deadlines of
// contexts made otherwise are those of the system's clock, which tell nothing about simulated time
// but while the network is live.
func (n *Network) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	n.After(d, func() { cancel(context.DeadlineExceeded) })
	return deadline{ctx}, func() { cancel(context.Canceled) }
}

// deadline is a context that ends with context.DeadlineExceeded.
type deadline struct{ context.Context }

func (d deadline) Err() error {
	if d.Context.Err() != nil && context.Cause(d.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return d.Context.Err()
}

// onLoop calls f when no event is being handled: now, or while the network is live as an event.
func (n *Network) onLoop(f func()) {
	if n.live.Load() != nil && n.loop.Load() != goid.ID() {
		n.After(0, f)
		return
	}
	f()
}

// At calls f at time t, or with the next event if t has passed.
func (n *Network) At(t time.Duration, f func()) { n.alarm(max(t, n.Now()), call(f)) }

// After calls f when d has passed.
func (n *Network) After(d time.Duration, f func()) { n.At(n.Now()+d, f) }

// call is a function of the test as an event.
type call func()

func (f call) happen(*Network) { f() }

func (n *Network) alarm(at time.Duration, what happening) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.push(&n.alarms, at, what)
}
