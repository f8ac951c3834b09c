package fastpath

import (
	"net/netip"
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

// mmsgConn is the fast path. The file descriptor is non-blocking, and is touched only inside
// callbacks of RawConn, which keep it from being closed and reused meanwhile.
type mmsgConn struct {
	sock *socket
	wait *waiter // nil: reading and writing wait in the netpoller of the runtime

	// The two calls, replaced by tests to inject faults.
	recv, send mmsgCall

	wmu sync.Mutex // one waiter for writability: the deadline is the socket's
}

func newMmsgConn(s *socket) *mmsgConn {
	c := &mmsgConn{sock: s, recv: recvmmsg, send: sendmmsg}
	if s.owned {
		c.wait, _ = newWaiter(s) // or else as sockets of somebody else
	}
	return c
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

	// Bound once: no closure per batch.
	read   func(fd uintptr) bool // = r.call
	waited func(fd uintptr) bool // = r.callAndWait
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
	r.read, r.waited = r.call, r.callAndWait
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

// callAndWait is call for a Conn with a waiter, whose epoll descriptor it is given.
func (r *mmsgRx) callAndWait(epoll uintptr) bool {
	w := r.conn.wait
	if r.call(uintptr(w.fd)) {
		w.found(epoll)
		return true
	}
	if errno := w.nothing(epoll); errno != 0 {
		r.n, r.errno = 0, errno
		return true
	}
	return false
}

// receive makes one call that finds something, or fails.
func (c *mmsgConn) receive(r *mmsgRx) error {
	if c.wait != nil {
		return c.wait.read(r.waited)
	}
	return c.sock.raw.Read(r.read)
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
		if err := c.receive(r); err != nil {
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

// SetReadDeadline implements Conn.
func (c *mmsgConn) SetReadDeadline(t time.Time) error { return c.sock.setReadDeadline(t) }

// LocalAddr implements Conn.
func (c *mmsgConn) LocalAddr() netip.AddrPort { return c.sock.local }

// Stats implements Conn.
func (c *mmsgConn) Stats() ConnStats { return c.sock.stats() }

// Close implements Conn.
func (c *mmsgConn) Close() error { return c.sock.close() }
