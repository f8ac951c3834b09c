//go:build unix

package fastpath

import "syscall"

// msgTrunc marks a datagram that was larger than its buffer.
const msgTrunc = syscall.MSG_TRUNC

// classify maps an error number to what it means for the datagram at hand.
func classify(e syscall.Errno) sendCause {
	switch e {
	case syscall.EINTR:
		return causeInterrupted
	case syscall.EAGAIN:
		return causeBlocked
	case syscall.ENOBUFS, syscall.ENOMEM:
		return causeNoBuffers
	case syscall.ECONNREFUSED:
		return causeRefused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
		syscall.ENETDOWN, syscall.EADDRNOTAVAIL:
		return causeUnreachable
	case syscall.EPERM, syscall.EACCES:
		return causeDenied
	case syscall.EMSGSIZE:
		return causeTooLong
	case syscall.EAFNOSUPPORT:
		return causeFamily
	case syscall.EBADF, syscall.ENOTSOCK, syscall.EFAULT, syscall.ENOSYS:
		return causeFatal
	}
	return causeOther
}
