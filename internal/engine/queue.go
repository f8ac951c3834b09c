package engine

import (
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/internal/session"
)

type jobKind uint8

const (
	jobHandshake jobKind = iota // examine a handshake packet
	jobInitiate                 // answer a WHOAREYOU with a handshake
	jobNodes                    // verify the records of a NODES answer
)

// Buffer is memory for one datagram whose work outlives its batch.
type Buffer interface {
	Bytes() []byte // codec.MaxPacketSize bytes
	Release()      // gives the memory back; called once
}

// Buffers hands out Buffers.
type Buffers interface {
	// Get returns a free buffer, or nil when there is none.
	Get() Buffer
}

// heap is the Buffers of an engine that was given none.
type heap struct{}

type heapBuffer struct{ b []byte }

func (heap) Get() Buffer           { return heapBuffer{make([]byte, codec.MaxPacketSize)} }
func (b heapBuffer) Bytes() []byte { return b.b }
func (b heapBuffer) Release()      {}

// job is work for RunJob. The packet's slices point into buf, or challenge.
type job struct {
	kind   jobKind
	cause  netip.Addr // whose quota it uses
	first  bool       // of its name; see queue
	via    Via
	queue  *queue
	from   netip.AddrPort
	key    session.Key
	hash   uint64
	packet codec.Packet
	came   time.Duration // when the packet of jobHandshake did
	call   *call
	buf    Buffer
	// challenge is the unmasked WHOAREYOU that jobInitiate answers.
	challenge [codec.WhoareyouSize]byte
}

// queue is a bounded first-in first-out of jobs. Once half of it is in use, a source prefix gets no
// more than its quota, so that a flood from one network leaves room for the others.
//
// Handshakes that are not the first for their sender's challenge wait in a line of their own, which
// gets a quarter of the room and one turn in four. Off-path attackers can send any number of
// handshakes in a name to which a challenge is out; those do not delay the first ones of other
// names.
type queue struct {
	mu    sync.Mutex
	free  []*job
	lines [2]line // first ones, later ones
	size  int
	turn  uint8
	later int // later ones that were handed out
	// quota counts the jobs handed out: being filled, queued or running.
	quota prefixquota.Quota
}

// line holds pushed jobs.
type line struct {
	ring    []*job
	tail, n int // the oldest is at tail
}

func (l *line) push(j *job) {
	l.ring[(l.tail+l.n)%len(l.ring)] = j
	l.n++
}

func (l *line) pop() *job {
	j := l.ring[l.tail]
	l.ring[l.tail] = nil
	l.tail = (l.tail + 1) % len(l.ring)
	l.n--
	return j
}

const (
	// laterRoom is the part of a queue that later handshakes get: one in laterRoom places.
	laterRoom = 4
	// laterTurn is how often one of them has its turn while first ones wait: once in laterTurn.
	laterTurn = 4
)

// Parts of a queue that is more than half full that one prefix may hold: a sixteenth for a /24 or a
// /48, an eighth for a /16 or a /32.
const (
	siteQuota = 16
	wideQuota = 8
)

func (q *queue) init(size int) {
	q.size = size
	q.lines = [2]line{{ring: make([]*job, size)}, {ring: make([]*job, max(size/laterRoom, 1))}}
	site, wide := max(size/siteQuota, 1), max(size/wideQuota, 1)
	q.quota.Init(prefixquota.Config{
		Limits: prefixquota.Limits{Host: site, Site: site, Wide: wide},
		Free:   size / 2,
		// One host of a private network, or one program on this machine, must not fill the queue
		// either. Half of it has room for any honest burst.
		Strict: true,
	})
}

// admit reserves a job for work that addr caused. It returns nil and the cause if there is no room.
// The caller fills the job and pushes it.
func (q *queue) admit(addr netip.Addr) (*job, Counter) { return q.admitHandshake(addr, true) }

// admitHandshake is admit for a handshake, which may be the first of its name or a later one.
func (q *queue) admitHandshake(addr netip.Addr, first bool) (*job, Counter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.quota.Len() >= q.size:
		return nil, DropInboundFull
	case !first && q.later >= len(q.lines[1].ring):
		return nil, DropInboundLater
	}
	if _, ok := q.quota.Take(addr); !ok {
		return nil, DropInboundShare
	}
	var j *job
	if k := len(q.free); k > 0 {
		j, q.free = q.free[k-1], q.free[:k-1]
	} else {
		j = new(job)
	}
	j.cause, j.first, j.queue, j.call = addr, first, q, nil
	if !first {
		q.later++
	}
	return j, 0
}

// push queues a job from admit, for which there is always room.
func (q *queue) push(j *job) {
	q.mu.Lock()
	if j.first {
		q.lines[0].push(j)
	} else {
		q.lines[1].push(j)
	}
	q.mu.Unlock()
}

// pop takes the next job, or nil.
func (q *queue) pop() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	first, later := &q.lines[0], &q.lines[1]
	if later.n > 0 && (first.n == 0 || q.turn%laterTurn == laterTurn-1) {
		q.turn++
		return later.pop()
	}
	if first.n == 0 {
		return nil
	}
	q.turn++
	return first.pop()
}

// release gives a job back once its work is done.
func (q *queue) release(j *job) {
	q.mu.Lock()
	q.quota.Release(j.cause)
	if !j.first {
		q.later--
	}
	j.call = nil
	if j.buf != nil {
		j.packet = codec.Packet{} // its slices end with the buffer
		j.buf.Release()
		j.buf = nil
	}
	q.free = append(q.free, j)
	q.mu.Unlock()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[0].n + q.lines[1].n
}

// nextJob takes the next job: those of this node's calls first, whose number its own calls limit.
func (e *Engine) nextJob() *job {
	if j := e.own.pop(); j != nil {
		return j
	}
	return e.inbound.pop()
}

// submit queues a job and wakes a goroutine that waits for one.
func (e *Engine) submit(j *job) {
	j.queue.push(j)
	select {
	case e.wake <- struct{}{}:
	default: // enough of them have been woken
	}
}

// Wake delivers a token when a job has been queued. Who receives one calls RunJob until it reports
// false.
func (e *Engine) Wake() <-chan struct{} { return e.wake }
