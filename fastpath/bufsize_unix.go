//go:build unix && !linux

package fastpath

import "syscall"

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
