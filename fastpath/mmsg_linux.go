package fastpath

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2). Go pads it to the alignment of
// Msghdr just as C does: 64 bytes on 64-bit systems, 32 on 32-bit ones.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // bytes received or sent, set by the kernel
}

// mmsgCall is the form of both system calls: they work on the first n of the
// entries at h, and return how many they completed.
type mmsgCall func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno)

// mmsgConn is the fast path. The file descriptor is non-blocking and waits in
// the netpoller of the runtime; it is touched only inside the callbacks of
// RawConn, which keep it from being closed and reused meanwhile.
type mmsgConn struct {
	sock *socket

	// The two calls, replaced by tests to inject faults.
	recv, send mmsgCall

	wmu sync.Mutex // one waiter for writability: the deadline is the socket's
}

func newMmsgConn(s *socket) *mmsgConn {
	return &mmsgConn{sock: s, recv: recvmmsg, send: sendmmsg}
}

// Both calls go past the scheduler of the runtime (RawSyscall6). They never wait, but a full batch
// takes 100 µs and more. The runtime takes a processor away from a system call after 20 µs, wakes
// another thread for it, and finds that there is nothing to do: on a busy socket that was twelve
// context switches per batch, and up to a third of all CPU time. A stop of the world waits
// for one batch at most.

func recvmmsg(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(h)), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	return int(r), e
}

func sendmmsg(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
	r, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(h)), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	return int(r), e
}

// mmsgRx is what recvmmsg works on, one entry per slot of an Rx. The iovecs
// hold typed pointers, so the slab stays reachable.
type mmsgRx struct {
	hdr  []mmsghdr
	iov  []unix.Iovec
	name []unix.RawSockaddrInet6 // room for either family
	ctl  []byte                  // ctlSpace bytes per slot

	cache localCache

	conn  *mmsgConn
	space int  // bytes of control messages that a slot takes: 0 or ctlSpace
	grown bool // slots have room for GRO batches
	open  int  // entries that have memory
	full  int  // calls in a row that filled these
	used  int  // entries that the last call filled, to be reset before the next
	n     int  // result of the last call
	errno syscall.Errno
	read  func(fd uintptr) bool // = r.call, bound once: no closure per batch
}

func newMmsgRx(rx *Rx) *mmsgRx {
	n := rx.Cap()
	r := &mmsgRx{
		hdr:  make([]mmsghdr, n),
		iov:  make([]unix.Iovec, n),
		name: make([]unix.RawSockaddrInet6, n),
		ctl:  make([]byte, n*ctlSpace),
		used: n,
	}
	r.read = r.call
	for i := range r.hdr {
		h := &r.hdr[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.name[i]))
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
	}
	r.point(rx, rx.size)
	return r
}

// point makes the entries those of the slots of rx, with room for size bytes.
func (r *mmsgRx) point(rx *Rx, size int) {
	r.open = rx.open
	clear(r.iov)
	for i := range r.iov[:r.open] {
		r.iov[i].Base = &rx.slab[i*rx.stride]
		r.iov[i].SetLen(size)
	}
}

