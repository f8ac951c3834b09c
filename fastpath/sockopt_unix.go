//go:build unix && !linux

package fastpath

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// bufferSizes reads the socket buffer sizes back; 0 is unknown.
func bufferSizes(fd uintptr) (recv, send int) {
	recv, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	send, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	return recv, send
}

// bothFamilies reports whether an IPv6 socket receives IPv4 too.
func bothFamilies(raw syscall.RawConn) (both bool) {
	_ = raw.Control(func(fd uintptr) {
		only, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY)
		both = err == nil && only == 0
	})
	return both
}

// Sizes of what names a local address: IP_PKTINFO and IPV6_PKTINFO, as on Linux; see
// local_linux.go. They, and the messages that golang.org/x/net asks for besides, differ in level
// and size.
const (
	pktinfo4 = 12
	pktinfo6 = 20
)

// controls reads the control messages b of a datagram of n bytes: nothing divides it here.
func (c *localCache) controls(b []byte, n int, from netip.AddrPort) (g int, local Local) {
	for len(b) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IP && len(data) == pktinfo4:
			lo := mapped | uint64(binary.BigEndian.Uint32(data[4:]))
			local = c.find(0, lo, interfaceOf(0, lo, from, data))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) == pktinfo6:
			hi, lo := binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
			local = c.find(hi, lo, interfaceOf(hi, lo, from, data[16:]))
		}
		b = rest
	}
	return n, local
}
