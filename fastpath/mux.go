package fastpath

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Names of the paths of a Mux.
const (
	MuxEpoll      = "epoll"      // epoll(7), one Rx for all sockets
	MuxGoroutines = "goroutines" // a goroutine and two Rx for each socket
)

// Mux receives from several sockets in one goroutine, for programs that act as many
// hosts. It belongs to one goroutine, and as long as it is open nobody
// else may call ReadBatch or SetReadDeadline of its sockets.
//
// Two implementations exist, as of Conn: one for sockets of the fast path, and a
// portable one.
type Mux struct {
	impl   mux
	reason string
}

type mux interface {
	next(wait time.Duration) (from int, rx *Rx, err error)
	path() string
	close() error
}

// NewMux returns a Mux of the given sockets, at least one. batch and size are
// those of NewRx. The error is that of the system.
func NewMux(conns []Conn, batch, size int) (*Mux, error) {
	if len(conns) == 0 {
		return nil, fmt.Errorf("%w: a Mux of no sockets", ErrConfig)
	}
	impl, reason, err := newFastMux(conns, batch, size)
	if err != nil {
		return nil, fmt.Errorf("fastpath: %w", err)
	}
	if reason != "" {
		impl = newPlainMux(conns, batch, size)
	}
	return &Mux{impl, reason}, nil
}

// Path is MuxEpoll or MuxGoroutines.
func (m *Mux) Path() string { return m.impl.path() }

// Reason says why Path is not MuxEpoll, and is empty otherwise.
func (m *Mux) Reason() string { return m.reason }

// Next returns a batch of datagrams and the number of the socket that they came
// to, as counted in the slice given to NewMux. The batch is valid until the next
// call. Sockets take turns, so that none can keep the others waiting.
//
// With nothing there it waits, at most for about the given time, and then returns
// a nil batch. It may do that earlier. 0 means not to wait; the portable path may
// then miss what arrived a moment ago. The error is ErrClosed when a socket has
// been closed, or that of a socket that became unusable.
func (m *Mux) Next(wait time.Duration) (from int, rx *Rx, err error) {
	return m.impl.next(max(wait, 0))
}

// Close gives the sockets back, which stay open. It must not be called during
// Next, nor twice.
func (m *Mux) Close() error { return m.impl.close() }

// plainMux has a goroutine read each socket. The two Rx of a socket go round: one
// is filled while the caller has the other one.
type plainMux struct {
	conns []Conn
	full  chan arrival
	free  []chan *Rx
	last  arrival // what the caller has
	timer *time.Timer
	done  chan struct{}
	wg    sync.WaitGroup
}

type arrival struct {
	from int
	rx   *Rx
	err  error
}

func newPlainMux(conns []Conn, batch, size int) *plainMux {
	m := &plainMux{
		conns: conns,
		full:  make(chan arrival, len(conns)),
		free:  make([]chan *Rx, len(conns)),
		timer: time.NewTimer(0),
		done:  make(chan struct{}),
	}
	m.timer.Stop()
	for i, c := range conns {
		slots := batch
		if _, ok := c.(*portableConn); ok {
			slots = 1 // it reads one datagram per call
		}
		m.free[i] = make(chan *Rx, 2)
		m.free[i] <- NewRx(slots, size)
		m.free[i] <- NewRx(slots, size)
		m.wg.Add(1)
		go m.receive(i, c)
	}
	return m
}

func (m *plainMux) path() string { return MuxGoroutines }

// receive reads one socket until it fails or the Mux is closed.
func (m *plainMux) receive(i int, c Conn) {
	defer m.wg.Done()
	for {
		var rx *Rx
		select {
		case rx = <-m.free[i]:
		case <-m.done:
			return
		}
		err := c.ReadBatch(rx)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return // by close
		}
		select {
		case m.full <- arrival{i, rx, err}:
		case <-m.done:
			return
		}
		if err != nil {
			return
		}
	}
}

func (m *plainMux) next(wait time.Duration) (int, *Rx, error) {
	if m.last.rx != nil {
		m.free[m.last.from] <- m.last.rx
		m.last = arrival{}
	}
	select {
	case m.last = <-m.full:
	default:
		if wait == 0 {
			return 0, nil, nil
		}
		m.timer.Reset(wait)
		select {
		case m.last = <-m.full:
			m.timer.Stop()
		case <-m.timer.C:
			return 0, nil, nil
		}
	}
	if a := m.last; a.err != nil {
		m.last = arrival{}
		return a.from, nil, a.err
	}
	return m.last.from, m.last.rx, nil
}

// close ends the goroutines by a deadline in the past, and takes it back.
func (m *plainMux) close() error {
	close(m.done)
	m.timer.Stop()
	for _, c := range m.conns {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails when closed, which ends reading too
	}
	m.wg.Wait()
	for _, c := range m.conns {
		_ = c.SetReadDeadline(time.Time{})
	}
	return nil
}
