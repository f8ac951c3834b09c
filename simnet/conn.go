package simnet

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/virtual"
)

// connQueue bounds the datagrams that wait at a Conn, as a socket buffer does.
const connQueue = 1024

// conn is a fastpath.Conn on an address of a machine. The network hands what arrives to the node
// that the machine runs; before the node starts, and for a program without a node, the Conn keeps
// it for ReadBatch.
type conn struct {
	m    *machine
	port *port
	shut atomic.Bool

	mu       sync.Mutex
	queue    []arrival
	stats    fastpath.ConnStats
	deadline time.Time
	look     chan struct{} // has room for one: ReadBatch has something to look at
	closed   chan struct{}
}

// arrival is a datagram that waits.
type arrival struct {
	from netip.AddrPort
	b    []byte
}

func newConn(m *machine, p *port) *conn {
	return &conn{m: m, port: p, look: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Machine implements virtual.Conn.
func (c *conn) Machine() virtual.Machine { return c.m }

// enqueue keeps a datagram for ReadBatch.
func (c *conn) enqueue(from netip.AddrPort, b []byte) {
	c.mu.Lock()
	if len(c.queue) == connQueue {
		c.stats.KernelDrops++
	} else {
		c.queue = append(c.queue, arrival{from, bytes.Clone(b)})
	}
	c.mu.Unlock()
	c.wake()
}

func (c *conn) wake() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// drain returns what waits, and leaves nothing.
func (c *conn) drain() []arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.queue
	c.queue = nil
	return list
}

// ReadBatch implements fastpath.Conn. It lets time pass as the methods of a node do, and like them
// cannot be called from within an event.
func (c *conn) ReadBatch(rx *fastpath.Rx) error {
	rx.Reset()
	for {
		if c.shut.Load() {
			return fastpath.ErrClosed
		}
		if late := c.fill(rx); late {
			return os.ErrDeadlineExceeded
		}
		if rx.Len() > 0 {
			return nil
		}
		if _, err := c.m.nd.n.wait(context.Background(), nil, c.look, c.closed); err != nil {
			return err
		}
	}
}

// fill moves datagrams that wait to rx, unless the deadline has passed.
func (c *conn) fill(rx *fastpath.Rx) (late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() && !c.m.Time().Before(c.deadline) {
		return true
	}
	for len(c.queue) > 0 && rx.Len() < rx.Cap() {
		a := c.queue[0]
		c.queue = c.queue[1:]
		if !rx.Push(a.b, a.from) {
			c.stats.Truncated++
			continue
		}
		c.stats.RxDatagrams++
		c.stats.RxBytes += uint64(len(a.b))
	}
	if rx.Len() > 0 {
		c.stats.RxBatches++
	}
	return false
}

// SetReadDeadline implements fastpath.Conn. The deadline is a wall-clock time of the network.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	if !t.IsZero() {
		c.m.nd.n.After(t.Sub(c.m.Time()), c.wake)
	}
	c.wake()
	return nil
}

// WriteBatch implements fastpath.Conn.
func (c *conn) WriteBatch(tx *fastpath.Tx) error {
	defer tx.Reset()
	if c.shut.Load() {
		c.mu.Lock()
		c.stats.SendErrors.Closed += uint64(tx.Len())
		c.mu.Unlock()
		return fastpath.ErrClosed
	}
	if c.m.suspended.Load() {
		return nil
	}
	n := c.m.nd.n
	for i := range tx.Len() {
		b, to := tx.Packet(i), tx.Addr(i)
		if len(b) > codec.MaxPacketSize || netaddr.FamilyOf(to.Addr()) != netaddr.FamilyOf(c.port.addr.Addr()) {
			c.mu.Lock()
			c.stats.SendErrors.Family++
			c.mu.Unlock()
			continue
		}
		n.send(b, c.port, netip.AddrPort{}, to, c.m.nd.audit)
		c.mu.Lock()
		c.stats.TxDatagrams++
		c.stats.TxBytes += uint64(len(b))
		c.mu.Unlock()
	}
	return nil
}

// LocalAddr implements fastpath.Conn.
func (c *conn) LocalAddr() netip.AddrPort { return c.port.addr }

// Stats implements fastpath.Conn.
func (c *conn) Stats() fastpath.ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Close implements fastpath.Conn.
func (c *conn) Close() error {
	if c.shut.Swap(true) {
		return fastpath.ErrClosed
	}
	close(c.closed)
	return nil
}
