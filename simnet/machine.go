package simnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/virtual"
)

// machine is what a node runs on, from one start to the next crash. It implements virtual.Machine.
type machine struct {
	nd     *Node
	random lockedReader
	conns  []*conn
	begun  time.Duration // network time

	offset    atomic.Int64 // of the machine's clock: network time less this
	stopped   atomic.Int64 // what the clock shows while it stands still, else never
	suspended atomic.Bool
	running   atomic.Bool // node is stepped
	looking   atomic.Bool // an event will look at when the node is due

	// Set before Start:
	node   virtual.Node
	eng    *engine.Engine
	config engine.Config
	made   *enr.Record // that the node started with

	// The goroutine that lets time pass has the rest to itself:
	lastTick  time.Duration // network time
	lastSweep time.Duration // likewise
	wakeAt    time.Duration // of the event in the heap that counts
	taskAt    time.Duration
}

// lockedReader is a generator that several goroutines may read from.
type lockedReader struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

func (nd *Node) newMachine() *machine {
	m := &machine{nd: nd, random: lockedReader{r: nd.random()}, begun: nd.n.Now(), wakeAt: never, taskAt: never}
	m.offset.Store(int64(m.begun))
	m.stopped.Store(int64(never))
	for _, p := range nd.ports() {
		m.conns = append(m.conns, newConn(m, p))
	}
	return m
}

// Now implements virtual.Machine.
func (m *machine) Now() time.Duration {
	if s := m.stopped.Load(); s != int64(never) {
		return time.Duration(s)
	}
	return m.nd.n.Now() - time.Duration(m.offset.Load())
}

// Time implements virtual.Machine.
func (m *machine) Time() time.Time { return m.nd.n.wall() }

// Random implements virtual.Machine.
func (m *machine) Random() io.Reader { return &m.random }

// Go implements virtual.Machine.
func (m *machine) Go(f func()) { m.nd.n.Go(f) }

// Wait implements virtual.Machine.
func (m *machine) Wait(ctx context.Context, a, b <-chan struct{}) (bool, error) {
	return m.nd.n.wait(ctx, m, a, b)
}

// After implements virtual.Machine.
func (m *machine) After(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	m.nd.n.alarm(m.nd.n.Now()+max(d, 0), timer{m, c})
	return c
}

// timer is the event at the end of After.
type timer struct {
	m *machine
	c chan struct{}
}

func (t timer) happen(n *Network) {
	n.touched = t.m
	close(t.c)
}

// Configure implements virtual.Machine. Nodes share everything that they can.
func (m *machine) Configure(c *engine.Config) {
	n := m.nd.n
	c.Session.Shards, c.MaxTasks = 1, 64
	c.RecordCache, c.NodesBuffers = n.records, &n.nodesBuffers
	if n.cfg.InsecureCurve {
		c.Curve = newHashCurve(c.Key)
	}
	m.made = c.Record
	m.nd.cfg.Tuning.apply(c)
	if m.nd.cfg.engine != nil {
		m.nd.cfg.engine(c)
	}
	if a := m.nd.audit; a != nil && c.Registrar != nil {
		c.OnRegistration = a.decides
	}
	m.config = *c
}

// Start implements virtual.Machine.
func (m *machine) Start(node virtual.Node) error {
	n := m.nd.n
	if m.node != nil {
		return fmt.Errorf("%w: the machine runs a node", ErrAddrUsed)
	}
	m.node, m.eng = node, node.Engine()
	// Not all nodes tick at the same time.
	var b [8]byte
	m.random.Read(b[:])
	m.lastTick = n.Now() - time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(TickInterval))
	m.lastSweep = n.Now()
	if a := m.nd.audit; a != nil {
		a.reset(m)
	}
	m.running.Store(true)
	m.Changed()
	return nil
}

// Stop implements virtual.Machine. It does not wait for a call of the node that is under way.
func (m *machine) Stop() {
	m.running.Store(false)
	m.nd.n.touchAll.Store(true)
}