// bind makes r ready for a call on c. It resets only what the last call used: a stale Namelen would
// cut the address, a stale Controllen hide the control message. Linux itself always writes Flags;
// sandboxes that emulate Linux may not.
func (r *mmsgRx) bind(rx *Rx, c *mmsgConn) {
	if r.conn != c {
		r.attach(rx, c)
	}
	if rx.open < rx.batch {
		r.openSlots(rx)
	}
	if r.open < rx.open {
		r.point(rx, groSlot) // another Conn has needed more
	}
	r.cache.reset(c.sock.locals)
	for i := range r.hdr[:r.used] {
		h := &r.hdr[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(r.space)
		h.Flags = 0
	}
	r.used = 0
}

// attach prepares the entries for c, which is not the Conn of the last call.
func (r *mmsgRx) attach(rx *Rx, c *mmsgConn) {
	r.conn = c
	gro, space := c.sock.opts.gro == "", 0
	if gro || c.sock.opts.dropSource == dropsByControl || c.sock.opts.local == "" {
		space = ctlSpace
	}
	if gro && !r.grown {
		rx.growSlots()
		r.hdr, r.iov = r.hdr[:rx.batch], r.iov[:rx.batch]
		r.point(rx, groSlot)
		r.grown, r.used = true, rx.batch
	}
	if space == r.space {
		return
	}
	r.space, r.used = space, len(r.hdr)
	for i := range r.hdr {
		r.hdr[i].hdr.Control = nil
		if space > 0 {
			r.hdr[i].hdr.Control = &r.ctl[i*ctlSpace]
		}
	}
}

// call runs one recvmmsg; false parks the goroutine until the socket is readable.
func (r *mmsgRx) call(fd uintptr) bool {
	n := min(r.open, r.conn.sock.batch)
	r.n, r.errno = r.conn.recv(fd, &r.hdr[0], n)
	return r.errno != unix.EAGAIN
}

// ReadBatch implements Conn.
func (c *mmsgConn) ReadBatch(rx *Rx) error {
	rx.Reset()
	if rx.mmsg == nil {
		rx.mmsg = newMmsgRx(rx)
	}
	r, failed := rx.mmsg, 0
	for {
		r.bind(rx, c)
		if err := c.sock.raw.Read(r.read); err != nil {
			return c.sock.wrap("receive", err)
		}
		if r.errno != 0 {
			if err := c.sock.readError(r.errno, &failed); err != nil {
				return err
			}
			continue
		}
		failed = 0
		if c.collect(rx, r); rx.Len() > 0 {
			return nil
		}
	}
}

// collect delivers the datagrams of the last call that are acceptable.
func (c *mmsgConn) collect(rx *Rx, r *mmsgRx) {
	cnt, bytes := &c.sock.cnt, 0
	r.used = r.n
	for i := range r.hdr[:r.n] {
		h, n := &r.hdr[i].hdr, int(r.hdr[i].len)
		from, ok := sockaddrAddrPort(&r.name[i], h.Namelen)
		g, local := n, Local(0)
		if h.Controllen > 0 {
			g, local = r.cache.controls(r.control(i), n, from)
		}
		switch {
		case h.Flags&unix.MSG_TRUNC != 0 || g == n && n > rx.size:
			cnt.rx.truncated.Add(1)
		case !ok && (g < n || c.sock.sizeOK(n)):
			cnt.rx.bad.Add(uint64(max(1, (n+g-1)/max(g, 1))))
		case g < n:
			bytes += c.splitGRO(rx, i, n, g, from, local)
		case ok && c.sock.sizeOK(n):
			rx.deliver(i, n, from, local)
			bytes += n
		}
	}
	if rx.Len() > 0 {
		cnt.received(rx.Len(), bytes)
	}
	r.cache.count(cnt)
	if c.sock.opts.dropSource == dropsByControl {
		c.noteDrops(r)
	}
}

// control is what the kernel has written of control messages into entry i.
func (r *mmsgRx) control(i int) []byte {
	n := min(int(r.hdr[i].hdr.Controllen), r.space)
	return r.ctl[i*ctlSpace : i*ctlSpace+n]
}

// noteDrops takes the kernel's count from the newest datagram that carries it:
// the count only rises.
func (c *mmsgConn) noteDrops(r *mmsgRx) {
	for i := r.n - 1; i >= 0; i-- {
		if v, ok := findControl(r.control(i), unix.SOL_SOCKET, unix.SO_RXQ_OVFL); ok {
			c.sock.mu.Lock()
			c.sock.drops.update(v)
			c.sock.mu.Unlock()
			return
		}
	}
}

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
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := c.sock.udp.SetWriteDeadline(t.deadline); err != nil {
		return err
	}
	err := c.sock.raw.Write(t.park)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// One last try: room may have come while the timer fired.
		return c.sock.raw.Control(t.try)
	}
	return err
}

// SetReadDeadline implements Conn.
func (c *mmsgConn) SetReadDeadline(t time.Time) error { return c.sock.setReadDeadline(t) }

// LocalAddr implements Conn.
func (c *mmsgConn) LocalAddr() netip.AddrPort { return c.sock.local }

// Stats implements Conn.
func (c *mmsgConn) Stats() ConnStats { return c.sock.stats() }

// Close implements Conn.
func (c *mmsgConn) Close() error { return c.sock.close() }
