package load

import (
	"github.com/fastdisc/discv5/codec"
)

// sealAhead is how many packets a ring has room for, as far as whole batches allow. More would not
// fit into the caches of the processor.
const sealAhead = 1024

// slot is a packet of a sealed batch.
type slot struct {
	who        *identity // nil for junk
	seq        uint64
	nonce      codec.Nonce
	generation uint32 // of who, when the packet was sealed
}

// sealedBatch is packets of one kind that leave from one socket. They stand one behind the other in
// slab.
type sealedBatch struct {
	sock   int32
	kind   Kind
	size   int // of a packet
	sealed int // packets that are ready
	sent   int // of those
	slots  []slot
	slab   []byte
}

// packet is the memory of packet i.
func (t *sealedBatch) packet(i int) []byte { return t.slab[i*t.size : (i+1)*t.size] }

// ring holds batches in the order in which they will leave. Only the last one may be unfinished,
// and the first one that is being sent.
type ring struct {
	batches []sealedBatch
	slots   []slot // of all batches
	slab    []byte // the same
	head    int
	count   int
}

// reset makes room for the given number of packets of up to the given size, in batches of the given
// length, and empties the ring.
func (r *ring) reset(length, size, packets int) {
	n := max(4, (packets+length-1)/length)
	if cap(r.batches) < n {
		r.batches = make([]sealedBatch, n)
	}
	if cap(r.slots) < n*length {
		r.slots = make([]slot, n*length)
	}
	if cap(r.slab) < n*length*size {
		r.slab = make([]byte, n*length*size)
	}
	r.batches = r.batches[:n]
	for i := range r.batches {
		r.batches[i].slots = r.slots[i*length : (i+1)*length]
		r.batches[i].slab = r.slab[i*length*size : (i+1)*length*size]
	}
	r.head, r.count = 0, 0
}

// front returns the batch to send from, or nil if nothing is sealed.
func (r *ring) front() *sealedBatch {
	if r.count == 0 {
		return nil
	}
	t := &r.batches[r.head]
	if t.sent == t.sealed {
		return nil // and the only one
	}
	return t
}

// advance removes the first batch if all of it has been sent.
func (r *ring) advance() {
	if t := &r.batches[r.head]; t.sent == len(t.slots) {
		r.head = (r.head + 1) % len(r.batches)
		r.count--
	}
}

// back returns the batch to seal into: the last one, or a new one that setUp prepares. It is nil
// when the ring is full.
func (r *ring) back(setUp func(*sealedBatch) bool) *sealedBatch {
	if r.count > 0 {
		if t := &r.batches[(r.head+r.count-1)%len(r.batches)]; t.sealed < len(t.slots) {
			return t
		}
	}
	if r.count == len(r.batches) {
		return nil
	}
	t := &r.batches[(r.head+r.count)%len(r.batches)]
	t.sealed, t.sent = 0, 0
	if !setUp(t) {
		return nil
	}
	r.count++
	return t
}
