package session

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Pending holds the requests that this node has sent and that have not ended. Each is found by its
// request ID, which the answer repeats, and by the nonce of its newest packet, which a WHOAREYOU
// repeats. A request ends exactly once: whoever takes it out of the table has the right and the
// duty to say how it ended.
//
//	request ID   | slot 4, highest bit set | random 4 |
//
// The highest bit is there because some peers keep the ID as a number, and repeat it without
// leading zeros.
//
// T is what the caller keeps of a request. Pending is safe for concurrent use.
type Pending[T any] struct {
	mu      sync.Mutex
	slots   []pendingSlot[T]
	free    []uint32
	byNonce map[codec.Nonce]uint32
	wheel   wheel
	max     int
}

type pendingSlot[T any] struct {
	value    T
	id       codec.RequestID
	nonce    codec.Nonce
	hasNonce bool
	live     bool
}

// slotBit keeps the first byte of a request ID from being 0.
const slotBit = 1 << 31

// Ring of the wheel: 4 seconds in steps of 8 ms.
const (
	pendingTick  = 8 * time.Millisecond
	pendingTicks = 512
)

// NewPending returns a table for at most max requests. Its memory grows with the number of requests
// that are pending at a time.
func NewPending[T any](max int) *Pending[T] {
	return &Pending[T]{byNonce: make(map[codec.Nonce]uint32), wheel: newWheel(0, pendingTicks, pendingTick), max: max}
}

// Add enters a request that times out at deadline. make is called with the new request's ID while
// the table is locked and returns what is kept. ok is false when the table is full.
func (p *Pending[T]) Add(deadline time.Duration, r *aead.Random, make func(codec.RequestID) T) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		if len(p.slots) == p.max {
			return v, false
		}
		p.slots = append(p.slots, pendingSlot[T]{})
		p.wheel.links = append(p.wheel.links, wheelLink{})
		p.free = append(p.free, uint32(len(p.slots)-1))
	}
	slot := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	var b [codec.MaxRequestID]byte
	r.Read(b[4:])
	binary.BigEndian.PutUint32(b[:], slot|slotBit)
	id, _ := codec.NewRequestID(b[:])
	s := &p.slots[slot]
	*s = pendingSlot[T]{value: make(id), id: id, live: true}
	p.wheel.add(slot, deadline)
	return s.value, true
}

// slot finds a live request by ID.
func (p *Pending[T]) slot(id *codec.RequestID) (uint32, bool) {
	b := id.Bytes()
	if len(b) != codec.MaxRequestID {
		return 0, false
	}
	n := binary.BigEndian.Uint32(b) &^ slotBit
	if n >= uint32(len(p.slots)) || !p.slots[n].live || p.slots[n].id != *id {
		return 0, false
	}
	return n, true
}

// SetNonce tells with which nonce the request has been sent now; an earlier one is forgotten.
// It reports false when the request has ended.
func (p *Pending[T]) SetNonce(id codec.RequestID, nonce *codec.Nonce) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if !ok {
		return false
	}
	p.forget(n)
	s := &p.slots[n]
	s.nonce, s.hasNonce = *nonce, true
	p.byNonce[*nonce] = n
	return true
}

// Move changes the deadline of a request. It reports false when the request has ended.
func (p *Pending[T]) Move(id codec.RequestID, deadline time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if ok && p.wheel.links[n].deadline != deadline {
		p.wheel.remove(n)
		p.wheel.add(n, deadline)
	}
	return ok
}

func (p *Pending[T]) forget(n uint32) {
	if s := &p.slots[n]; s.hasNonce {
		delete(p.byNonce, s.nonce)
		s.hasNonce = false
	}
}

// Get returns the request with the given ID.
func (p *Pending[T]) Get(id codec.RequestID) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if ok {
		v = p.slots[n].value
	}
	return v, ok
}

// Challenged finds the request whose packet had the given nonce. If accept agrees with it, that
// nonce is used up and the deadline moves to deadline: a request can be challenged once for each
// packet.
func (p *Pending[T]) Challenged(nonce *codec.Nonce, deadline time.Duration, accept func(T) bool) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.byNonce[*nonce]
	if !ok || !accept(p.slots[n].value) {
		return v, false
	}
	p.forget(n)
	p.wheel.remove(n)
	p.wheel.add(n, deadline)
	return p.slots[n].value, true
}

// Take ends the request with the given ID. It reports false when it has ended already.
func (p *Pending[T]) Take(id codec.RequestID) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if !ok {
		return v, false
	}
	p.wheel.remove(n)
	return p.release(n), true
}

func (p *Pending[T]) release(n uint32) T {
	p.forget(n)
	v := p.slots[n].value
	p.slots[n] = pendingSlot[T]{}
	p.free = append(p.free, n)
	return v
}

// Expire ends all requests whose deadline has passed and appends them to dst.
func (p *Pending[T]) Expire(now time.Duration, dst []T) []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wheel.advance(now, func(n uint32) { dst = append(dst, p.release(n)) })
	return dst
}

// NextExpiry returns the time from which Expire has a request to end. Without requests that is the
// largest Duration.
func (p *Pending[T]) NextExpiry() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wheel.first(len(p.slots))
}

// Drain ends all requests and appends them to dst.
func (p *Pending[T]) Drain(dst []T) []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range p.slots {
		if p.slots[n].live {
			p.wheel.remove(uint32(n))
			dst = append(dst, p.release(uint32(n)))
		}
	}
	return dst
}

// Len is how many requests are pending.
func (p *Pending[T]) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots) - len(p.free)
}
