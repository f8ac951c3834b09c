package fastpath

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A train that arrives whole, as one message of the kernel, parted by this package:
//
//	      |<--------------------- groStride --------------------->|
//	slab: | segment | segment | segment | last |              | pad | next slot ...
//	      |<------------ n bytes ------------->|
//	      |<-- g -->|                  <= g
//	      |<------------------- groSlot ------------------->|
//
// g comes in a control message (UDP_GRO). A datagram by itself has none.

const (
	// groSlot is room for any train. The kernel cuts what does not fit.
	groSlot = 1 << 16

	// groStride is more than that by some cache lines: at a distance of a power
	// of two the beginnings of all slots, which is all that single datagrams need,
	// would share one set of the processor's cache.
	groStride = groSlot + 21*cacheLine

	// groSlots is how many slots of an Rx are used then: 2 MiB of them. For datagrams by
	// themselves 64 would be faster by less than what BenchmarkReceive can tell.
	groSlots = 32

	// groFirstSlots is how many of them have memory at first. fullCalls calls in a row that
	// fill all that have memory double their number: 16 calls under load give it to all.
	groFirstSlots = 8
	fullCalls     = 8

	// usualSegments is how many segments for each slot there is room for from the
	// beginning. It is the most that the kernel makes of datagrams from a network; what a
	// sender on this machine hands over as one, it bounds by 128 (UDP_MAX_SEGMENTS).
	usualSegments = 64
)

// groReason lets trains arrive whole on a socket, or says why not.
//
// The kernel shows its socket filter a train as one datagram, so that the filter must not
// ask for the size that one may have.
func groReason(s *socket, cfg *Config, path string) string {
	switch {
	case cfg.DisableGSO || cfg.DisableGRO:
		return "disabled"
	case path != PathBatch:
		return "one datagram per system call"
	}
	reason := "socket is closed"
	_ = s.raw.Control(func(fd uintptr) { reason = enableGRO(fd, s.opts.filter == "", cfg) })
	return reason
}

func enableGRO(fd uintptr, filtered bool, cfg *Config) string {
	if filtered {
		if err := attachFilter(fd, cfg.MinSize, MaxDatagram); err != nil {
			return fmt.Sprintf("SO_ATTACH_FILTER: %v", err)
		}
	}
	err := unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	if err == nil {
		return ""
	}
	if filtered {
		_ = attachFilter(fd, cfg.MinSize, cfg.MaxSize) // as before, or else the Conn looks at sizes
	}
	return fmt.Sprintf("UDP_GRO: %v", err)
}

// growSlots gives each slot room for a train.
func (rx *Rx) growSlots() {
	rx.batch = min(rx.batch, groSlots)
	rx.stride = groStride
	rx.slab = nil
	rx.provide(groFirstSlots)
	rx.live = make([]rxPacket, 0, rx.open*usualSegments)
}

// openSlots gives more slots memory if the last calls have filled all that have. rx is empty.
func (r *mmsgRx) openSlots(rx *Rx) {
	if r.used < rx.open {
		r.full = 0
		return
	}
	if r.full++; r.full < fullCalls {
		return
	}
	r.full = 0
	rx.provide(2 * rx.open)
	rx.live = make([]rxPacket, 0, rx.open*usualSegments)
	r.point(rx, groSlot)
}

// splitGRO delivers the segments of g bytes of the train of n bytes in the given slot, and returns the
// bytes of those that are acceptable.
func (c *mmsgConn) splitGRO(rx *Rx, slot, n, g int, from netip.AddrPort, local Local) (bytes int) {
	c.sock.cnt.rx.gro.Add(1)
	for at, end := slot*rx.stride, slot*rx.stride+n; at < end; at += g {
		size := min(g, end-at)
		switch {
		case size > rx.size:
			c.sock.cnt.rx.truncated.Add(1)
		case c.sock.sizeOK(size):
			rx.live = append(rx.live, rxPacket{from: from, local: local, at: uint32(at), n: uint16(size), room: uint16(size)})
			bytes += size
		}
	}
	return bytes
}
