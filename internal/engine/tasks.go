package engine

import (
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/internal/session"
)

type taskKind uint8

const (
	taskAccept   taskKind = iota // examine a handshake packet
	taskInitiate                 // answer a WHOAREYOU with a handshake
	taskVerify                   // verify the records of a response
	taskRegister                 // verify the record of a REGTOPIC and answer it
)

// task is one piece of slow-path work, for RunTask: a handshake, or the records of a NODES
// response.
type task struct {
	kind   taskKind
	cause  netip.Addr // the address whose quota the task uses
	first  bool       // first handshake of its name; see taskQueue
	via    Via
	queue  *taskQueue
	from   netip.AddrPort
	key    session.Key
	hash   uint64
	packet codec.Packet  // its slices point into buf
	came   time.Duration // when the packet of taskAccept arrived
	call   *call
	// buf holds the handshake packet of taskAccept, the unmasked WHOAREYOU that taskInitiate
	// answers, and the message of taskRegister.
	buf   [codec.MaxPacketSize]byte
	state taskState // empty unless the build tag discv5debug is set
}

// challenge returns the unmasked WHOAREYOU of taskInitiate.
func (t *task) challenge() []byte { return t.buf[:codec.WhoareyouSize] }

// taskQueue is a bounded first-in first-out queue of tasks, which it recycles. Once half of it is
// in use, a source prefix gets no more than its quota, so a flood from one network leaves room for
// others.
//
// Handshakes that are not the first for their sender's challenge wait in a separate line, which
// gets a quarter of the room and one turn in four. Off-path attackers can send any number of
// handshakes in a name that has an outstanding challenge. These do not delay the first handshakes
// of other names.
type taskQueue struct {
	mu    sync.Mutex
	free  []*task
	lines [2]line // first handshakes, later ones
	size  int
	turn  uint8
	later int // reserved tasks that are later ones
	// quota counts the reserved tasks: being filled, queued or running.
	quota prefixquota.Quota
}

// line holds queued tasks.
type line struct {
	ring    []*task
	tail, n int // the oldest is at tail
}

func (l *line) push(t *task) {
	l.ring[(l.tail+l.n)%len(l.ring)] = t
	l.n++
}

func (l *line) pop() *task {
	t := l.ring[l.tail]
	l.ring[l.tail] = nil
	l.tail = (l.tail + 1) % len(l.ring)
	l.n--
	return t
}

const (
	// laterRoom is the part of a queue that later handshakes get: one in laterRoom positions.
	laterRoom = 4
	// laterTurn is how often a later handshake has its turn while first ones wait: once in
	// laterTurn.
	laterTurn = 4
)

// Parts of a queue that is more than half full that one prefix may hold: a sixteenth for a /24 or a
// /48, an eighth for a /16 or a /32.
const (
	siteQuota = 16
	wideQuota = 8
)

func (q *taskQueue) init(size int) {
	q.size = size
	q.lines = [2]line{{ring: make([]*task, size)}, {ring: make([]*task, max(size/laterRoom, 1))}}
	site, wide := max(size/siteQuota, 1), max(size/wideQuota, 1)
	q.quota.Init(prefixquota.Config{
		Limits: prefixquota.Limits{Host: site, Site: site, Wide: wide},
		Free:   size / 2,
		// One host of a private network, or one program on this machine, must not fill the queue
		// either. Half of it has room for any honest burst.
		Strict: true,
	})
}

// reserve returns a task for work that addr caused, which the caller fills and pushes. It returns
// nil and the cause if there is no room.
func (q *taskQueue) reserve(addr netip.Addr) (*task, Counter) { return q.reserveHandshake(addr, true) }

// reserveHandshake is reserve for a handshake, which may be the first of its name or a later one.
func (q *taskQueue) reserveHandshake(addr netip.Addr, first bool) (*task, Counter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.quota.Len() >= q.size:
		return nil, DropInboundFull
	case !first && q.later >= len(q.lines[1].ring):
		return nil, DropInboundLater
	}
	if _, ok := q.quota.Take(addr); !ok {
		return nil, DropInboundQuota
	}
	var t *task
	if k := len(q.free); k > 0 {
		t, q.free = q.free[k-1], q.free[:k-1]
		t.state.reserved(t)
	} else {
		t = new(task)
	}
	t.cause, t.first, t.queue = addr, first, q
	if !first {
		q.later++
	}
	return t, 0
}

// push queues a reserved task, for which there is always room.
func (q *taskQueue) push(t *task) {
	q.mu.Lock()
	if t.first {
		q.lines[0].push(t)
	} else {
		q.lines[1].push(t)
	}
	q.mu.Unlock()
}

// pop takes the next task, or nil.
func (q *taskQueue) pop() *task {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.next()
	if l == nil {
		return nil
	}
	q.turn++
	return l.pop()
}

// next returns the line whose turn it is, or nil if there are no tasks.
func (q *taskQueue) next() *line {
	first, later := &q.lines[0], &q.lines[1]
	switch {
	case later.n > 0 && (first.n == 0 || q.turn%laterTurn == laterTurn-1):
		return later
	case first.n > 0:
		return first
	default:
		return nil
	}
}

// popHandshakes appends tasks to list, in the order of pop, until it is full or the next task is
// not a taskAccept. It appends none if the list would have fewer than least tasks.
func (q *taskQueue) popHandshakes(list []*task, least int) []*task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(list)+q.lines[0].n+q.lines[1].n < least {
		return list
	}
	for len(list) < cap(list) {
		l := q.next()
		if l == nil || l.ring[l.tail].kind != taskAccept {
			break
		}
		q.turn++
		list = append(list, l.pop())
	}
	return list
}

// release returns a task whose work is done, or that was reserved for nothing. The caller must not
// use it afterwards.
func (q *taskQueue) release(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.quota.Release(t.cause)
	if !t.first {
		q.later--
	}
	t.call, t.packet = nil, codec.Packet{}
	t.state.released(t)
	q.free = append(q.free, t)
}

func (q *taskQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[0].n + q.lines[1].n
}

// nextTask takes the next task. Those of this node's own requests go first: MaxRequests bounds
// them.
func (e *Engine) nextTask() *task {
	if t := e.own.pop(); t != nil {
		return t
	}
	return e.inbound.pop()
}

// submit queues a task and wakes a goroutine that waits for one.
func (e *Engine) submit(t *task) {
	t.queue.push(t)
	select {
	case e.wake <- struct{}{}:
	default: // enough of them have been woken
	}
}

// Wake delivers a token when a task has been queued. A goroutine that receives one must call
// RunTask until it reports false.
func (e *Engine) Wake() <-chan struct{} { return e.wake }

// RunTask does one piece of slow-path work, or several handshakes that wait and that take less time
// together. It reports false when there is none. The answers have been written to the PacketWriter
// when it returns.
func (w *Worker) RunTask() bool {
	w.flushLatency()
	t := w.e.nextTask()
	if t == nil {
		return false
	}
	switch w.via = t.via; t.kind {
	case taskAccept:
		if w.acceptBatch(t) {
			w.publish()
			return true
		}
		w.accept(t)
	case taskInitiate:
		w.initiate(t)
	case taskVerify:
		w.verifyRecords(t)
	case taskRegister:
		w.registerNew(t)
	}
	w.via = w.home
	t.queue.release(t)
	w.publish()
	return true
}
