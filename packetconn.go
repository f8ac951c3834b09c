package discv5

import (
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// MaxOtherProtocol is the size in bytes of the largest datagram of another protocol that a shared
// socket receives or sends.
const MaxOtherProtocol = 2048

// OtherProtocolHandler handles datagrams of other protocols on a node's sockets, so that a node can
// share a socket with discv4 or QUIC. See PacketConn for a handler that passes them to another
// library.
type OtherProtocolHandler interface {
	// OtherProtocol is called on the packet path, from one goroutine for each socket: it must
	// not block. b is the datagram as it came, of at most MaxOtherProtocol bytes, and is valid
	// during the call only. Nothing is known about the sender: the address may be false.
	OtherProtocol(from netip.AddrPort, b []byte)
}

// OtherProtocolFunc is a function as an OtherProtocolHandler.
type OtherProtocolFunc func(from netip.AddrPort, b []byte)

// OtherProtocol implements OtherProtocolHandler.
func (f OtherProtocolFunc) OtherProtocol(from netip.AddrPort, b []byte) { f(from, b) }

// WriteTo sends a datagram of another protocol, of at most MaxOtherProtocol bytes, from the socket
// that the node listens on. The error tells why the system did not take it. With
// Config.OtherProtocol it leaves from the local address where the peer last reached the node, as
// far as that is remembered.
func (n *Node) WriteTo(b []byte, to netip.AddrPort) error {
	if len(b) > MaxOtherProtocol {
		return errorf("discv5: send to %s: %w", to, ErrTooLarge)
	}
	to = netaddr.UnmapPort(to)
	if !to.IsValid() || n.byFam[netaddr.FamilyOf(to.Addr())] < 0 {
		return errorf("discv5: send to %s: %w", to, ErrNoEndpoint)
	}
	f := &n.other
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tx == nil {
		f.tx = fastpath.NewTx(1, MaxOtherProtocol)
	}
	via := engine.Via(0)
	if n.otherVias != nil {
		via = n.otherVias.find(to)
	}
	at := groupOf(via)
	if at < 0 {
		at = n.byFam[netaddr.FamilyOf(to.Addr())]
	}
	if may := n.cfg.MaySend; may != nil && !may() {
		n.silenced.Add(1)
		return fmt.Errorf("discv5: send to %s: %w", to, ErrSilenced)
	}
	f.tx.CommitFrom(copy(f.tx.Buffer(), b), to, localOf(via))
	err := n.groups[at].Conns()[0].WriteBatch(f.tx)
	if err == nil {
		err = f.tx.Err()
	}
	if err != nil {
		return errorf("discv5: send to %s: %w", to, err)
	}
	return nil
}

// otherSender sends the datagrams of WriteTo.
type otherSender struct {
	mu sync.Mutex
	tx *fastpath.Tx
}

// PacketConn is an OtherProtocolHandler that is a net.PacketConn for another library, such as a
// QUIC transport. Put it into Config.OtherProtocol, and pass it to the library after New. It holds
// a bounded number of datagrams. When it is full, it drops and counts further ones, which takes
// nothing from the node.
type PacketConn struct {
	node  atomic.Pointer[Node]
	queue chan *otherPacket
	free  chan *otherPacket
	lost  atomic.Uint64

	mu       sync.Mutex
	closed   bool
	done     chan struct{}
	deadline chan struct{} // closed when the read deadline passes
	timer    *time.Timer
	set      uint64 // counts the deadlines, so that a timer that was too late to be stopped knows
}

type otherPacket struct {
	from netip.AddrPort
	n    int
	b    [MaxOtherProtocol]byte
}

// NewPacketConn returns a PacketConn for up to size waiting datagrams, at least one. Memory for
// all of them, MaxOtherProtocol bytes each, is allocated here.
func NewPacketConn(size int) *PacketConn {
	size = max(size, 1)
	c := &PacketConn{
		queue: make(chan *otherPacket, size), free: make(chan *otherPacket, size),
		done: make(chan struct{}), deadline: make(chan struct{}),
	}
	for range size {
		c.free <- new(otherPacket)
	}
	return c
}

// bind sets the node whose sockets c sends from.
func (c *PacketConn) bind(n *Node) { c.node.Store(n) }

// OtherProtocol implements OtherProtocolHandler.
func (c *PacketConn) OtherProtocol(from netip.AddrPort, b []byte) {
	select {
	case p := <-c.free:
		p.from, p.n = from, copy(p.b[:], b)
		c.queue <- p // there is room for all packets
	default:
		c.lost.Add(1)
	}
}

// Lost returns the number of datagrams that c dropped because it was full.
func (c *PacketConn) Lost() uint64 { return c.lost.Load() }

// ReadFrom implements net.PacketConn.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom without an allocation. A datagram that does not fit into b is cut
// off.
func (c *PacketConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	// A deadline in the past and Close win over what waits.
	select {
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	case <-deadline:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	default:
	}
	select {
	case p := <-c.queue:
		n, from := copy(b, p.b[:p.n]), p.from
		c.free <- p
		return n, from, nil
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	case <-deadline:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

// WriteTo implements net.PacketConn. addr is a *net.UDPAddr.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("discv5: send to %v: not a UDP address", addr)
	}
	return c.WriteToUDPAddrPort(b, u.AddrPort())
}

// WriteToUDPAddrPort is WriteTo for another type of address.
func (c *PacketConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	n := c.node.Load()
	if n == nil {
		return 0, errorf("discv5: send to %s: %w", addr, ErrNotStarted)
	}
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	if err := n.WriteTo(b, addr); err != nil {
		return 0, err
	}
	return len(b), nil
}

// LocalAddr implements net.PacketConn: the first address that the node listens on, or nil before
// there is a node.
func (c *PacketConn) LocalAddr() net.Addr {
	n := c.node.Load()
	if n == nil {
		return nil
	}
	return net.UDPAddrFromAddrPort(n.Addrs()[0])
}

// Close implements net.PacketConn. It does not close the node's socket.
func (c *PacketConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	close(c.done)
	return nil
}

// SetDeadline implements net.PacketConn.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn. Sending does not wait for long, so that it does
// nothing.
func (c *PacketConn) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.set++
	select {
	case <-c.deadline:
		c.deadline = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return nil
	}
	wait := time.Until(t)
	if wait <= 0 {
		close(c.deadline)
		return nil
	}
	this := c.set
	c.timer = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.set == this {
			close(c.deadline)
		}
	})
	return nil
}

