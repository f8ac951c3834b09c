package fastpath

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// segmentSpace is the room for one control message of 2 bytes: the size of a
// segment.
const segmentSpace = (unix.SizeofCmsghdr+cmsgAlign-1)&^(cmsgAlign-1) + (2+cmsgAlign-1)&^(cmsgAlign-1)

// segmentControl is such a message, aligned as the kernel reads it.
type segmentControl [(segmentSpace + 7) / 8]uint64

// set says that segments are of size bytes.
func (c *segmentControl) set(size int) {
	head := (*unix.Cmsghdr)(unsafe.Pointer(c))
	head.Level, head.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	head.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = uint16(size)
}

// train sends trains on one socket. It is a Tx of the fast path with one entry
// and a control message, so that waiting for room is the same.
type train struct {
	conn *mmsgConn
	tx   mmsgTx
	ctl  segmentControl
	off  string // why no train can be sent any more
}

func newSegmenter(c Conn) (segmenter, string) {
	m, ok := c.(*mmsgConn)
	if !ok {
		return nil, "the portable path sends one datagram per system call"
	}
	if reason := probeSegment(m.sock.raw); reason != "" {
		return nil, reason
	}
	t := &train{conn: m}
	t.tx = mmsgTx{
		hdr: make([]mmsghdr, 1), iov: make([]unix.Iovec, 1), name: make([]unix.RawSockaddrInet6, 1),
		conn: m, end: 1,
	}
	t.tx.try, t.tx.park = t.tx.call, t.tx.callOrPark

	h := &t.tx.hdr[0].hdr
	h.Name = (*byte)(unsafe.Pointer(&t.tx.name[0]))
	h.Iov = &t.tx.iov[0]
	h.SetIovlen(1)
	h.Control = (*byte)(unsafe.Pointer(&t.ctl))
	h.SetControllen(segmentSpace)
	return t, ""
}

// probeSegment says why the kernel has no trains, or nothing: an option that
// reads back is known.
func probeSegment(raw syscall.RawConn) string {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		_, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	}); cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Sprintf("UDP_SEGMENT: %v", err)
	}
	return ""
}

func (t *train) why() string { return t.off }

func (t *train) send(b []byte, size int, to netip.AddrPort) error {
	c, n := t.conn, (len(b)+size-1)/size
	cnt := &c.sock.cnt
	switch {
	case t.off != "":
		return ErrSegments
	case !c.sock.familyOK(to):
		cnt.drop(causeFamily, n)
		return nil
	}
	t.tx.hdr[0].hdr.Namelen = putSockaddr(&t.tx.name[0], to)
	t.tx.iov[0].Base = &b[0]
	t.tx.iov[0].SetLen(len(b))
	t.tx.deadline = time.Time{}
	t.ctl.set(size)
	err := t.flush(n, len(b))
	t.tx.iov[0].Base = nil // b is the caller's again
	return err
}

// flush sends the train of n datagrams that has been set up. The kernel takes
// all of it or nothing.
func (t *train) flush(n, bytes int) error {
	c, cnt, retries, refused, whole := t.conn, &t.conn.sock.cnt, sendRetries, false, false
	for {
		if err := c.attempt(&t.tx); err != nil {
			cnt.drop(causeOf(err), n)
			return c.sock.wrap("send", err)
		}
		errno := t.tx.errno
		if errno == 0 && t.tx.n > 0 {
			cnt.sent(n, bytes)
			return nil
		}
		if n > 1 && refusesTrains(errno) {
			t.off = fmt.Sprintf("UDP_SEGMENT: %v", errno)
			return ErrSegments
		}
		switch cause := classify(errno); {
		case cause == causeRefused && !refused:
			refused = true // an ICMP message about an earlier datagram; now cleared
		case (cause == causeNoBuffers || cause == causeInterrupted) && retries > 0:
			if retries--; cause == causeNoBuffers {
				pauseSend(retries)
			}
		case cause == causeFatal:
			cnt.drop(cause, n)
			return c.sock.wrap("send", errno)
		case cause == causeTooLong && !whole && c.sock.pathMTU.ignore(c.sock):
			whole = true
		default:
			cnt.drop(cause, n)
			return nil
		}
	}
}

// refusesTrains reports what the kernel says when it could send the datagrams one
// by one but not as a train: EIO where the device computes no checksums or the
// packets are transformed, EINVAL where a segment is larger than the path takes
// unfragmented, EOPNOTSUPP in sandboxes.
func refusesTrains(e syscall.Errno) bool {
	return e == unix.EIO || e == unix.EINVAL || e == unix.EOPNOTSUPP
}
