package fastpath

import "net/netip"

// cacheLine is the alignment of slots. 64 bytes is right for amd64 and most
// arm64; where lines are 128 bytes two slots may share one, which costs only
// speed.
const cacheLine = 64

// stride is the distance between slots of size bytes.
func stride(size int) int { return (size + cacheLine - 1) &^ (cacheLine - 1) }

// checkBatch panics unless batch and size make sense: both come from the
// program's own constants, never from the network.
func checkBatch(batch, size int) {
	if batch < 1 || batch > MaxBatch {
		panic("fastpath: batch out of range 1 to MaxBatch")
	}
	if size < 1 || size > MaxDatagram {
		panic("fastpath: slot size out of range 1 to MaxDatagram")
	}
}

// Rx is a batch of received datagrams with the memory they live in. It belongs
// to one goroutine at a time, and may be used with one Conn after another.
type Rx struct {
	slab   []byte
	stride int
	size   int
	live   []rxPacket // the delivered datagrams, in order of arrival

	mmsg *mmsgRx // built by the first ReadBatch of the fast path
}

// rxPacket is one delivered datagram. Slots of dropped datagrams stay unused,
// so its slot need not be its index.
type rxPacket struct {
	from netip.AddrPort
	slot uint32
	n    uint32
}

// NewRx returns an Rx of batch slots of size bytes each, which takes batch*size
// bytes plus about 130 bytes per slot. It panics unless batch is 1 to MaxBatch
// and size is 1 to MaxDatagram.
func NewRx(batch, size int) *Rx {
	checkBatch(batch, size)
	s := stride(size)
	return &Rx{
		slab:   make([]byte, batch*s),
		stride: s,
		size:   size,
		live:   make([]rxPacket, 0, batch),
	}
}

// Len is the number of datagrams in rx.
func (rx *Rx) Len() int { return len(rx.live) }

// Cap is the number of slots.
func (rx *Rx) Cap() int { return cap(rx.live) }

// Size is the capacity of a slot in bytes.
func (rx *Rx) Size() int { return rx.size }

// Packet returns datagram i, 0 <= i < Len(). It may be changed in place and
// appended to up to its capacity, Size(). It is valid until rx is used again.
func (rx *Rx) Packet(i int) []byte {
	p := &rx.live[i]
	off := int(p.slot) * rx.stride
	return rx.slab[off : off+int(p.n) : off+rx.size]
}

// Addr returns the source of datagram i, 0 <= i < Len(). An IPv4 address is
// never 4-in-6, and there is no zone.
func (rx *Rx) Addr(i int) netip.AddrPort { return rx.live[i].from }

// Reset empties rx.
func (rx *Rx) Reset() { rx.live = rx.live[:0] }

// Push copies datagram b from the given source into rx. It reports false, and
// does nothing, when b is larger than a slot or no slot is free. It is for
// implementations of Conn, after Reset.
func (rx *Rx) Push(b []byte, from netip.AddrPort) bool {
	slot := 0
	if n := len(rx.live); n > 0 {
		slot = int(rx.live[n-1].slot) + 1
	}
	if slot >= cap(rx.live) || len(b) > rx.size {
		return false
	}
	copy(rx.slot(slot), b)
	rx.deliver(slot, len(b), plainAddr(from))
	return true
}

// slot returns slot i of the slab, size bytes long.
func (rx *Rx) slot(i int) []byte {
	off := i * rx.stride
	return rx.slab[off : off+rx.size : off+rx.size]
}

// deliver appends the datagram of n bytes in the given slot. Slots are
// delivered in rising order, each once, so there is always room.
func (rx *Rx) deliver(slot, n int, from netip.AddrPort) {
	rx.live = append(rx.live, rxPacket{from: from, slot: uint32(slot), n: uint32(n)})
}

// Tx is a batch of datagrams to send with the memory they live in. It belongs
// to one goroutine at a time, and may be used with one Conn after another.
//
//	for b := tx.Buffer(); b != nil && more(); b = tx.Buffer() {
//		tx.Commit(encode(b), to)
//	}
//	err := conn.WriteBatch(tx)
type Tx struct {
	slab   []byte
	stride int
	size   int
	queue  []txPacket // slot i holds datagram i

	follow    bool // the next datagram follows that before it
	followers int  // datagrams that do

	mmsg *mmsgTx // built by the first WriteBatch of the fast path
}

// txPacket is one committed datagram.
type txPacket struct {
	to      netip.AddrPort
	n       int
	follows bool
}

// NewTx returns a Tx of batch slots of size bytes each. It panics unless batch
// is 1 to MaxBatch and size is 1 to MaxDatagram.
func NewTx(batch, size int) *Tx {
	checkBatch(batch, size)
	s := stride(size)
	return &Tx{
		slab:   make([]byte, batch*s),
		stride: s,
		size:   size,
		queue:  make([]txPacket, 0, batch),
	}
}

// Buffer returns the next free slot, Size() bytes long, or nil when tx is full.
// It returns the same slot until Commit. What it holds is left over from
// earlier use.
func (tx *Tx) Buffer() []byte {
	if len(tx.queue) == cap(tx.queue) {
		return nil
	}
	off := len(tx.queue) * tx.stride
	return tx.slab[off : off+tx.size : off+tx.size]
}

// Follow says that the datagram of the next Commit belongs with the one before
// it, such as another packet of one answer. The two may then leave as a train
// (UDP_SEGMENT) where the system can do that, if they have one destination and sizes
// that fit: all datagrams of a train are of one size, but for the last, which may
// be shorter. What arrives is the same. Datagrams of more than 1452 bytes, which few paths take
// in one piece, leave by themselves.
func (tx *Tx) Follow() { tx.follow = true }

// Commit queues the first n bytes of the slot that Buffer returned for the
// given destination. A zone is ignored. A destination that cannot work is
// found out, and counted, by WriteBatch. Commit panics when tx is full or n is
// not 0 to Size(): only a mistake of the caller can do that.
func (tx *Tx) Commit(n int, to netip.AddrPort) {
	if len(tx.queue) == cap(tx.queue) {
		panic("fastpath: Commit on a full Tx")
	}
	if uint(n) > uint(tx.size) {
		panic("fastpath: Commit of more bytes than a slot has")
	}
	tx.queue = append(tx.queue, txPacket{to: plainAddr(to), n: n, follows: tx.follow})
	if tx.follow {
		tx.follow = false
		tx.followers++
	}
}

// Len is the number of datagrams in tx.
func (tx *Tx) Len() int { return len(tx.queue) }

// Cap is the number of slots.
func (tx *Tx) Cap() int { return cap(tx.queue) }

// Size is the capacity of a slot in bytes.
func (tx *Tx) Size() int { return tx.size }

// Full reports whether no slot is free.
func (tx *Tx) Full() bool { return len(tx.queue) == cap(tx.queue) }

// Packet returns datagram i, 0 <= i < Len(), its capacity clipped to its slot.
func (tx *Tx) Packet(i int) []byte {
	off := i * tx.stride
	return tx.slab[off : off+tx.queue[i].n : off+tx.size]
}

// Addr returns the destination of datagram i, 0 <= i < Len().
func (tx *Tx) Addr(i int) netip.AddrPort { return tx.queue[i].to }

// Reset forgets what is queued.
func (tx *Tx) Reset() { tx.queue, tx.followers = tx.queue[:0], 0 }

// plainAddr returns a with an IPv4 address as 4 bytes and without zone.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