// Changed implements virtual.Machine.
func (m *machine) Changed() {
	if m.running.Load() && !m.looking.Swap(true) {
		m.nd.n.alarm(m.nd.n.Now(), look{m})
	}
}

// look is the event in which a machine sees when its node is due.
type look struct{ m *machine }

func (l look) happen(n *Network) {
	n.touched = l.m
	l.m.looking.Store(false)
	if l.m.up() {
		l.m.settle()
	}
}

// up reports whether the node is stepped.
func (m *machine) up() bool { return m != nil && m.running.Load() && !m.suspended.Load() }

// conn returns the Conn on an address.
func (m *machine) conn(p *port) *conn {
	for _, c := range m.conns {
		if c.port == p {
			return c
		}
	}
	return nil
}

// listens reports whether datagrams are taken in at c.
func (m *machine) listens(c *conn) bool { return !m.suspended.Load() && !c.shut.Load() }

// receive handles a datagram that has arrived at a Conn.
func (m *machine) receive(c *conn, from netip.AddrPort, b []byte) {
	if !m.running.Load() {
		c.enqueue(from, b)
		return
	}
	m.nd.n.touched = m
	a := m.nd.audit
	if a != nil {
		a.before(from, b)
	}
	m.node.Receive(c, from, b)
	if a != nil {
		a.after()
	}
	m.settle()
}

// settle runs the handshake tasks that wait and sees to the next tick. It follows whatever was done
// with the engine.
func (m *machine) settle() {
	if !m.running.Load() {
		return
	}
	n := m.nd.n
	if n.cfg.TaskTime <= 0 {
		for m.running.Load() && m.node.RunTask() {
		}
	} else if m.taskAt == never && m.eng.Tasks() > 0 {
		m.taskAt = n.Now() + n.cfg.TaskTime
	}
	if m.running.Load() { // a function that the node called may have closed it
		m.wake(min(m.nextTick(), m.taskAt))
	}
}

// nextTick is when the node is to be ticked next: on the grid, when it has something to do, or for
// housekeeping.
func (m *machine) nextTick() time.Duration {
	due := m.node.NextTick()
	if due < never/2 {
		due += time.Duration(m.offset.Load())
	}
	due = max(min(due, m.lastTick+Housekeeping), m.nd.n.Now())
	steps := (due - m.lastTick + TickInterval - 1) / TickInterval
	return m.lastTick + max(steps, 1)*TickInterval
}

// wake makes an event at a time if there is none before. An event that comes too early does no
// harm.
func (m *machine) wake(at time.Duration) {
	if at < m.wakeAt {
		m.wakeAt = at
		m.nd.n.alarm(at, m)
	}
}

// happen is the event of a machine: a task has had its time, a tick is due, or it was woken too
// early.
func (m *machine) happen(n *Network) {
	n.touched = m
	now := n.Now()
	if now < m.wakeAt || !m.up() {
		return
	}
	m.wakeAt = never
	if m.taskAt <= now {
		m.taskAt = never
		m.node.RunTask()
	}
	if m.running.Load() && m.nextTick() <= now {
		m.tick()
	}
	m.settle()
}

func (m *machine) tick() {
	n := m.nd.n
	m.lastTick = n.Now()
	m.node.Tick()
	if n.Now()-m.lastSweep >= SweepInterval && m.running.Load() {
		m.lastSweep = n.Now()
		m.eng.Sessions().SweepAll(m.Now())
	}
	if m.nd.audit != nil && m.running.Load() {
		m.nd.audit.ticked()
	}
}

// suspend stops the machine for d.
func (m *machine) suspend(d time.Duration, mode ClockMode) {
	if mode == ClockStops {
		m.stopped.Store(int64(m.Now()))
	}
	m.suspended.Store(true)
	m.nd.n.After(d, func() {
		m.stopped.Store(int64(never))
		m.suspended.Store(false)
		if mode == ClockStops {
			m.offset.Add(int64(d))
		}
		m.wakeAt = never
		if m.nd.audit != nil && m.running.Load() {
			m.nd.audit.resumed()
		}
		m.Changed()
	})
}
