package fastpath

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// quietReads is how many receive calls in a row must find something before a socket leaves its
// epoll descriptor.
const quietReads = 4

// maxPoll bounds one wait for room in the send buffer, which Close has to wait for.
const maxPoll = 10 * time.Millisecond

// waiter waits until a socket is readable or writable, in place of the netpoller of the runtime.
//
// A socket that waits in an epoll descriptor pays for it with each datagram, even if nobody waits:
// the kernel tells the descriptor that a datagram has come, and again that one has left the send
// buffer, each time under a lock that both CPUs take. For one request and its answer that is 8 % of
// the CPU time of the machine (see PERF.md, many peers). So the socket is in an epoll descriptor
// only while receive calls find nothing. The descriptor itself waits in the netpoller, so that no
// thread is held up and deadlines are those of the runtime.
//
//	netpoller ── epoll descriptor ── socket
//	always       while traffic is     owned by the waiter
//	             light
//
// A waiter owns the descriptor of the socket. The net package has given it up: see newWaiter.
type waiter struct {
	epoll    *os.File
	epollRaw syscall.RawConn
	socket   *os.File // known to no netpoller
	fd       int      // of the socket; valid in callbacks of either RawConn
	closed   atomic.Bool

	// of the goroutine that reads
	inside bool // the socket is in the epoll descriptor
	reads  int  // receive calls in a row that found something
}

// newWaiter takes the descriptor of s from the net package, whose connection is closed then. On
// error s is as before.
func newWaiter(s *socket) (w *waiter, err error) {
	w = &waiter{fd: -1}
	defer func() {
		if err != nil {
			w.release()
		}
	}()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	// os.NewFile gives a descriptor to the netpoller if it does not block.
	if err := unix.SetNonblock(ep, true); err != nil {
		unix.Close(ep)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w.epoll = os.NewFile(uintptr(ep), "epoll")
	if w.epollRaw, err = w.epoll.SyscallConn(); err != nil {
		return nil, err
	}
	// The netpoller does not tell if it could not take the descriptor. Only a file that it has can
	// have deadlines.
	if err := w.epoll.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if cerr := s.raw.Control(func(fd uintptr) {
		w.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, fmt.Errorf("F_DUPFD_CLOEXEC: %w", err)
	}
	if err := unix.SetNonblock(w.fd, false); err != nil {
		return nil, fmt.Errorf("O_NONBLOCK: %w", err)
	}
	w.socket = os.NewFile(uintptr(w.fd), s.local.String())
	if err := unix.SetNonblock(w.fd, true); err != nil {
		return nil, fmt.Errorf("O_NONBLOCK: %w", err)
	}
	raw, err := w.socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	w.epollRaw, raw = &fileRaw{w, w.epollRaw}, &fileRaw{w, raw}
	_ = s.io.Close() // takes it out of the netpoller, whatever the error
	s.raw, s.io = raw, w
	return w, nil
}

// release closes what newWaiter has opened.
func (w *waiter) release() {
	if w.epoll != nil {
		w.epoll.Close()
	}
	if w.socket != nil {
		w.socket.Close()
	} else if w.fd >= 0 {
		unix.Close(w.fd)
	}
}

// read calls receive in the goroutine of the reader. While that finds nothing, read waits.
func (w *waiter) read(receive func(epoll uintptr) bool) error { return w.epollRaw.Read(receive) }

// found notes that a receive call has found something.
func (w *waiter) found(epoll uintptr) {
	if !w.inside {
		return
	}
	if w.reads++; w.reads < quietReads {
		return
	}
	if unix.EpollCtl(int(epoll), unix.EPOLL_CTL_DEL, w.fd, nil) == nil {
		w.inside = false
	}
}

// nothing notes that a receive call has found nothing. Later datagrams make the epoll descriptor
// readable. So do those that came since that call.
func (w *waiter) nothing(epoll uintptr) syscall.Errno {
	w.reads = 0
	if w.inside {
		return 0
	}
	err := unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, w.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	w.inside = true
	return 0
}

// waitWritable waits until the send buffer has room, or the deadline.
func (w *waiter) waitWritable(raw syscall.RawConn, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		ready := false
		if err := raw.Control(func(fd uintptr) {
			list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			n, err := unix.Poll(list, int(min(left, maxPoll)/time.Millisecond)+1)
			ready = n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		}); err != nil {
			return err
		}
		if ready {
			return nil
		}
	}
}

// SetReadDeadline is that of the reader.
func (w *waiter) SetReadDeadline(t time.Time) error { return w.error(w.epoll.SetReadDeadline(t)) }

// Close ends the reader first, which uses the descriptor of the socket.
func (w *waiter) Close() error {
	w.closed.Store(true)
	return errors.Join(w.epoll.Close(), w.socket.Close())
}

// error makes an error that follows from Close that of package net. The raw connection of a file
// returns one that no other package can name.
func (w *waiter) error(err error) error {
	if err != nil && w.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// fileRaw is the raw connection of one of the files of a waiter.
type fileRaw struct {
	wait *waiter
	raw  syscall.RawConn
}

func (r *fileRaw) Control(f func(fd uintptr)) error { return r.wait.error(r.raw.Control(f)) }

func (r *fileRaw) Read(f func(fd uintptr) bool) error { return r.wait.error(r.raw.Read(f)) }

func (r *fileRaw) Write(f func(fd uintptr) bool) error { return r.wait.error(r.raw.Write(f)) }
