// Package drive loads a server from one socket: it makes sessions by real handshakes, seals
// requests ahead of time, and sends them in a closed loop, so that what is measured is the server.
//
//   - identity: a node that the driver plays; all of them share the socket, as sessions are told
//     apart by node ID too
//   - requests: sealed datagrams of one size, one after another in one slab; renewed before each
//     run, as this node opens none twice
//   - burst: what one system call sends; with segmentation offload the kernel makes the datagrams
//     of one slice
//   - window: how many exchanges may be under way
package drive

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxBurst is how many datagrams of equal size one call may send; the kernel takes 64.
const MaxBurst = 64

const (
	recvBatch  = 64
	maxPacket  = 1280
	bufferSize = 4 << 20
)

// Socket is a UDP socket that is connected to one server. It belongs to one goroutine.
type Socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	gso  bool

	oob   [24]byte // room for one control message of 2 bytes
	hdr   [recvBatch]mmsghdr
	iov   [recvBatch]unix.Iovec
	slab  []byte
	n     int
	errno syscall.Errno
	read  func(fd uintptr) bool
	try   func(fd uintptr) bool
}

type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   uint32
}

// Dial connects a new socket to the server at addr.
func Dial(addr netip.AddrPort) (*Socket, error) {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &Socket{conn: conn, slab: make([]byte, recvBatch*maxPacket)}
	if s.raw, err = conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetReadBuffer(bufferSize)
	conn.SetWriteBuffer(bufferSize)
	for i := range s.hdr {
		s.iov[i].Base = &s.slab[i*maxPacket]
		s.iov[i].SetLen(maxPacket)
		s.hdr[i].hdr.Iov = &s.iov[i]
		s.hdr[i].hdr.SetIovlen(1)
	}
	s.read = func(fd uintptr) bool {
		r, _, e := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.hdr[0])), recvBatch, unix.MSG_DONTWAIT, 0, 0)
		s.n, s.errno = int(r), e
		return e != unix.EAGAIN
	}
	s.try = func(fd uintptr) bool {
		s.read(fd)
		return true
	}
	// A socket option that reads back says that the kernel knows segmentation.
	if err := s.raw.Control(func(fd uintptr) {
		_, e := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		s.gso = e == nil
	}); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the socket.
func (s *Socket) Close() error { return s.conn.Close() }

// Local is the socket's own endpoint.
func (s *Socket) Local() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Segments reports whether bursts leave in one system call each.
func (s *Socket) Segments() bool { return s.gso }

// Send sends the datagrams of the given size that b consists of, at most MaxBurst.
func (s *Socket) Send(b []byte, size int) error {
	if s.gso && len(b) > size {
		err := s.segment(b, size)
		if !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EINVAL) {
			return err
		}
		s.gso = false // nothing has been sent: the device cannot do it
	}
	for len(b) > 0 {
		if _, err := s.conn.Write(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// segment sends b as datagrams of the given size, by a control message of type UDP_SEGMENT.
func (s *Socket) segment(b []byte, size int) error {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&s.oob[0]))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(s.oob[unix.CmsgLen(0):], uint16(size))
	_, _, err := s.conn.WriteMsgUDPAddrPort(b, s.oob[:unix.CmsgSpace(2)], netip.AddrPort{})
	return err
}

// Receive waits for datagrams, at most for the given time, and returns how many there are. 0 says
// that none came.
func (s *Socket) Receive(wait time.Duration) (int, error) {
	if wait > 0 {
		if err := s.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return 0, err
		}
	}
	for {
		if err := s.raw.Read(s.read); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return 0, nil
			}
			return 0, err
		}
		switch s.errno {
		case 0:
			return s.n, nil
		case unix.EINTR, unix.ECONNREFUSED:
		default:
			return 0, s.errno
		}
	}
}

// pollPause is the time between two looks at the socket. Looking all the time would hold up the
// kernel as it delivers.
const pollPause = 10 * time.Microsecond

// Poll is Receive without sleeping: a receiver that sleeps has to be woken, once for nearly every
// datagram, and on loopback it is the sender, here the server, whom the kernel charges for that.
// Across a network nobody pays it.
func (s *Socket) Poll(wait time.Duration) (int, error) {
	start := time.Now()
	for {
		if err := s.raw.Read(s.try); err != nil {
			return 0, err
		}
		switch s.errno {
		case 0:
			return s.n, nil
		case unix.EAGAIN:
			now := time.Now()
			if now.Sub(start) > wait {
				return 0, nil
			}
			for time.Since(now) < pollPause {
			}
		case unix.EINTR, unix.ECONNREFUSED:
		default:
			return 0, s.errno
		}
	}
}

// Size is the size of received datagram i.
func (s *Socket) Size(i int) int { return int(s.hdr[i].len) }

// Packet is received datagram i. It is valid until the next Receive.
func (s *Socket) Packet(i int) []byte {
	return s.slab[i*maxPacket : i*maxPacket+s.Size(i)]
}
