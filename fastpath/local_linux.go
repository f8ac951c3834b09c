package fastpath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The control messages that name a local address, in the byte order of the machine; addresses
// are in network order.
//
//	IP_PKTINFO    interface:4 local:4 destination:4    12 bytes
//	IPV6_PKTINFO  destination:16 interface:4           20 bytes
//
// local is where an IPv4 answer leaves from. It is the datagram's destination, unless that was a
// multicast or broadcast address.
const (
	localSpace = (unix.SizeofCmsghdr+cmsgAlign-1)&^(cmsgAlign-1) + (unix.SizeofInet6Pktinfo+cmsgAlign-1)&^(cmsgAlign-1)

	// ctlSpace is room for the control messages that can arrive with a datagram: SO_RXQ_OVFL,
	// UDP_GRO, and one of the above.
	ctlSpace = 2*cmsgSpace + localSpace
)

// localReason has the kernel name the local address of each datagram, or says why not. A socket
// that is bound to an address needs none of that.
func localReason(fd uintptr, cfg *Config) string {
	level, option, value := unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 0
	if cfg.Addr.Addr().Is4() {
		level, option = unix.IPPROTO_IP, unix.IP_PKTINFO
	}
	if cfg.Addr.Addr().IsUnspecified() {
		value = 1
	}
	err := unix.SetsockoptInt(int(fd), level, option, value)
	switch {
	case value == 0:
		return boundToOne
	case err != nil:
		return fmt.Sprintf("packet info: %v", err)
	}
	return ""
}

// preferStable has the kernel choose a stable IPv6 address over a temporary one (RFC 5014) where
// the choice is its own: a temporary address is not the one that others know the node by.
func preferStable(fd uintptr, cfg *Config) {
	if a := cfg.Addr.Addr(); a.Is6() && a.IsUnspecified() {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_ADDR_PREFERENCES, ipv6PreferPublic)
	}
}

// ipv6PreferPublic is IPV6_PREFER_SRC_PUBLIC of linux/in6.h.
const ipv6PreferPublic = 2

// tellLocals does nothing: localReason has been called before the socket was bound.
func tellLocals(*socket) string { return "" }

// controls reads the control messages b of a message of n bytes from a peer: the size of a segment,
// which is n if it is no GRO batch, and the local address that it arrived at.
func (c *localCache) controls(b []byte, n int, from netip.AddrPort) (g int, local Local) {
	g = n
	for len(b) >= unix.SizeofCmsghdr {
		m := cmsgLen(b)
		if m < unix.SizeofCmsghdr || m > uint64(len(b)) {
			break
		}
		data := b[unix.SizeofCmsghdr:m]
		switch kind := cmsgKind(b); {
		case kind == kindOf(unix.IPPROTO_IP, unix.IP_PKTINFO) && len(data) >= unix.SizeofInet4Pktinfo:
			lo := mapped | uint64(binary.BigEndian.Uint32(data[4:]))
			local = c.find(0, lo, interfaceOf(0, lo, from, data))
		case kind == kindOf(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO) && len(data) >= unix.SizeofInet6Pktinfo:
			hi, lo := binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
			local = c.find(hi, lo, interfaceOf(hi, lo, from, data[16:]))
		case kind == kindOf(unix.IPPROTO_UDP, unix.UDP_GRO) && len(data) >= 4:
			if size := binary.NativeEndian.Uint32(data); size > 0 && uint64(size) < uint64(n) {
				g = int(size)
			}
		}
		next := (m + cmsgAlign - 1) &^ (cmsgAlign - 1)
		if next >= uint64(len(b)) {
			break
		}
		b = b[next:]
	}
	return g, local
}

// kindOf is level and type of a control message in one number.
func kindOf(level, kind uint32) uint64 { return uint64(level)<<32 | uint64(kind) }

// cmsgKind reads kindOf a control message.
func cmsgKind(b []byte) uint64 {
	return kindOf(binary.NativeEndian.Uint32(b[unix.SizeofCmsghdr-8:]), binary.NativeEndian.Uint32(b[unix.SizeofCmsghdr-4:]))
}

// sendControl is room for the control messages of a GSO batch: where it leaves from, and where it
// is split.
type sendControl [(localSpace + segmentSpace + 7) / 8]uint64

// set makes c that of segments of size bytes that leave from e, which may be nil, and returns its
// length.
func (c *sendControl) set(size int, e *localEntry) int {
	n := 0
	if e != nil {
		n = copy(unsafe.Slice((*byte)(unsafe.Pointer(c)), localSpace), e.control)
	}
	(*segmentControl)(unsafe.Add(unsafe.Pointer(c), n)).set(size)
	return n + segmentSpace
}

// leave makes entry n, which is a single datagram, leave from e.
func (t *mmsgTx) leave(n int, e *localEntry) {
	h := &t.hdr[n].hdr
	h.Control = &e.control[0]
	h.SetControllen(e.length)
	t.from[n], t.marked = e, n+1
}

// move makes the entry at start leave from where the kernel chooses.
func (t *mmsgTx) move() {
	n := t.start
	t.moved, t.from[n] = t.from[n], nil
	h := &t.hdr[n].hdr
	if t.segments(n) > 1 {
		h.SetControllen(t.ctl[n].set(int(t.iov[t.first(n)].Len), nil))
		return
	}
	h.Control = nil
	h.SetControllen(0)
}

// localLength returns the length of a control message without its padding. Linux takes that, and
// needs no memory of the heap for up to 36 bytes of them, which is what IPV6_PKTINFO has.
func localLength(control []byte) int {
	if len(control) < unix.SizeofCmsghdr {
		return 0
	}
	return int(cmsgLen(control))
}
