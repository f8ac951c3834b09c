package wiretest

import (
	"bytes"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

// Datagram is one under way.
type Datagram struct {
	From, To netip.AddrPort
	B        []byte
}

// Net is a network that hands datagrams on, in one of two ways:
//
//   - Datagrams of Send wait in Queue until the test calls Deliver, which hands them to Receive.
//     That is for engines, which have no goroutines and no clock of their own.
//   - Conn makes a fastpath.Conn for an address. Datagrams from one Conn to another take Delay.
//     That is for nodes, in a bubble of testing/synctest.
//
// Package simnet has a network with everything else: loss, jitter, NATs, restarts.
type Net struct {
	// Delay is how long a datagram takes from one Conn to another.
	Delay time.Duration
	// Route, Tap and Drop, if not nil, are called with each datagram in this order, when it is
	// delivered or, to a Conn, when it is sent. Route rewrites the addresses, as NATs do, or loses
	// the datagram. Tap looks at it. Drop loses it if it returns true. They must not send to a
	// Conn.
	Route func(from, to netip.AddrPort) (newFrom, newTo netip.AddrPort, ok bool)
	Tap   func(from, to netip.AddrPort, b []byte)
	Drop  func(from, to netip.AddrPort, b []byte) bool
	// Receive is called with each datagram that Deliver has taken and that has not been lost.
	Receive func(Datagram)
	// Queue has the datagrams that wait for Deliver, the oldest first. Tests may change it.
	Queue []Datagram

	mu    sync.Mutex
	conns map[netip.AddrPort]*Conn
}

// NewNet returns an empty network.
func NewNet() *Net { return &Net{conns: make(map[netip.AddrPort]*Conn)} }

// Send queues a datagram, which is copied.
func (n *Net) Send(from, to netip.AddrPort, b []byte) {
	n.Queue = append(n.Queue, Datagram{from, to, bytes.Clone(b)})
}

// maxDelivered bounds the datagrams that one call of Deliver moves.
const maxDelivered = 1_000_000

// Deliver moves datagrams, the oldest first, until none is under way.
func (n *Net) Deliver(t testing.TB) {
	t.Helper()
	for i := 0; len(n.Queue) > 0; i++ {
		if i > maxDelivered {
			t.Fatal("wiretest: datagrams without end")
		}
		n.DeliverAt(0)
	}
}

// DeliverAt moves the i-th datagram of the queue.
func (n *Net) DeliverAt(i int) {
	if d := n.Take(i); n.pass(&d) && n.Receive != nil {
		n.Receive(d)
	}
}

// Take removes the i-th datagram of the queue and returns it.
func (n *Net) Take(i int) Datagram {
	d := n.Queue[i]
	if i == 0 {
		n.Queue = n.Queue[1:]
	} else {
		n.Queue = append(n.Queue[:i:i], n.Queue[i+1:]...)
	}
	return d
}

// pass applies Route, Tap and Drop, and reports whether the datagram passes.
func (n *Net) pass(d *Datagram) bool {
	if n.Route != nil {
		var ok bool
		if d.From, d.To, ok = n.Route(d.From, d.To); !ok {
			return false
		}
	}
	if n.Tap != nil {
		n.Tap(d.From, d.To, d.B)
	}
	return n.Drop == nil || !n.Drop(d.From, d.To, d.B)
}

// Locked calls f while no Conn sends. Tests change Route, or what it depends on, in f.
func (n *Net) Locked(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// SetRoute changes Route while Conns send.
func (n *Net) SetRoute(route func(from, to netip.AddrPort) (newFrom, newTo netip.AddrPort, ok bool)) {
	n.Locked(func() { n.Route = route })
}

// connQueue is how many datagrams wait at a Conn. Further ones are lost.
const connQueue = 1024

// Conn is a fastpath.Conn at an address of a Net.
type Conn struct {
	n    *Net
	addr netip.AddrPort
	in   chan Datagram
	done chan struct{}
	once sync.Once
}

// Conn returns a Conn at addr, in place of an earlier one.
func (n *Net) Conn(addr netip.AddrPort) *Conn {
	c := &Conn{n: n, addr: addr, in: make(chan Datagram, connQueue), done: make(chan struct{})}
	n.Locked(func() { n.conns[addr] = c })
	return c
}

// Done is closed by Close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Waiting returns how many datagrams nobody has read yet.
func (c *Conn) Waiting() int { return len(c.in) }

// ReadBatch implements fastpath.Conn. It returns one datagram at a time.
func (c *Conn) ReadBatch(rx *fastpath.Rx) error {
	rx.Reset()
	select {
	case d := <-c.in:
		rx.Push(d.B, d.From)
		return nil
	case <-c.done:
		return fastpath.ErrClosed
	}
}

// WriteBatch implements fastpath.Conn.
func (c *Conn) WriteBatch(tx *fastpath.Tx) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for i := range tx.Len() {
		d := Datagram{c.addr, tx.Addr(i), bytes.Clone(tx.Packet(i))}
		if !c.n.pass(&d) {
			continue
		}
		to := c.n.conns[d.To]
		if to == nil {
			continue
		}
		time.AfterFunc(c.n.Delay, func() {
			select {
			case to.in <- d:
			default: // a full socket loses it
			}
		})
	}
	tx.Reset()
	return nil
}

// SetReadDeadline implements fastpath.Conn. It ignores the deadline.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// LocalAddr implements fastpath.Conn.
func (c *Conn) LocalAddr() netip.AddrPort { return c.addr }

// Stats implements fastpath.Conn. Nothing is counted.
func (c *Conn) Stats() fastpath.ConnStats { return fastpath.ConnStats{} }

// Close implements fastpath.Conn.
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}
