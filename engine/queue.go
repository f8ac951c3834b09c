package engine

import (
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/session"
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
type queue struct {
	mu      sync.Mutex
	free    []*job
	ring    []*job // pushed jobs, oldest at tail
	tail, n int
	// quota counts the jobs handed out: being filled, queued or running.
	quota prefixquota.Quota
}

// Parts of a queue that is more than half full that one prefix may hold: a sixteenth for a /24 or a
// /48, an eighth for a /16 or a /32.
const (
	siteQuota = 16
	wideQuota = 8
)

func (q *queue) init(size int) {
	q.ring = make([]*job, size)
	site, wide := max(size/siteQuota, 1), max(size/wideQuota, 1)
	q.quota.Init(prefixquota.Config{
		Limits: prefixquota.Limits{Host: site, Site: site, Wide: wide},
		Free:   size / 2,
	})
}

// setExemptPrivate says whether private addresses have no quota.
func (q *queue) setExemptPrivate(exempt bool) {
	q.mu.Lock()
	q.quota.SetExemptPrivate(exempt)
	q.mu.Unlock()
}

// admit reserves a job for work that addr caused. It returns nil and the cause if there is no room. The
// caller fills the job and pushes it.
func (q *queue) admit(addr netip.Addr) (*job, Counter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.quota.Len() >= len(q.ring) {
		return nil, DropInboundFull
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
	j.cause, j.queue, j.call = addr, q, nil
	return j, 0
}

// push queues a job from admit, for which there is always room.
func (q *queue) push(j *job) {
	q.mu.Lock()
	q.ring[(q.tail+q.n)%len(q.ring)] = j
	q.n++
	q.mu.Unlock()
}

func (q *queue) pop() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return nil
	}
	j := q.ring[q.tail]
	q.ring[q.tail] = nil
	q.tail = (q.tail + 1) % len(q.ring)
	q.n--
	return j
}

// release gives a job back once its work is done.
func (q *queue) release(j *job) {
	q.mu.Lock()
	q.quota.Release(j.cause)
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
	return q.n
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

// Wake delivers a token when a job has been queued. Who receives one calls RunJob until it reports false.
func (e *Engine) Wake() <-chan struct{} { return e.wake }
