package fastpath

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The kernel delivers a GRO batch as a single message, and this package splits it:
//
//	      |<--------------------- groStride --------------------->|
//	slab: | segment | segment | segment | last |              | pad | next slot ...
//	      |<------------ n bytes ------------->|
//	      |<-- g -->|                  <= g
//	      |<------------------- groSlot ------------------->|
//
// A control message (UDP_GRO) states g. A single datagram has none.

const (
	// groSlot has room for any GRO batch. The kernel truncates larger ones.
	groSlot = 1 << 16

	// groStride is larger by some cache lines. With a power of two as the distance, the beginnings
	// of all slots, which is all that single datagrams need, would share one set of the processor
	// cache.
	groStride = groSlot + 21*cacheLine

	// groSlots is how many slots such an Rx has: 2 MiB of them. For single datagrams, 64 would be
	// faster by less than BenchmarkReceive can measure.
	groSlots = 32

	// groFirstSlots is how many of them have memory at first. fullCalls calls in a row that fill
	// all of these double their number: 16 calls under load give memory to all.
	groFirstSlots = 8
	fullCalls     = 8

	// usualSegments is how many segments per slot there is room for at first. The kernel coalesces
	// no more datagrams of a network; it limits the batches of a sender on this machine to 128
	// (UDP_MAX_SEGMENTS).
	usualSegments = 64
)

// groReason turns on GRO for a socket, or returns why not.
//
// The kernel shows a GRO batch to the socket filter as a single datagram, so the filter must not
// check the largest size then.
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

// growSlots gives each slot room for a GRO batch.
func (rx *Rx) growSlots() {
	rx.batch = min(rx.batch, groSlots)
	rx.stride = groStride
	rx.slab = nil
	rx.provide(groFirstSlots)
	rx.live = make([]rxPacket, 0, rx.open*usualSegments)
}

// openSlots gives memory to more slots if the last calls have filled all that have some. rx is
// empty.
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

// splitGRO delivers the segments of g bytes of the GRO batch of n bytes in the given slot, and
// returns the bytes of those that are acceptable.
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
