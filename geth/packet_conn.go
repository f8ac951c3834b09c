package geth

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/p2p/netutil"

	"github.com/fastdisc/discv5/fastpath"
)

const (
	// maxDatagram is the size of the largest datagram that the adapter reads, in bytes: a discv5
	// packet has at most 1,280, and the limit leaves room for other protocols.
	maxDatagram = 2048
	// queued is how many datagrams wait for the node; further ones are dropped and counted.
	queued = 512
)

// packetConn is one address family of a UDPConn as a fastpath.Conn. A reader goroutine of the
// shared source fills its queue, so that Close ends ReadBatch even where the UDPConn's own read
// cannot be interrupted, as with SharedUDPConn.
type packetConn struct {
	src   *source
	local netip.AddrPort
	in    chan datagram
	done  chan struct{}
	once  sync.Once

	mu       sync.Mutex
	deadline time.Time
	wake     chan struct{} // closed and replaced when deadline changes

	rxPackets, rxBytes, txPackets, txBytes, txErrors, dropped, badSource atomic.Uint64
}

type datagram struct {
	b    *[maxDatagram]byte
	n    int
	from netip.AddrPort
}

// source is the UDPConn that one or two packetConns share.
type source struct {
	conn  UDPConn
	conns []*packetConn
	pool  sync.Pool
	open  atomic.Int32 // packetConns that have not been closed
}

// newPacketConns makes a packetConn for each address family that conn may carry and starts to read.
func newPacketConns(conn UDPConn) []*packetConn {
	s := &source{conn: conn, pool: sync.Pool{New: func() any { return new([maxDatagram]byte) }}}
	var locals []netip.AddrPort
	var local netip.AddrPort
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		local = a.AddrPort()
	}
	local = netip.AddrPortFrom(local.Addr().Unmap().WithZone(""), local.Port())
	switch ip := local.Addr(); {
	case !ip.IsValid() || ip.Is6() && ip.IsUnspecified():
		locals = []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port()),
			netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port()),
		}
	default:
		locals = []netip.AddrPort{local}
	}
	for _, l := range locals {
		s.conns = append(s.conns, &packetConn{
			src: s, local: l, in: make(chan datagram, queued), done: make(chan struct{}), wake: make(chan struct{}),
		})
	}
	s.open.Store(int32(len(s.conns)))
	go s.read()
	return s.conns
}

// read moves datagrams from the UDPConn to the queues until the UDPConn is closed.
func (s *source) read() {
	for s.open.Load() > 0 {
		b := s.pool.Get().(*[maxDatagram]byte)
		n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
		if netutil.IsTemporaryError(err) {
			s.pool.Put(b)
			continue
		}
		if err != nil {
			break
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !from.Addr().IsValid() || from.Port() == 0 { // nobody can be answered there
			s.conns[0].badSource.Add(1)
			s.pool.Put(b)
			continue
		}
		c := s.conns[0]
		if len(s.conns) == 2 && from.Addr().Is6() {
			c = s.conns[1]
		}
		select {
		case c.in <- datagram{b, n, from}:
		default:
			c.dropped.Add(1)
			s.pool.Put(b)
		}
	}
	for _, c := range s.conns {
		c.once.Do(func() { close(c.done) })
	}
}

// ReadBatch implements fastpath.Conn.
func (c *packetConn) ReadBatch(rx *fastpath.Rx) error {
	for rx.Reset(); ; {
		c.mu.Lock()
		deadline, wake := c.deadline, c.wake
		c.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			timer := time.NewTimer(left)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-c.done:
			return fastpath.ErrClosed
		case <-wake:
			continue
		case <-expired:
			return os.ErrDeadlineExceeded
		case d := <-c.in:
			c.push(rx, d)
		}
		for rx.Len() < rx.Cap() {
			select {
			case d := <-c.in:
				c.push(rx, d)
				continue
			default:
			}
			break
		}
		if rx.Len() > 0 {
			return nil
		}
	}
}

func (c *packetConn) push(rx *fastpath.Rx, d datagram) {
	if rx.Push(d.b[:d.n], d.from) {
		c.rxPackets.Add(1)
		c.rxBytes.Add(uint64(d.n))
	} else {
		c.dropped.Add(1)
	}
	c.src.pool.Put(d.b)
}

// WriteBatch implements fastpath.Conn.
func (c *packetConn) WriteBatch(tx *fastpath.Tx) error {
	defer tx.Reset()
	for i := range tx.Len() {
		b := tx.Packet(i)
		if _, err := c.src.conn.WriteToUDPAddrPort(b, tx.Addr(i)); errors.Is(err, net.ErrClosed) {
			return fastpath.ErrClosed
		} else if err != nil {
			c.txErrors.Add(1)
			continue
		}
		c.txPackets.Add(1)
		c.txBytes.Add(uint64(len(b)))
	}
	return nil
}

// SetReadDeadline implements fastpath.Conn.
func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.wake)
	c.wake = make(chan struct{})
	return nil
}

// Stats implements fastpath.Conn. Datagrams that found the queue full count as kernel drops: to the
// node both are a full receive buffer.
func (c *packetConn) Stats() (s fastpath.ConnStats) {
	s.RxDatagrams, s.RxBytes, s.RxBatches = c.rxPackets.Load(), c.rxBytes.Load(), c.rxPackets.Load()
	s.TxDatagrams, s.TxBytes, s.TxBatches = c.txPackets.Load(), c.txBytes.Load(), c.txPackets.Load()
	s.SendErrors.Other = c.txErrors.Load()
	s.KernelDrops, s.BadSource = c.dropped.Load(), c.badSource.Load()
	return s
}

// LocalAddr implements fastpath.Conn.
func (c *packetConn) LocalAddr() netip.AddrPort { return c.local }

// Close implements fastpath.Conn. The last packetConn of a UDPConn closes it.
func (c *packetConn) Close() error {
	err := fastpath.ErrClosed
	c.once.Do(func() {
		close(c.done)
		err = nil
	})
	if err == nil && c.src.open.Add(-1) == 0 {
		return c.src.conn.Close()
	}
	return err
}
