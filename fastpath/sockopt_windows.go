package fastpath

import (
	"net/netip"
	"syscall"
)

// bufferSizes reads the socket buffer sizes back; 0 is unknown.
func bufferSizes(fd uintptr) (recv, send int) {
	h := syscall.Handle(fd)
	recv, _ = syscall.GetsockoptInt(h, syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	send, _ = syscall.GetsockoptInt(h, syscall.SOL_SOCKET, syscall.SO_SNDBUF)
	return recv, send
}

// bothFamilies reports whether an IPv6 socket receives IPv4 too.
func bothFamilies(raw syscall.RawConn) (both bool) {
	_ = raw.Control(func(fd uintptr) {
		only, err := syscall.GetsockoptInt(syscall.Handle(fd), syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY)
		both = err == nil && only == 0
	})
	return both
}

// controls reads nothing: tellLocals asks for no control messages here.
func (c *localCache) controls(_ []byte, n int, _ netip.AddrPort) (int, Local) { return n, 0 }

// msgTrunc is zero: Windows reports a datagram that was larger than its buffer
// as the error WSAEMSGSIZE.
const msgTrunc = 0

// Windows socket errors that package syscall does not name with a value of
// their own.
const (
	wsaEINTR         syscall.Errno = 10004
	wsaEACCES        syscall.Errno = 10013
	wsaEFAULT        syscall.Errno = 10014
	wsaEWOULDBLOCK   syscall.Errno = 10035
	wsaENOTSOCK      syscall.Errno = 10038
	wsaEMSGSIZE      syscall.Errno = 10040
	wsaEAFNOSUPPORT  syscall.Errno = 10047
	wsaEADDRNOTAVAIL syscall.Errno = 10049
	wsaENETDOWN      syscall.Errno = 10050
	wsaENETUNREACH   syscall.Errno = 10051
	wsaECONNRESET    syscall.Errno = 10054
	wsaENOBUFS       syscall.Errno = 10055
	wsaECONNREFUSED  syscall.Errno = 10061
	wsaEHOSTDOWN     syscall.Errno = 10064
	wsaEHOSTUNREACH  syscall.Errno = 10065
)

// classify maps an error number to what it means for the datagram at hand.
// WSAECONNRESET is what Windows makes of an ICMP port unreachable message.
func classify(e syscall.Errno) sendCause {
	switch e {
	case wsaEINTR:
		return causeInterrupted
	case wsaEWOULDBLOCK:
		return causeBlocked
	case wsaENOBUFS:
		return causeNoBuffers
	case wsaECONNRESET, wsaECONNREFUSED:
		return causeRefused
	case wsaENETDOWN, wsaENETUNREACH, wsaEHOSTDOWN, wsaEHOSTUNREACH, wsaEADDRNOTAVAIL:
		return causeUnreachable
	case wsaEACCES:
		return causeDenied
	case wsaEMSGSIZE, syscall.ERROR_MORE_DATA:
		return causeTooLong
	case wsaEAFNOSUPPORT:
		return causeFamily
	case wsaENOTSOCK, wsaEFAULT:
		return causeFatal
	}
	return causeOther
}
