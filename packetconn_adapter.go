package discv5

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
)

const (
	// adapterErrors is how many reads of an adapted net.PacketConn may fail in a row before the
	// node gives it up, with a pause of adapterPause after each.
	adapterErrors = 50
	adapterPause  = 20 * time.Millisecond
)

// adaptedConn is a net.PacketConn that is no UDP socket, such as a tunnel, a proxy or a share of
// another library's socket, as a fastpath.Conn. It moves one datagram for each call.
type adaptedConn struct {
	c        net.PacketConn
	local    netip.AddrPort
	min, max int    // sizes of datagrams, in bytes
	buf      []byte // of ReadBatch
	failed   int    // reads in a row

	rx, rxBytes, tx, txBytes           atomic.Uint64
	short, long, badSource, readErrors atomic.Uint64
	errFamily, errClosed, errOther     atomic.Uint64
}

// adapt returns c as a fastpath.Conn for datagrams of min to max bytes.
func adapt(c net.PacketConn, min, max int) (*adaptedConn, error) {
	local, ok := addrPortOf(c.LocalAddr())
	if !ok || local.Port() == 0 {
		return nil, fmt.Errorf("%w: local address %v is no IP address with a port", ErrConfig, c.LocalAddr())
	}
	return &adaptedConn{c: c, local: local, min: min, max: max, buf: make([]byte, max+1)}, nil
}

// addrPortOf returns the IP address and port that an address of package net, or of another library,
// stands for.
func addrPortOf(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case nil:
	case *net.UDPAddr:
		ap = a.AddrPort()
	case interface{ AddrPort() netip.AddrPort }:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netaddr.NormalizePort(ap), ap.IsValid()
}

// ReadBatch implements fastpath.Conn.
func (c *adaptedConn) ReadBatch(rx *fastpath.Rx) error {
	rx.Reset()
	for {
		n, addr, err := c.c.ReadFrom(c.buf)
		if err != nil {
			if err := c.readError(err); err != nil {
				return err
			}
			continue
		}
		c.failed = 0
		from, ok := addrPortOf(addr)
		switch {
		case !ok || from.Port() == 0 || netaddr.FamilyOf(from.Addr()) != netaddr.FamilyOf(c.local.Addr()):
			c.badSource.Add(1)
		case n < c.min:
			c.short.Add(1)
		case n > c.max:
			c.long.Add(1)
		case rx.Push(c.buf[:n], from):
			c.rx.Add(1)
			c.rxBytes.Add(uint64(n))
			return nil
		}
	}
}

// readError returns the error with which ReadBatch ends, or nil if it continues.
func (c *adaptedConn) readError(err error) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return fastpath.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	c.readErrors.Add(1)
	if c.failed++; c.failed >= adapterErrors {
		return err
	}
	time.Sleep(adapterPause)
	return nil
}

// WriteBatch implements fastpath.Conn.
func (c *adaptedConn) WriteBatch(tx *fastpath.Tx) error {
	defer tx.Reset()
	for i := range tx.Len() {
		b, to := tx.Packet(i), tx.Addr(i)
		if netaddr.FamilyOf(to.Addr()) != netaddr.FamilyOf(c.local.Addr()) {
			c.errFamily.Add(1)
			continue
		}
		switch _, err := c.c.WriteTo(b, net.UDPAddrFromAddrPort(to)); {
		case err == nil:
			c.tx.Add(1)
			c.txBytes.Add(uint64(len(b)))
		case errors.Is(err, net.ErrClosed):
			c.errClosed.Add(uint64(tx.Len() - i))
			return fastpath.ErrClosed
		default:
			c.errOther.Add(1)
		}
	}
	return nil
}

// SetReadDeadline implements fastpath.Conn.
func (c *adaptedConn) SetReadDeadline(t time.Time) error { return c.c.SetReadDeadline(t) }

// LocalAddr implements fastpath.Conn.
func (c *adaptedConn) LocalAddr() netip.AddrPort { return c.local }

// Stats implements fastpath.Conn.
func (c *adaptedConn) Stats() fastpath.ConnStats {
	return fastpath.ConnStats{
		RxDatagrams: c.rx.Load(), RxBytes: c.rxBytes.Load(), RxBatches: c.rx.Load(),
		TxDatagrams: c.tx.Load(), TxBytes: c.txBytes.Load(), TxBatches: c.tx.Load(),
		Short: c.short.Load(), Long: c.long.Load(), BadSource: c.badSource.Load(), ReadErrors: c.readErrors.Load(),
		SendErrors: fastpath.SendErrors{Family: c.errFamily.Load(), Closed: c.errClosed.Load(), Other: c.errOther.Load()},
	}
}

// Close implements fastpath.Conn.
func (c *adaptedConn) Close() error {
	switch err := c.c.Close(); {
	case err == nil:
		return nil
	case errors.Is(err, net.ErrClosed):
		return fastpath.ErrClosed
	default:
		return err
	}
}

// adoptPacketConns takes over the caller's sockets: UDP sockets of one address as a single group,
// and any other net.PacketConn separately.
func (n *Node) adoptPacketConns() error {
	byAddr := make(map[string][]*net.UDPConn)
	var order []string
	cfg := n.socketConfig()
	for i, c := range n.cfg.PacketConns {
		switch c := c.(type) {
		case nil:
			return fmt.Errorf("%w: PacketConns: number %d is nil", ErrConfig, i+1)
		case *net.UDPConn:
			if c == nil {
				return fmt.Errorf("%w: PacketConns: number %d is nil", ErrConfig, i+1)
			}
			a := c.LocalAddr().String()
			if byAddr[a] == nil {
				order = append(order, a)
			}
			byAddr[a] = append(byAddr[a], c)
		default:
			conn, err := adapt(c, cfg.MinSize, cfg.MaxSize)
			if err != nil {
				return fmt.Errorf("PacketConns: number %d: %w", i+1, err)
			}
			g, err := fastpath.GroupOf(conn)
			if err != nil {
				return errorf("discv5: use PacketConn %s: %w", conn.local, err)
			}
			n.addGroup(g)
		}
	}
	for _, a := range order {
		g, err := fastpath.Use(cfg, byAddr[a]...)
		if err != nil {
			return errorf("discv5: use UDP socket %s: %w", a, err)
		}
		n.addGroup(g)
	}
	return nil
}

// closeGiven closes the sockets that the caller has opened.
func (c *Config) closeGiven() {
	for _, u := range c.PacketConns {
		if udp, ok := u.(*net.UDPConn); u != nil && (!ok || udp != nil) {
			u.Close()
		}
	}
	for _, o := range c.Conns {
		if o != nil {
			o.Close()
		}
	}
}

// socketConfig is what all sockets have in common. Datagrams of other protocols may have any size.
func (n *Node) socketConfig() fastpath.Config {
	cfg := fastpath.Config{
		Batch: batchSize, MinSize: codec.MinPacketSize, MaxSize: codec.MaxPacketSize,
		RecvBuffer: n.cfg.RecvBuffer, SendBuffer: n.cfg.SendBuffer, Portable: n.cfg.Portable,
		DisableGSO: n.cfg.DisableGSO,
	}
	if n.cfg.OtherProtocol != nil {
		cfg.MinSize, cfg.MaxSize = 0, MaxOtherProtocol
	}
	return cfg
}
