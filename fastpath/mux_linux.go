package fastpath

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerMark stands for the timer among the numbers of sockets.
const timerMark = -1

// epollMux waits for all its sockets by one epoll descriptor, which itself waits
// in the netpoller of the runtime: no thread is held up. The time to wait is a
// timer descriptor (Linux 2.6.25) among the sockets, because the runtime rounds
// its own waits up to milliseconds.
type epollMux struct {
	conns []*mmsgConn
	rx    *Rx
	file  *os.File // the epoll descriptor
	raw   syscall.RawConn
	timer int

	events [64]unix.EpollEvent
	at, n  int // events[at:n] have not been looked at
	errno  error
	failed int // receive calls that failed in a row

	// Bound once: no closure per call.
	read func(fd uintptr) bool
	look func(fd uintptr)
	park func(fd uintptr) bool
}

// newFastMux returns a reason where sockets are not of the fast path.
func newFastMux(conns []Conn, batch, size int) (mux, string, error) {
	m := &epollMux{rx: NewRx(batch, size), timer: -1}
	for _, c := range conns {
		fast, ok := c.(*mmsgConn)
		if !ok {
			return nil, "sockets are of the portable path", nil
		}
		m.conns = append(m.conns, fast)
	}
	m.rx.mmsg = newMmsgRx(m.rx)
	m.read = func(fd uintptr) bool { m.rx.mmsg.call(fd); return true }
	m.look = func(fd uintptr) { m.collect(fd) }
	m.park = func(fd uintptr) bool { m.collect(fd); return m.n > 0 || m.errno != nil }
	if err := m.open(); err != nil {
		m.close()
		return nil, "", err
	}
	return m, "", nil
}

func (m *epollMux) open() error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	// A descriptor that does not block is one that os.NewFile gives to the netpoller.
	if err := unix.SetNonblock(ep, true); err != nil {
		unix.Close(ep)
		return fmt.Errorf("epoll: %w", err)
	}
	m.file = os.NewFile(uintptr(ep), "epoll")
	if m.raw, err = m.file.SyscallConn(); err != nil {
		return err
	}
	if m.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("timerfd_create: %w", err)
	}
	add := func(fd, mark int) error {
		return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(mark)})
	}
	if err := add(m.timer, timerMark); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	for i, c := range m.conns {
		var err error
		if cerr := c.sock.raw.Control(func(fd uintptr) { err = add(int(fd), i) }); cerr != nil {
			return c.sock.wrap("wait", cerr)
		}
		if err != nil {
			return c.sock.wrap("wait", err)
		}
	}
	return nil
}

func (m *epollMux) path() string { return MuxEpoll }

func (m *epollMux) next(wait time.Duration) (int, *Rx, error) {
	if len(m.conns) == 1 { // no need to ask which
		if ok, err := m.receive(0); ok || err != nil || wait == 0 {
			return 0, m.filled(), err
		}
	}
	waited := false
	for {
		for m.at < m.n {
			from := int(m.events[m.at].Fd)
			if m.at++; from == timerMark {
				m.clearTimer()
				continue
			}
			if ok, err := m.receive(from); ok || err != nil {
				return from, m.filled(), err
			}
		}
		if waited {
			return 0, nil, nil
		}
		if err := m.raw.Control(m.look); err != nil || m.errno != nil {
			return 0, nil, m.broken(err)
		}
		if m.n > 0 {
			continue
		}
		if waited = true; wait == 0 {
			return 0, nil, nil
		}
		if err := m.arm(wait); err != nil {
			return 0, nil, err
		}
		if err := m.raw.Read(m.park); err != nil || m.errno != nil {
			return 0, nil, m.broken(err)
		}
	}
}

// filled is the batch, if there is anything in it.
func (m *epollMux) filled() *Rx {
	if m.rx.Len() == 0 {
		return nil
	}
	return m.rx
}

func (m *epollMux) broken(err error) error {
	if err == nil {
		err = m.errno
	}
	return fmt.Errorf("fastpath: epoll: %w", err)
}

// collect asks the kernel which sockets have something.
func (m *epollMux) collect(fd uintptr) {
	m.at, m.n, m.errno = 0, 0, nil
	n, err := unix.EpollWait(int(fd), m.events[:], 0)
	switch {
	case err == nil:
		m.n = n
	case err != unix.EINTR:
		m.errno = err
	}
}

// receive takes what socket i has, and reports whether there was anything.
func (m *epollMux) receive(i int) (bool, error) {
	c, rx, r := m.conns[i], m.rx, m.rx.mmsg
	rx.Reset()
	r.bind(rx, c)
	if err := c.sock.raw.Read(m.read); err != nil {
		return false, c.sock.wrap("receive", err)
	}
	switch {
	case r.errno == syscall.EAGAIN:
		return false, nil
	case r.errno != 0:
		return false, c.sock.readError(r.errno, &m.failed)
	}
	m.failed = 0
	c.collect(rx, r)
	return rx.Len() > 0, nil
}

func (m *epollMux) arm(wait time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}
	if err := unix.TimerfdSettime(m.timer, 0, &spec, nil); err != nil {
		return fmt.Errorf("fastpath: timerfd_settime: %w", err)
	}
	return nil
}

// clearTimer makes the timer wait for its next setting.
func (m *epollMux) clearTimer() {
	var b [8]byte
	_, _ = unix.Read(m.timer, b[:]) // EAGAIN: it has been set again meanwhile
}

func (m *epollMux) close() error {
	if m.timer >= 0 {
		unix.Close(m.timer)
	}
	if m.file == nil {
		return nil
	}
	if err := m.file.Close(); err != nil {
		return fmt.Errorf("fastpath: epoll: %w", err)
	}
	return nil
}
