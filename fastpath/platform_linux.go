package fastpath

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePortSpreads is true: since Linux 3.9 sockets with SO_REUSEPORT share the
// datagrams to their address by a hash over both endpoints.
const reusePortSpreads = true

// batchReason says why the fast path cannot be used, or nothing. recvmmsg is
// from Linux 2.6.33, sendmmsg from 3.0; sandboxes may refuse either.
func batchReason(s *socket, cfg *Config) string {
	if cfg.DisableBatch {
		return "disabled"
	}
	reason := "socket is closed"
	_ = s.raw.Control(func(fd uintptr) { reason = probeBatch(fd) })
	return reason
}

// probeBatch sends nothing and receives nothing: both calls are made with no
// entries.
func probeBatch(fd uintptr) string {
	var h mmsghdr
	if _, e := sendmmsg(fd, &h, 0); e != 0 {
		return fmt.Sprintf("sendmmsg: %v", e)
	}
	if _, e := recvmmsg(fd, &h, 0); e != 0 && e != unix.EAGAIN {
		return fmt.Sprintf("recvmmsg: %v", e)
	}
	return ""
}

func newConn(s *socket, path string) Conn {
	if path == PathBatch {
		return newMmsgConn(s)
	}
	return newPortableConn(s)
}

// enableReusePort lets further sockets share the address of one that was bound
// without SO_REUSEPORT, and so is known to be the first there. (Bound with it,
// a socket that lets the kernel choose a port may be given that of another
// group of the same user.)
func enableReusePort(s *socket) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}

// setOptions prepares a socket that is not bound yet.
func setOptions(fd uintptr, cfg *Config, reusePort bool, o *sockOptions) error {
	if reusePort {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w", err)
		}
	}
	// The net package allows broadcasts. No peer has such an address.
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return fmt.Errorf("SO_BROADCAST: %w", err)
	}
	dropErrorQueue(fd, cfg.Addr.Addr().Is4())
	forgetTrains(fd)
	o.local, o.pathMTU = localReason(fd, cfg), pathMTUReason(fd, cfg)
	preferStable(fd, cfg)
	o.filter = filterReason(fd, cfg)
	o.dropSource = chooseDropSource(fd)
	if cfg.DisableBatch && o.dropSource == dropsByControl {
		o.dropSource = dropsUnknown // the portable path reads no control messages
	}
	return nil
}

// dropErrorQueue keeps ICMP off the socket, which may be another's that has asked for it. Nobody
// reads the error queue here: it would fill the receive buffer until the socket is deaf. And what
// is about an earlier datagram would cost the one that is sent next. Taking the option back empties
// the queue. A system that does not know it has no such queue.
func dropErrorQueue(fd uintptr, v4 bool) {
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if v4 {
		level, option = unix.IPPROTO_IP, unix.IP_RECVERR
	}
	_ = unix.SetsockoptInt(int(fd), level, option, 0)
}

// forgetTrains takes back what a socket that was another's may have been told about trains: to part
// what is sent, and not what arrives, and to put control messages for which there is no room here
// before that of a train. A train whose message is lost looks like one datagram.
func forgetTrains(fd uintptr) {
	for _, o := range [][2]int{
		{unix.IPPROTO_UDP, unix.UDP_SEGMENT}, {unix.IPPROTO_UDP, unix.UDP_GRO},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMP}, // and SO_TIMESTAMPNS
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPING}, {unix.SOL_SOCKET, unix.SO_RCVMARK},
	} {
		// a system that does not know it does none of that
		_ = unix.SetsockoptInt(int(fd), o[0], o[1], 0)
	}
}

// filterReason attaches the socket filter, or says why there is none.
func filterReason(fd uintptr, cfg *Config) string {
	if cfg.DisableFilter {
		return "disabled"
	}
	if cfg.MinSize == 0 && cfg.MaxSize == MaxDatagram {
		return "every size is accepted"
	}
	if err := attachFilter(fd, cfg.MinSize, cfg.MaxSize); err != nil {
		return fmt.Sprintf("SO_ATTACH_FILTER: %v", err)
	}
	return ""
}

// setBuffers asks for the buffer sizes, and reads back what was granted.
func setBuffers(s *socket, cfg *Config) {
	_ = s.raw.Control(func(fd uintptr) {
		s.opts.recvGot = setBuffer(int(fd), cfg.RecvBuffer, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
		s.opts.sendGot = setBuffer(int(fd), cfg.SendBuffer, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	})
}

// setBuffer sets one buffer size, if not 0, and returns what it is then. The
// forced form passes the limit in net.core but needs CAP_NET_ADMIN.
func setBuffer(fd, size, force, plain int) int {
	if size > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
	if err != nil {
		return 0
	}
	return got / 2
}

// bothFamilies reports whether an IPv6 socket receives IPv4 too.
func bothFamilies(raw syscall.RawConn) (both bool) {
	_ = raw.Control(func(fd uintptr) {
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		both = err == nil && only == 0
	})
	return both
}
