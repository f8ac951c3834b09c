package fastpath

import (
	"errors"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

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
	batch  int
	open   int // slots that have memory
	stride int
	size   int
	live   []rxPacket // the delivered datagrams, in order of arrival

	mmsg *mmsgRx // built by the first ReadBatch of the fast path
}

// rxPacket is one delivered datagram. Slots of dropped datagrams stay unused, and all datagrams of
// a GRO batch share one slot.
type rxPacket struct {
	from netip.AddrPort
	at   uint32 // in the slab
	n    uint16
	room uint16 // n, and what may be appended

	local Local
	group uint8 // of a SharedConn
}

// NewRx returns an Rx of batch slots of size bytes each, which takes batch*size bytes plus about
// 200 bytes per slot. From the first use with a Conn that receives GRO batches (see Info.GRO) it
// has at most 32 slots, of 64 KiB each. Eight of them have memory at first; more get it when call
// after call fills all of these. NewRx panics unless batch is 1 to MaxBatch and size is 1 to
// MaxDatagram.
func NewRx(batch, size int) *Rx {
	checkBatch(batch, size)
	s := stride(size)
	return &Rx{
		slab:   make([]byte, batch*s),
		batch:  batch,
		open:   batch,
		stride: s,
		size:   size,
		live:   make([]rxPacket, 0, batch),
	}
}

// Len is the number of datagrams in rx. It can be above Cap(), with GRO batches.
func (rx *Rx) Len() int { return len(rx.live) }

// Cap is the number of slots. A GRO batch takes one.
func (rx *Rx) Cap() int { return rx.batch }

// Size is the largest datagram in bytes that rx takes.
func (rx *Rx) Size() int { return rx.size }

// Packet returns datagram i, 0 <= i < Len(). Callers may change it in place, and append to it up to
// its capacity, which is Size(), or its length if it was part of a GRO batch. It is valid until rx
// is used again.
func (rx *Rx) Packet(i int) []byte {
	p := &rx.live[i]
	at := int(p.at)
	return rx.slab[at : at+int(p.n) : at+int(p.room)]
}

// Addr returns the source of datagram i, 0 <= i < Len(). An IPv4 address is
// never 4-in-6, and there is no zone.
func (rx *Rx) Addr(i int) netip.AddrPort { return rx.live[i].from }

// Local returns the number of the local address that datagram i arrived at, 0 <= i < Len(). It is 0
// if the socket does not tell: see Info.LocalAddrs.
func (rx *Rx) Local(i int) Local { return rx.live[i].local }

// Reset empties rx.
func (rx *Rx) Reset() { rx.live = rx.live[:0] }

// Push copies datagram b from the given source into rx. It reports false, and
// does nothing, when b is larger than Size() or no slot is free. It is for
// implementations of Conn, after Reset.
func (rx *Rx) Push(b []byte, from netip.AddrPort) bool {
	return rx.PushShared(b, from, 0, 0)
}

// slot returns slot i of the slab, size bytes long.
func (rx *Rx) slot(i int) []byte {
	at := i * rx.stride
	return rx.slab[at : at+rx.size : at+rx.size]
}

// provide gives memory to the first n slots, or to all if there are fewer. The content of rx stays.
func (rx *Rx) provide(n int) {
	rx.open = min(n, rx.batch)
	slab := make([]byte, rx.open*rx.stride)
	copy(slab, rx.slab)
	rx.slab = slab
}

// deliver appends the datagram of n bytes in the given slot.
func (rx *Rx) deliver(slot, n int, from netip.AddrPort, local Local) {
	rx.live = append(rx.live, rxPacket{from: from, local: local, at: uint32(slot * rx.stride), n: uint16(n), room: uint16(rx.size)})
}

// Tx is a batch of datagrams to send with the memory they live in. It belongs
// to one goroutine at a time, and may be used with one Conn after another. Neighbors to one
// destination may leave as a GSO batch, see [Info.GSO]. Callers save most if they queue such
// datagrams one after another, all of one size except the last.
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

	mmsg *mmsgTx // built by the first WriteBatch of the fast path

	err error // of the first datagram that the last WriteBatch dropped
}

// ErrDestination: the destination of a datagram is invalid, or not of the socket's family.
var ErrDestination = errors.New("fastpath: destination is not of the socket's address family")

// Err returns why the last WriteBatch dropped a datagram: the error of the first one, nil if the
// system took all. An error that WriteBatch itself returned is not repeated. Conns of other
// packages need not set it.
func (tx *Tx) Err() error { return tx.err }

// fault notes why a datagram is dropped.
func (tx *Tx) fault(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// txPacket is one committed datagram.
type txPacket struct {
	to    netip.AddrPort
	n     int
	local Local
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

// Buffer returns the next free slot, Size() bytes long, or nil when tx is full. It returns the same
// slot until Commit. Its content is left over from earlier use.
func (tx *Tx) Buffer() []byte {
	if len(tx.queue) == cap(tx.queue) {
		return nil
	}
	off := len(tx.queue) * tx.stride
	return tx.slab[off : off+tx.size : off+tx.size]
}

// Commit queues the first n bytes of the slot that Buffer returned for the
// given destination. A zone is ignored. A destination that cannot work is
// found out, and counted, by WriteBatch. Commit panics when tx is full or n is
// not 0 to Size(): only a mistake of the caller can do that.
func (tx *Tx) Commit(n int, to netip.AddrPort) { tx.CommitFrom(n, to, 0) }

// CommitFrom is Commit for a datagram that leaves from a local address, as Rx.Local of the same
// group names it. If the address is no longer there, the datagram leaves from the one that the
// system chooses; see ConnStats.LocalFallbacks.
func (tx *Tx) CommitFrom(n int, to netip.AddrPort, from Local) {
	if len(tx.queue) == cap(tx.queue) {
		panic("fastpath: Commit on a full Tx")
	}
	if uint(n) > uint(tx.size) {
		panic("fastpath: Commit of more bytes than a slot has")
	}
	tx.queue = append(tx.queue, txPacket{to: netaddr.NormalizePort(to), n: n, local: from})
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

// Local returns the local address that datagram i, 0 <= i < Len(), leaves from; 0 leaves the choice
// to the system.
func (tx *Tx) Local(i int) Local { return tx.queue[i].local }

// Reset drops all queued datagrams.
func (tx *Tx) Reset() { tx.queue = tx.queue[:0] }
