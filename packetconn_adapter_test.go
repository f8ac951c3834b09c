package discv5

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// tunnel is a net.PacketConn that is not a socket. Its addresses have their own type.
type tunnel struct {
	net   *tunnels
	at    tunnelAddr
	in    chan tunneled
	done  chan struct{}
	close sync.Once

	mu       sync.Mutex
	failures []error // of the next reads
	refuse   error   // of writes
}

type tunnels struct {
	mu   sync.Mutex
	ends map[string]*tunnel
}

type tunnelAddr string

func (a tunnelAddr) Network() string { return "tunnel" }
func (a tunnelAddr) String() string  { return string(a) }

type tunneled struct {
	from net.Addr
	b    []byte
}

func (n *tunnels) end(addr string) *tunnel {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends == nil {
		n.ends = make(map[string]*tunnel)
	}
	c := &tunnel{net: n, at: tunnelAddr(addr), in: make(chan tunneled, 64), done: make(chan struct{})}
	n.ends[addr] = c
	return c
}

func (c *tunnel) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	if len(c.failures) > 0 {
		err := c.failures[0]
		c.failures = c.failures[1:]
		c.mu.Unlock()
		return 0, nil, err
	}
	c.mu.Unlock()
	select {
	case d := <-c.in:
		return copy(b, d.b), d.from, nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

func (c *tunnel) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	err := c.refuse
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	c.net.mu.Lock()
	o := c.net.ends[to.String()]
	c.net.mu.Unlock()
	if o != nil {
		select {
		case o.in <- tunneled{c.at, bytes.Clone(b)}:
		default:
		}
	}
	return len(b), nil
}

func (c *tunnel) Close() error {
	err := net.ErrClosed
	c.close.Do(func() { close(c.done); err = nil })
	return err
}
func (c *tunnel) LocalAddr() net.Addr              { return c.at }
func (c *tunnel) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *tunnel) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *tunnel) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// tunnelNode starts a node at an end of a tunnel.
func tunnelNode(t *testing.T, c net.PacketConn) *Node {
	t.Helper()
	return startNode(t, Config{PacketConns: []net.PacketConn{c}, DetectAddress: -1}, patient)
}

// A node speaks through any net.PacketConn, over both families, and lives through reads that fail
// for a while.
func TestNodeOnPacketConn(t *testing.T) {
	for _, c := range []struct{ name, a, b string }{
		{"IPv4", "10.1.0.1:9000", "10.1.0.2:9000"},
		{"IPv6", "[fd00::1]:9000", "[fd00::2]:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n tunnels
			atA, atB := n.end(c.a), n.end(c.b)
			for range adapterErrors / 2 {
				atB.failures = append(atB.failures, errors.New("no carrier"))
			}
			a, b := tunnelNode(t, atA), tunnelNode(t, atB)
			b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
			answer, err := a.Talk(t.Context(), ContactOf(b.LocalRecord()), "echo", []byte("hello"))
			if err != nil || string(answer) != "hello" {
				t.Errorf("answer %q, %v", answer, err)
			}
			if at := b.Addrs()[0]; at != netip.MustParseAddrPort(c.b) {
				t.Errorf("listens on %s", at)
			}
			// None of these is a datagram of the protocol from an address.
			for _, d := range []tunneled{
				{tunnelAddr("nowhere"), make([]byte, 100)}, {nil, make([]byte, 100)}, {tunnelAddr("10.1.0.9:0"), make([]byte, 100)},
				{tunnelAddr("[fd00::9]:1"), make([]byte, 100)}, {tunnelAddr("10.1.0.9:1"), make([]byte, 100)},
				{atA.at, make([]byte, codec.MinPacketSize-1)}, {atA.at, make([]byte, codec.MaxPacketSize+1)},
			} {
				atB.in <- d
			}
			eventually(t, "odd datagrams are counted", func() bool {
				s := b.Stats().Sockets
				return s.BadSource == 4 && s.Short == 1 && s.Long == 1 && s.ReadErrors == adapterErrors/2
			})
			if s := b.Stats().Sockets; s.RxDatagrams == 0 || s.TxDatagrams == 0 || s.TxBytes == 0 {
				t.Errorf("counted %+v", s)
			}
			eventually(t, "the engine has all that arrived", func() bool { s := b.Stats(); return s.Sockets.RxDatagrams == s.Counters[engine.PacketsIn] })
			atB.mu.Lock()
			atB.refuse = errors.New("no carrier")
			atB.mu.Unlock()
			if _, err := b.Ping(t.Context(), ContactOf(a.LocalRecord()), WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
				t.Errorf("PING into a broken tunnel: %v", err)
			}
			eventually(t, "a send error is counted", func() bool { return b.Stats().Sockets.SendErrors.Other > 0 })
			b.Close()
			select {
			case <-atB.done:
			default:
				t.Error("the end of the tunnel was not closed")
			}
		})
	}
}

// A net.PacketConn whose reads fail for good ends the receiver, and Err says why.
func TestBrokenPacketConn(t *testing.T) {
	var n tunnels
	c := n.end("10.1.0.1:9000")
	broken := errors.New("the tunnel is gone")
	for range adapterErrors {
		c.failures = append(c.failures, broken)
	}
	node := tunnelNode(t, c)
	eventually(t, "the node gives up", func() bool { return errors.Is(node.Err(), broken) })
}

// Addresses that are not IP addresses are refused, and New closes the sockets that it was given.
func TestPacketConnWithoutIPAddress(t *testing.T) {
	var n tunnels
	for _, at := range []string{"", "a host", "10.1.0.1", "10.1.0.1:0"} {
		c := n.end(at)
		if node, err := New(Config{PacketConns: []net.PacketConn{c}}); err == nil {
			node.Close()
			t.Errorf("%q was accepted", at)
		} else if !errors.Is(err, ErrConfig) && !errors.Is(err, fastpath.ErrConfig) {
			t.Errorf("%q: %v", at, err)
		}
		select {
		case <-c.done:
		default:
			t.Errorf("%q was not closed", at)
		}
	}
}

// Two nodes of different networks share one socket: the second one listens on the PacketConn of the
// first, and each answers its own network.
func TestTwoNetworksOnOneSocket(t *testing.T) {
	second := codec.Protocol{ID: [6]byte{'s', 'e', 'c', 'o', 'n', 'd'}, Version: 1}
	rest := NewPacketConn(64)
	first := loopback(t, "127.0.0.1:0", func(c *Config) { c.OtherProtocol = rest })
	with := func(c *Config) { c.Protocol = second }
	shared := startNode(t, Config{PacketConns: []net.PacketConn{rest}, Protocol: second}, patient)
	for name, c := range map[string]struct{ from, to *Node }{
		"first network":     {loopback(t, "127.0.0.1:0", nil), first},
		"second network":    {loopback(t, "127.0.0.1:0", with), shared},
		"out of the second": {shared, loopback(t, "127.0.0.1:0", with)},
	} {
		if _, err := c.from.Ping(t.Context(), ContactOf(c.to.LocalRecord())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, b := first.Addrs()[0], shared.Addrs()[0]; a != b {
		t.Errorf("the nodes are at %s and %s", a, b)
	}
}
