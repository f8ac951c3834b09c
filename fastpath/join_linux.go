package fastpath

import (
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxJoined is the largest datagram in bytes that is joined with others:
	// what Ethernet takes over IPv6. The kernel refuses trains of larger ones
	// wherever the path takes no more.
	maxJoined = 1500 - 40 - 8

	// maxRefusals is how many trains in a row may be refused for their path
	// before a socket leaves them off, for maxWithout batches that could have had
	// some.
	maxRefusals = 64
	maxWithout  = 10_000
	never       = math.MaxUint32 // in the place of refusals: they stay off
)

// segmentsReason says why a socket sends no trains, or nothing.
func segmentsReason(s *socket, cfg *Config, path string) string {
	if cfg.DisableSegments {
		return "disabled"
	}
	if path != PathBatch {
		return "one datagram per system call"
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Sprintf("uname: %v", err)
	}
	if r := unix.ByteSliceToString(u.Release[:]); damagesTrains(r) {
		return "Linux " + r + " damages segments on some network cards"
	}
	return probeSegment(s.raw)
}

// damagesTrains reports whether a kernel of the given release, as uname(2) has it, is one
// from 7.0.0 to 7.1.4. They write wrong lengths and checksums into trains that a
// network card parts with the help of the kernel, and nobody says so: the datagrams
// are lost.
func damagesTrains(release string) bool {
	var major, minor, patch int
	if n, _ := fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch); n < 2 {
		return false
	}
	return major == 7 && (minor == 0 || minor == 1 && patch <= 4)
}

// joins reports whether the socket sends trains in the batch that it is asked for, which could have
// some. One that does not is the plain twin of one that does.
func (s *socket) joins() bool {
	if s.opts.segments != "" {
		return false
	}
	n := s.refusals.Load()
	switch {
	case n < maxRefusals:
		return true
	case n < maxRefusals+maxWithout:
		s.refusals.CompareAndSwap(n, n+1)
	case n != never:
		return s.refusals.CompareAndSwap(n, maxRefusals-1) // one more refusal ends them again
	}
	return false
}

// refuseTrain notes that the kernel did not take a train.
//
// Some answers will be the same for all trains, and there are no more of them. EINVAL,
// before Linux 6.14, and EMSGSIZE are about the path to one peer, which takes no
// segment of that size unfragmented. A peer could bring that about, so that only many
// in a row end all trains, and for a while: mostly it is this machine's own network then. What
// else there is would have met a single datagram too.
func (s *socket) refuseTrain(e syscall.Errno) {
	s.cnt.tx.trainsRefused.Add(1)
	switch {
	case e == unix.EINVAL || e == unix.EMSGSIZE:
		if n := s.refusals.Load(); n < maxRefusals {
			s.refusals.CompareAndSwap(n, n+1)
		}
	case refusesTrains(e):
		s.refusals.Store(never)
	}
}

// takeTrain notes that the kernel took a train.
func (s *socket) takeTrain() {
	if n := s.refusals.Load(); n > 0 && n < maxRefusals {
		s.refusals.CompareAndSwap(n, 0)
	}
}

// joinable reports whether datagrams i and i+1 can be of one train.
func (tx *Tx) joinable(i int) bool {
	if i+1 >= len(tx.queue) {
		return false
	}
	a, b := &tx.queue[i], &tx.queue[i+1]
	return b.n > 0 && b.n <= a.n && a.n <= maxJoined && a.to == b.to && a.local == b.local
}

// join adds datagrams to entry n, which has datagram i of tx, and returns how
// many. The kernel parts a train after each n bytes, so that all are of the size
// of the first, but for the last, which may be shorter. An empty one would be lost.
//
// Precondition: tx.joinable(i).
func (t *mmsgTx) join(tx *Tx, n, i int) int {
	first := &tx.queue[i]
	k, bytes := 1, first.n
	for more := true; more && k < MaxSegments && i+k < len(tx.queue); k++ {
		p := &tx.queue[i+k]
		if p.n == 0 || p.n > first.n || bytes+p.n > MaxTrain || p.to != first.to || p.local != first.local {
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
	t.all.trains++
	t.all.datagrams += k - 1
	t.all.bytes += bytes - first.n
	return k - 1
}

// unmark makes all entries those of single datagrams that leave from where the kernel chooses.
func (t *mmsgTx) unmark() {
	for i := range t.hdr[:t.marked] {
		h := &t.hdr[i].hdr
		h.SetIovlen(1)
		h.Control = nil
		h.SetControllen(0)
		t.from[i] = nil
	}
	t.marked = 0
}

// segments is how many datagrams entry n has.
func (t *mmsgTx) segments(n int) int { return int(t.hdr[n].hdr.Iovlen) }

// first is which datagram of the Tx entry n begins with.
func (t *mmsgTx) first(n int) int {
	i := 0
	for &t.iov[i] != t.hdr[n].hdr.Iov {
		i++
	}
	return i
}

// tally is what there is in some entries.
type tally struct{ datagrams, bytes, trains int }

// count is what entries t.start to end have.
func (t *mmsgTx) count(end int) (sum tally) {
	if t.start == 0 && end == t.total {
		return t.all
	}
	for i := range t.hdr[t.start:end] {
		h := &t.hdr[t.start+i].hdr
		for _, v := range unsafe.Slice(h.Iov, h.Iovlen) {
			sum.bytes += int(v.Len)
		}
		if sum.datagrams += int(h.Iovlen); h.Iovlen > 1 {
			sum.trains++
		}
	}
	return sum
}
