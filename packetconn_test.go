package discv5

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

// shared starts a node on a socket of the test's own that another protocol uses too.
func shared(t *testing.T, network, addr string, size int) (*Node, *PacketConn) {
	t.Helper()
	c, err := net.ListenPacket(network, addr)
	if err != nil {
		t.Skipf("probed for %s on %s: %v", network, addr, err)
	}
	f := NewPacketConn(size)
	n := loopback(t, addr, func(cfg *Config) {
		cfg.ListenAddrs, cfg.PacketConns, cfg.OtherProtocol = nil, []net.PacketConn{c}, f
	})
	if got := n.Addrs(); len(got) != 1 || got[0].String() != c.LocalAddr().String() {
		t.Fatalf("listens on %v, socket is %v", got, c.LocalAddr())
	}
	return n, f
}

// A node and another protocol share a socket that the caller has opened: each gets its own
// datagrams, whatever their size.
func TestSharedSocket(t *testing.T) {
	for _, c := range []struct{ network, addr string }{{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}} {
		t.Run(c.network, func(t *testing.T) {
			n, f := shared(t, c.network, c.addr, 16)
			peer := loopback(t, c.addr, nil)
			if _, err := peer.Ping(within(t), contact(n)); err != nil {
				t.Fatalf("PING to the shared socket: %v", err)
			}
			other, err := net.ListenPacket(c.network, c.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			other.SetDeadline(time.Now().Add(patience))
			buf := make([]byte, 2*MaxOtherProtocol)
			for _, size := range []int{1, 20, 63, 100, 1280, 1281, 1452, MaxOtherProtocol} {
				sent := bytes.Repeat([]byte{byte(size)}, size)
				if _, err := other.WriteTo(sent, f.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				f.SetReadDeadline(time.Now().Add(patience))
				k, from, err := f.ReadFrom(buf)
				if err != nil || !bytes.Equal(buf[:k], sent) || from.String() != other.LocalAddr().String() {
					t.Fatalf("%d bytes: got %d from %v, %v", size, k, from, err)
				}
				if _, err := f.WriteTo(sent, from); err != nil {
					t.Fatal(err)
				}
				if k, from, err = other.ReadFrom(buf); err != nil || !bytes.Equal(buf[:k], sent) || from.String() != f.LocalAddr().String() {
					t.Fatalf("%d bytes back: got %d from %v, %v", size, k, from, err)
				}
			}
			if _, err := peer.Ping(within(t), contact(n)); err != nil {
				t.Errorf("PING afterwards: %v", err)
			}
		})
	}
}

// TestS09OtherProtocol: without a hook garbage is counted and dropped; with one it goes there,
// bounded, and takes nothing from other listeners or from the protocol.
func TestS09OtherProtocol(t *testing.T) {
	plain := loopback(t, "127.0.0.1:0", nil)
	n, f := shared(t, "udp4", "127.0.0.1:0", 4)
	events := n.Subscribe(4, EventSession)
	peer := loopback(t, "127.0.0.1:0", nil)
	if _, err := peer.Ping(within(t), contact(n)); err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	const count = 100
	for _, to := range []*Node{plain, n} {
		for range count {
			if _, err := other.WriteTo(make([]byte, 100), net.UDPAddrFromAddrPort(to.Addrs()[0])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := peer.Ping(within(t), contact(plain)); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Ping(within(t), contact(n)); err != nil {
		t.Fatal(err)
	}
	// The datagrams that were sent before the PINGs have been received before them.
	for _, x := range []*Node{plain, n} {
		eventually(t, "all datagrams are counted", func() bool { return counted(x, "protocol") >= count })
		if got := counted(x, "protocol"); got != count {
			t.Errorf("counted %d datagrams of another protocol, want %d", got, count)
		}
	}
	if f.Lost() != count-4 {
		t.Errorf("%d lost, want %d: 4 fit", f.Lost(), count-4)
	}
	if len(events.C) != 1 || events.Lost() != 0 {
		t.Errorf("%d events and %d lost, want one", len(events.C), events.Lost())
	}
}

// counted is a drop counter of a node, by its label.
func counted(n *Node, cause string) uint64 {
	c := n.Stats().Counters
	for i, v := range c {
		if info := counterInfo(i); info.Metric == "dropped_total" && info.Value == cause {
			return v
		}
	}
	return 0
}

func TestPacketConnEnds(t *testing.T) {
	n, f := shared(t, "udp4", "127.0.0.1:0", 2)
	buf := make([]byte, 10)
	f.SetReadDeadline(time.Now().Add(-time.Second))
	if _, _, err := f.ReadFrom(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past deadline: %v", err)
	}
	f.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, _, err := f.ReadFrom(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	f.SetReadDeadline(time.Time{})
	f.OtherProtocol(netip.MustParseAddrPort("127.0.0.1:1"), []byte("hello"))
	if k, _, err := f.ReadFrom(buf[:3]); k != 3 || err != nil {
		t.Errorf("short buffer: %d, %v", k, err)
	}
	if err := n.WriteTo(buf, netip.MustParseAddrPort("[::1]:1")); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("other family: %v", err)
	}
	if err := n.WriteTo(make([]byte, MaxOtherProtocol+1), n.Addrs()[0]); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := f.ReadFrom(buf)
		ended <- err
	}()
	n.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := f.WriteTo(buf, f.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("send when closed: %v", err)
	}
}

func TestSocketsRefused(t *testing.T) {
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, cfg := range map[string]Config{
		"nil":             {PacketConns: []net.PacketConn{nil}},
		"nil Conn":        {Conns: []fastpath.Conn{nil}},
		"of both":         {PacketConns: []net.PacketConn{c}},
		"endpoint and no": {NoEndpoint: true, Advertise: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1")}},
	} {
		if n, err := New(cfg); err == nil {
			n.Close()
			if name == "of both" && c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
				continue // a system without IPv6
			}
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestRefusedSocketsAreClosed: sockets that were given to New do not stay open when it fails,
// wherever it does.
func TestRefusedSocketsAreClosed(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"configuration": func(c *Config) {
			c.NoEndpoint, c.Advertise = true, []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1")}
		},
		"other socket": func(c *Config) { c.PacketConns = append(c.PacketConns, nil) },
		"listener":     func(c *Config) { c.ListenAddrs = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")} },
		"bootnode":     func(c *Config) { c.Bootnodes = []Contact{{}} },
	} {
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		wire := newWire().Conn(netip.MustParseAddrPort("10.0.0.2:9000"))
		cfg := Config{PacketConns: []net.PacketConn{socket}, Conns: []fastpath.Conn{wire}}
		change(&cfg)
		if n, err := New(cfg); err == nil {
			n.Close()
			t.Errorf("%s: accepted", name)
		}
		if err := socket.SetReadDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the socket is open", name)
			socket.Close()
		}
		select {
		case <-wire.Done():
		default:
			t.Errorf("%s: the Conn is open", name)
		}
	}
}

// A datagram of another protocol is answered from the address that was asked, on a socket of all
// addresses and among several sockets.
func TestOtherProtocolFromWhereItArrived(t *testing.T) {
	for name, listen := range map[string][]string{
		"all addresses": {"0.0.0.0:0"}, "two addresses": {"127.0.0.1:0", "127.0.0.2:0"},
	} {
		t.Run(name, func(t *testing.T) {
			var n *Node
			ready := make(chan struct{})
			n = loopback(t, listen[0], func(c *Config) {
				for _, l := range listen[1:] {
					c.ListenAddrs = append(c.ListenAddrs, netip.MustParseAddrPort(l))
				}
				c.OtherProtocol = OtherProtocolFunc(func(from netip.AddrPort, b []byte) {
					<-ready
					_ = n.WriteTo(b, from)
				})
			})
			close(ready)
			if !n.Sockets()[0].LocalAddrs && len(listen) == 1 {
				t.Skipf("probed for local addresses: %v", n.Sockets()[0])
			}
			for i, home := range []string{"127.0.0.2", "127.0.0.1", "127.0.0.2"} {
				port := n.Addrs()[0].Port()
				for _, a := range n.Addrs() {
					if a.Addr().String() == home {
						port = a.Port()
					}
				}
				// A connected socket takes answers from the address that it has asked only.
				c, err := net.Dial("udp4", netip.AddrPortFrom(netip.MustParseAddr(home), port).String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				b := make([]byte, 100)
				if _, err := c.Write([]byte("not discv5")); err != nil {
					t.Fatal(err)
				}
				if k, err := c.Read(b); err != nil || string(b[:k]) != "not discv5" {
					t.Errorf("%d: answer of %s: %q, %v", i, home, b[:k], err)
				}
			}
		})
	}
}