// otherPeers bounds the peers of other protocols whose local address is remembered.
const otherPeers = 4096

// otherVias remembers at which local address peers of other protocols last reached the node, so
// that WriteTo sends to them from there. Two peers of one slot displace each other: then the system
// chooses.
type otherVias struct {
	seed  maphash.Seed
	mu    sync.Mutex
	slots []otherVia
}

type otherVia struct {
	peer netip.AddrPort
	via  engine.Via
}

// newOtherVias returns memory for otherPeers peers.
func newOtherVias() *otherVias {
	return &otherVias{seed: maphash.MakeSeed(), slots: make([]otherVia, otherPeers)}
}

func (v *otherVias) slot(peer netip.AddrPort) *otherVia {
	return &v.slots[maphash.Comparable(v.seed, peer)%otherPeers]
}

// note remembers where a datagram of a peer has arrived.
func (v *otherVias) note(peer netip.AddrPort, via engine.Via) {
	s := v.slot(peer)
	v.mu.Lock()
	*s = otherVia{peer, via}
	v.mu.Unlock()
}

// find returns where a peer has reached the node last, 0 if that is not known.
func (v *otherVias) find(peer netip.AddrPort) engine.Via {
	s := v.slot(peer)
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.peer != peer {
		return 0
	}
	return s.via
}
