package fastpath

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsgTx is what sendmmsg works on. Each iovec points to its slot of the Tx for good. Entries are
// dense: datagrams that cannot be sent from this socket have none, and all of a GSO batch share
// one.
type mmsgTx struct {
	hdr  []mmsghdr
	iov  []unix.Iovec
	name []unix.RawSockaddrInet6
	ctl  []sendControl // of entries that are GSO batches
	from []*localEntry // that an entry leaves from; nil leaves the choice to the kernel

	conn       *mmsgConn
	total      int         // entries that are loaded
	all        entryCount  // what they have
	marked     int         // entries; some of them are GSO batches or have control messages
	moved      *localEntry // that the entry at start could not leave from
	checked    int         // datagrams whose address family has been looked at
	start, end int         // entries of the next call
	n          int         // result of the last call
	errno      syscall.Errno
	deadline   time.Time // of the wait for room; zero until a batch has to wait

	try  func(fd uintptr)      // = t.call, bound once
	park func(fd uintptr) bool // = t.callOrPark, bound once
}

func newMmsgTx(tx *Tx) *mmsgTx {
	n := tx.Cap()
	t := &mmsgTx{
		hdr:  make([]mmsghdr, n),
		iov:  make([]unix.Iovec, n),
		name: make([]unix.RawSockaddrInet6, n),
		ctl:  make([]sendControl, n),
		from: make([]*localEntry, n),
	}
	t.try, t.park = t.call, t.callOrPark
	for i := range t.hdr {
		t.iov[i].Base = &tx.slab[i*tx.stride]
		h := &t.hdr[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&t.name[i]))
		h.SetIovlen(1)
	}
	return t
}

func (t *mmsgTx) call(fd uintptr) {
	t.n, t.errno = t.conn.send(fd, &t.hdr[t.start], t.end-t.start)
}

func (t *mmsgTx) callOrPark(fd uintptr) bool {
	t.call(fd)
	return t.errno != unix.EAGAIN
}

// load points the entries at the datagrams of tx from first on. Those before alone have one entry
// each, whether or not they fit into a GSO batch. Datagrams of the other family are counted here:
// to be told so by the kernel would cost a system call each.
func (t *mmsgTx) load(tx *Tx, first, alone int) {
	t.resetEntries()
	s := t.conn.sock
	asked, gso := false, false // asked once for each batch that could use GSO
	t.all = entryCount{}
	n, bytes, gone := 0, 0, 0
	for i := first; i < len(tx.queue); i++ {
		p := &tx.queue[i]
		if !s.familyOK(p.to) {
			if i >= t.checked {
				s.cnt.drop(causeFamily, 1)
				tx.fault(ErrDestination)
			}
			continue
		}
		h := &t.hdr[n].hdr
		h.Namelen = putSockaddr(&t.name[n], p.to)
		h.Iov = &t.iov[i]
		t.iov[i].SetLen(p.n)
		bytes += p.n
		at, lost := i, false
		if p.local != 0 {
			var e *localEntry
			if e, lost = s.locals.entry(p.local, p.to.Addr()); e != nil {
				t.leave(n, e)
			}
		}
		if i >= alone && tx.coalescible(i) {
			if !asked {
				asked, gso = true, s.gsoEnabled()
			}
			if gso {
				i += t.coalesce(tx, n, i)
			}
		}
		if lost && at >= t.checked {
			gone += i - at + 1
		}
		n++
	}
	if gone > 0 {
		s.cnt.tx.fallbacks.Add(uint64(gone))
	}
	t.start, t.total, t.checked = 0, n, len(tx.queue)
	t.all.datagrams += n
	t.all.bytes += bytes
}

// WriteBatch implements Conn.
func (c *mmsgConn) WriteBatch(tx *Tx) error {
	if tx.Len() == 0 {
		return nil
	}
	if tx.mmsg == nil {
		tx.mmsg = newMmsgTx(tx)
	}
	t := tx.mmsg
	t.conn, t.deadline, t.checked, t.moved = c, time.Time{}, 0, nil
	tx.err = nil
	c.sock.pathMTU.batch(c.sock)
	t.load(tx, 0, 0)
	err := c.flush(tx, t)
	tx.Reset()
	return err
}

