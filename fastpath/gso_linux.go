package fastpath

import (
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxGSOSize is the largest number of bytes in a GSO batch. The headers of one IP packet have
	// to fit into 65535 bytes with it.
	maxGSOSize = 65000

	// maxSegment is the largest datagram in bytes that is coalesced with others: what Ethernet
	// takes over IPv6. The kernel rejects batches of larger ones wherever the path takes no more.
	maxSegment = 1500 - 40 - 8

	// maxRejections is how many GSO batches in a row may be rejected for their path before a socket
	// disables GSO, for gsoPause batches that could use it.
	maxRejections = 64
	gsoPause      = 10_000
	gsoDisabled   = math.MaxUint32 // value of socket.rejections: GSO stays off
)

// gsoReason returns why a socket sends no GSO batches, or "".
func gsoReason(s *socket, cfg *Config, path string) string {
	if cfg.DisableGSO {
		return "disabled"
	}
	if path != PathBatch {
		return "one datagram per system call"
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprintf("uname: %v", err)
	}
	if r := unix.ByteSliceToString(u.Release[:]); damagesGSO(r) {
		return "Linux " + r + " damages segments on some network cards"
	}
	return probeSegment(s.raw)
}

// probeSegment returns why the kernel has no GSO, or "". A socket option that reads back is known
// to the kernel.
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

// damagesGSO reports whether a kernel of the given release, as uname(2) has it, is one of 7.0.0 to
// 7.1.4. They write wrong lengths and checksums into GSO batches that a network card splits with
// the help of the kernel. Nobody reports it: the datagrams are lost.
func damagesGSO(release string) bool {
	var major, minor, patch int
	if n, _ := fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch); n < 2 {
		return false
	}
	return major == 7 && (minor == 0 || minor == 1 && patch <= 4)
}

// segmentSpace is the room for one control message of 2 bytes: the size of a segment.
const segmentSpace = (unix.SizeofCmsghdr+cmsgAlign-1)&^(cmsgAlign-1) + (2+cmsgAlign-1)&^(cmsgAlign-1)

// segmentControl is such a message, aligned as the kernel reads it.
type segmentControl [(segmentSpace + 7) / 8]uint64

// set states that segments have size bytes.
func (c *segmentControl) set(size int) {
	head := (*unix.Cmsghdr)(unsafe.Pointer(c))
	head.Level, head.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	head.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = uint16(size)
}

// gsoEnabled reports whether the socket sends GSO batches in the current batch, which could have
// some. Call it once for each such batch: it counts down the pause after rejections.
func (s *socket) gsoEnabled() bool {
	if s.opts.gso != "" {
		return false
	}
	n := s.rejections.Load()
	switch {
	case n < maxRejections:
		return true
	case n < maxRejections+gsoPause:
		s.rejections.CompareAndSwap(n, n+1)
	case n != gsoDisabled:
		// one more rejection disables it again
		return s.rejections.CompareAndSwap(n, maxRejections-1)
	}
	return false
}

// rejectGSO notes that the kernel rejected a GSO batch.
//
// Some errors mean that it would reject all of them, so GSO stays off. EINVAL, before Linux 6.14,
// and EMSGSIZE are about the path to one peer, which takes no segment of that size unfragmented. A
// peer could cause that, so only many in a row disable GSO, and only for a while: mostly it is the
// network of this machine then. Any other error would have met a single datagram too.
func (s *socket) rejectGSO(e syscall.Errno) {
	s.cnt.tx.rejected.Add(1)
	switch {
	case e == unix.EINVAL || e == unix.EMSGSIZE:
		if n := s.rejections.Load(); n < maxRejections {
			s.rejections.CompareAndSwap(n, n+1)
		}
	case rejectsGSO(e):
		s.rejections.Store(gsoDisabled)
	}
}

// rejectsGSO reports whether the kernel says with e that it could send the datagrams separately but
// not as a GSO batch: EIO where the device computes no checksums or the packets are transformed,
// EINVAL where a segment is larger than the path takes unfragmented, EOPNOTSUPP in sandboxes.
func rejectsGSO(e syscall.Errno) bool {
	return e == unix.EIO || e == unix.EINVAL || e == unix.EOPNOTSUPP
}

// acceptGSO notes that the kernel took a GSO batch.
func (s *socket) acceptGSO() {
	if n := s.rejections.Load(); n > 0 && n < maxRejections {
		s.rejections.CompareAndSwap(n, 0)
	}
}

// coalescible reports whether datagrams i and i+1 can be in one GSO batch.
func (tx *Tx) coalescible(i int) bool {
	if i+1 >= len(tx.queue) {
		return false
	}
	a, b := &tx.queue[i], &tx.queue[i+1]
	return b.n > 0 && b.n <= a.n && a.n <= maxSegment && a.to == b.to && a.local == b.local
}

// coalesce adds datagrams to entry n, which has datagram i of tx, and returns how many. The kernel
// splits a GSO batch after each first.n bytes, so all datagrams have the size of the first, except
// the last, which may be shorter. An empty one would be lost.
//
// Precondition: tx.coalescible(i).
func (t *mmsgTx) coalesce(tx *Tx, n, i int) int {
	first := &tx.queue[i]
	k, bytes := 1, first.n
	for more := true; more && k < MaxSegments && i+k < len(tx.queue); k++ {
		p := &tx.queue[i+k]
		if p.n == 0 || p.n > first.n || bytes+p.n > maxGSOSize || p.to != first.to || p.local != first.local {
			break
		}
		t.iov[i+k].SetLen(p.n)
		bytes += p.n
		more = p.n == first.n
	}
	h := &t.hdr[n].hdr
	h.SetIovlen(k)
	h.Control = (*byte)(unsafe.Pointer(&t.ctl[n]))
	h.SetControllen(t.ctl[n].set(first.n, t.from[n]))
	t.marked = n + 1
	t.all.gso++
	t.all.datagrams += k - 1
	t.all.bytes += bytes - first.n
	return k - 1
}

// resetEntries makes all entries single datagrams that leave from the address that the kernel
// chooses.
func (t *mmsgTx) resetEntries() {
	for i := range t.hdr[:t.marked] {
		h := &t.hdr[i].hdr
		h.SetIovlen(1)
		h.Control = nil
		h.SetControllen(0)
		t.from[i] = nil
	}
	t.marked = 0
}

// segments returns how many datagrams entry n has.
func (t *mmsgTx) segments(n int) int { return int(t.hdr[n].hdr.Iovlen) }

// first returns the index in the Tx of the first datagram of entry n.
func (t *mmsgTx) first(n int) int {
	i := 0
	for &t.iov[i] != t.hdr[n].hdr.Iov {
		i++
	}
	return i
}

// entryCount sums up entries: their datagrams, bytes and GSO batches.
type entryCount struct{ datagrams, bytes, gso int }

// count sums up the entries from t.start to end.
func (t *mmsgTx) count(end int) (sum entryCount) {
	if t.start == 0 && end == t.total {
		return t.all
	}
	for i := range t.hdr[t.start:end] {
		h := &t.hdr[t.start+i].hdr
		for _, v := range unsafe.Slice(h.Iov, h.Iovlen) {
			sum.bytes += int(v.Len)
		}
		if sum.datagrams += int(h.Iovlen); h.Iovlen > 1 {
			sum.gso++
		}
	}
	return sum
}
