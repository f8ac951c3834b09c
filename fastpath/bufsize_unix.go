//go:build unix && !linux

package fastpath

import "syscall"

// bufferSizes reads the socket buffer sizes back; 0 is unknown.
func bufferSizes(fd uintptr) (recv, send int) {
	recv, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	send, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	return recv, send
}