// flush sends what t has loaded of tx.
//
// sendmmsg stops at the first entry that fails and returns the number of those before it. The error
// itself shows only when the next call starts with that entry. So after a short count flush sends
// the rest again from there, and an error concerns exactly the entry at t.start: it is dropped, and
// sending resumes behind it. Only a single datagram is dropped like that. The datagrams of a
// rejected GSO batch are sent again separately, so the kernel reports for each of them what it
// would have reported without GSO.
func (c *mmsgConn) flush(tx *Tx, t *mmsgTx) error {
	cnt, retries, refused, whole := &c.sock.cnt, sendRetries, false, false
	for t.start < t.total {
		t.end = min(t.total, t.start+c.sock.batch)
		if err := c.attempt(t); err != nil {
			cnt.drop(causeOf(err), t.count(t.total).datagrams)
			return c.sock.wrap("send", err)
		}
		if t.errno == 0 && t.n > 0 {
			next := min(t.start+t.n, t.end)
			if t.moved != nil {
				cnt.tx.fallbacks.Add(uint64(t.segments(t.start)))
				c.sock.locals.fail(t.moved)
			}
			c.sent(t.count(next))
			t.start = next
			refused, whole, t.moved = false, false, nil
			continue
		}
		switch cause := classify(t.errno); {
		case cause == causeRefused && !refused:
			refused = true // an ICMP message about an earlier datagram; now cleared
		case (cause == causeNoBuffers || cause == causeInterrupted) && retries > 0:
			if retries--; cause == causeNoBuffers {
				pauseSend(retries)
			}
		case cause == causeBlocked:
			cnt.drop(cause, t.count(t.total).datagrams) // waited for in vain: so would the rest be
			tx.fault(t.errno)
			return nil
		case cause == causeFatal:
			cnt.drop(cause, t.count(t.total).datagrams)
			return c.sock.wrap("send", t.errno)
		case t.from[t.start] != nil && goneErrno(t.errno):
			t.move()
			refused = false
		case t.segments(t.start) > 1:
			c.sock.rejectGSO(t.errno)
			first := t.first(t.start)
			t.load(tx, first, first+t.segments(t.start))
			refused, whole, t.moved = false, false, nil
		case cause == causeTooLong && !whole && c.sock.pathMTU.ignore(c.sock):
			whole, refused = true, false
		default:
			cnt.drop(cause, 1)
			tx.fault(t.errno)
			t.start++
			refused, whole, t.moved = false, false, nil
		}
	}
	return nil
}

// sent counts the datagrams of one system call.
func (c *mmsgConn) sent(n entryCount) {
	cnt := &c.sock.cnt
	cnt.sent(n.datagrams, n.bytes)
	if n.gso > 0 {
		cnt.tx.gso.Add(uint64(n.gso))
		c.sock.acceptGSO()
	}
}

// pauseSend lets the system empty its queues: it yields first, and then sleeps.
func pauseSend(left int) {
	if left == sendRetries-1 {
		runtime.Gosched()
		return
	}
	time.Sleep(sendPause)
}

// attempt runs one sendmmsg, and waits where the socket buffer is full. The
// error is about the socket; what the call said is in t.n and t.errno.
//
// The call is made inside Control, which unlike RawConn.Write takes no lock:
// the kernel lets several goroutines send on one socket concurrently.
func (c *mmsgConn) attempt(t *mmsgTx) error {
	if err := c.sock.raw.Control(t.try); err != nil {
		return err
	}
	if t.errno != unix.EAGAIN {
		return nil
	}
	if t.deadline.IsZero() {
		t.deadline = time.Now().Add(c.sock.sendWait)
	}
	err := c.waitWritable(t)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// One last try: room may have come while the timer fired.
		return c.sock.raw.Control(t.try)
	}
	return err
}

// waitWritable sends once the socket buffer has room, or waits until the deadline.
func (c *mmsgConn) waitWritable(t *mmsgTx) error {
	if c.wait == nil {
		c.wmu.Lock()
		defer c.wmu.Unlock()
		if err := c.sock.udp.SetWriteDeadline(t.deadline); err != nil {
			return err
		}
		return c.sock.raw.Write(t.park)
	}
	for {
		if err := c.wait.waitWritable(c.sock.raw, t.deadline); err != nil {
			return err
		}
		if err := c.sock.raw.Control(t.try); err != nil || t.errno != unix.EAGAIN {
			return err
		}
		time.Sleep(sendPause) // whatever it is that is full, it is not the buffer
	}
}
