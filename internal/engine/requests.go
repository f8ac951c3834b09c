package engine

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/wheel"
)

// requestTable holds the outstanding requests of this node. It finds each by its request ID, which
// the response repeats, and by the nonce of its newest packet, which a WHOAREYOU repeats. A request
// ends exactly once: the caller that takes it out of the table must report how it ended.
//
//	request ID   | slot 4, highest bit set | random 4 |
//
// The highest bit is set because some peers keep the ID as a number and repeat it without leading
// zeros.
//
// T is what the caller keeps of a request. A requestTable is safe for concurrent use.
type requestTable[T any] struct {
	mu      sync.Mutex
	slots   []requestSlot[T]
	free    []uint32
	byNonce map[codec.Nonce]uint32
	wheel   wheel.Wheel
	max     int
}

type requestSlot[T any] struct {
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
	requestTick  = 8 * time.Millisecond
	requestTicks = 512
)

// newRequestTable returns a table for at most max requests. Its memory grows with the largest
// number that was outstanding at a time.
func newRequestTable[T any](max int) *requestTable[T] {
	return &requestTable[T]{byNonce: make(map[codec.Nonce]uint32), wheel: wheel.New(0, requestTicks, requestTick), max: max}
}

// add enters a request that times out at deadline. It calls make with the ID of the new request
// while the table is locked, and keeps what make returns. ok is false when the table is full.
func (p *requestTable[T]) add(deadline time.Duration, r *aead.Random, make func(codec.RequestID) T) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		if len(p.slots) == p.max {
			return v, false
		}
		p.slots = append(p.slots, requestSlot[T]{})
		p.wheel.Grow()
		p.free = append(p.free, uint32(len(p.slots)-1))
	}
	slot := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	var b [codec.MaxRequestID]byte
	r.Read(b[4:])
	binary.BigEndian.PutUint32(b[:], slot|slotBit)
	id, _ := codec.NewRequestID(b[:])
	s := &p.slots[slot]
	*s = requestSlot[T]{value: make(id), id: id, live: true}
	p.wheel.Add(slot, deadline)
	return s.value, true
}

// slot finds a live request by ID.
func (p *requestTable[T]) slot(id *codec.RequestID) (uint32, bool) {
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

// setNonce notes the nonce of the newest packet of a request, which replaces an earlier one. It
// reports false when the request has ended.
func (p *requestTable[T]) setNonce(id codec.RequestID, nonce *codec.Nonce) bool {
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

// move changes the deadline of a request. It reports false when the request has ended.
func (p *requestTable[T]) move(id codec.RequestID, deadline time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if ok && p.wheel.Deadline(n) != deadline {
		p.wheel.Remove(n)
		p.wheel.Add(n, deadline)
	}
	return ok
}

func (p *requestTable[T]) forget(n uint32) {
	if s := &p.slots[n]; s.hasNonce {
		delete(p.byNonce, s.nonce)
		s.hasNonce = false
	}
}

// get returns the request with the given ID.
func (p *requestTable[T]) get(id codec.RequestID) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if ok {
		v = p.slots[n].value
	}
	return v, ok
}

// challenged finds the request whose packet had the given nonce. If accept agrees, the nonce is
// used up and the deadline moves to deadline: a request can be challenged once for each packet.
func (p *requestTable[T]) challenged(nonce *codec.Nonce, deadline time.Duration, accept func(T) bool) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.byNonce[*nonce]
	if !ok || !accept(p.slots[n].value) {
		return v, false
	}
	p.forget(n)
	p.wheel.Remove(n)
	p.wheel.Add(n, deadline)
	return p.slots[n].value, true
}

// take takes the request with the given ID out of the table. It reports false when that has
// happened already.
func (p *requestTable[T]) take(id codec.RequestID) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.slot(&id)
	if !ok {
		return v, false
	}
	p.wheel.Remove(n)
	return p.release(n), true
}

func (p *requestTable[T]) release(n uint32) T {
	p.forget(n)
	v := p.slots[n].value
	p.slots[n] = requestSlot[T]{}
	p.free = append(p.free, n)
	return v
}

// expire takes all requests whose deadline has passed out of the table and appends them to dst.
func (p *requestTable[T]) expire(now time.Duration, dst []T) []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wheel.Advance(now, func(n uint32) { dst = append(dst, p.release(n)) })
	return dst
}

// nextExpiry returns the time from which expire finds a request. Without requests that is the
// largest Duration.
func (p *requestTable[T]) nextExpiry() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wheel.First()
}

// drain takes all requests out of the table and appends them to dst.
func (p *requestTable[T]) drain(dst []T) []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range p.slots {
		if p.slots[n].live {
			p.wheel.Remove(uint32(n))
			dst = append(dst, p.release(uint32(n)))
		}
	}
	return dst
}

// size returns the number of outstanding requests.
func (p *requestTable[T]) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots) - len(p.free)
}
