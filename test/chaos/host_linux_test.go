package chaos

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/fastdisc/discv5/internal/netspace"
)

// device is the name of a host's interface, in its namespace.
const device = "tun0"

// host is a network namespace.
type host struct {
	*port
	space  *netspace.Space
	v4, v6 netip.Addr // its addresses; invalid if it has none of the family
}

// host makes a host with the given addresses, at most one of each family. It ends with the test.
func (f *fabric) host(t *testing.T, addrs ...string) *host {
	t.Helper()
	space, err := netspace.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(space.Close)
	h := &host{port: &port{f: f}, space: space}
	if err := space.Do(func() (err error) { h.tun, err = openTUN(device); return err }); err != nil {
		t.Fatal(err)
	}
	h.port.start(t)
	h.ip(t, "link set lo up", "link set "+device+" up mtu 1500")
	h.number(t, addrs...)
	return h
}

// line gives the host one more interface.
func (h *host) line(t *testing.T, name string) *port {
	t.Helper()
	p := &port{f: h.f}
	if err := h.space.Do(func() (err error) { p.tun, err = openTUN(name); return err }); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	h.ip(t, "link set "+name+" up mtu 1500")
	return p
}

// start carries what is sent through p until the test ends.
func (p *port) start(t *testing.T) {
	carried := make(chan struct{})
	go func() {
		defer close(carried)
		p.f.serve(p)
	}()
	t.Cleanup(func() {
		p.f.attach(p)
		p.tun.Close()
		<-carried
	})
}

// do calls f on the host: sockets that it opens and processes that it starts are there.
func (h *host) do(f func()) { _ = h.space.Do(func() error { f(); return nil }) }

// openTUN makes an interface of the namespace that the thread is in.
func openTUN(name string) (*os.File, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	var request struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], name)
	request.flags = syscall.IFF_TUN | syscall.IFF_NO_PI
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); e != 0 {
		syscall.Close(fd)
		return nil, fmt.Errorf("TUNSETIFF: %w", e)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// ip changes interfaces, addresses and routes: each line is what follows the command ip.
func (h *host) ip(t *testing.T, lines ...string) {
	t.Helper()
	if err := h.space.IP(lines...); err != nil {
		t.Fatal(err)
	}
}

// number replaces the addresses of the host. All that is not its own is behind the fabric.
func (h *host) number(t *testing.T, addrs ...string) {
	t.Helper()
	lines := []string{"address flush dev " + device + " scope global"}
	var list []netip.Addr
	h.v4, h.v6 = netip.Addr{}, netip.Addr{}
	for _, s := range addrs {
		a := netip.MustParseAddr(s)
		list = append(list, a)
		if a.Is4() {
			h.v4 = a
			lines = append(lines, fmt.Sprintf("address add %v/32 dev %s", a, device))
		} else {
			h.v6 = a
			lines = append(lines, fmt.Sprintf("address add %v/128 dev %s nodad", a, device))
		}
	}
	h.ip(t, append(lines, h.routes()...)...)
	h.f.attach(h.port, list...)
}

// routes are the lines that make the default routes.
func (h *host) routes() (lines []string) {
	if h.v4.IsValid() {
		lines = append(lines, fmt.Sprintf("route replace default dev %s src %v", device, h.v4))
	}
	if h.v6.IsValid() {
		lines = append(lines, fmt.Sprintf("route replace ::/0 dev %s", device))
	}
	return lines
}

// listen opens a UDP socket of each family that the host has an address of, for all its addresses.
func (h *host) listen(t *testing.T, udpPort int) (conns []net.PacketConn) {
	t.Helper()
	h.do(func() {
		for _, l := range []struct {
			network string
			ip      net.IP
			has     bool
		}{{"udp4", net.IPv4zero, h.v4.IsValid()}, {"udp6", net.IPv6unspecified, h.v6.IsValid()}} {
			if !l.has {
				continue
			}
			c, err := net.ListenUDP(l.network, &net.UDPAddr{IP: l.ip, Port: udpPort})
			if err != nil {
				t.Errorf("listen: %v", err)
				return
			}
			conns = append(conns, c)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// dial opens a TCP connection from the host to itself.
func (h *host) dial(addr string) (c net.Conn, err error) {
	h.do(func() { c, err = net.DialTimeout("tcp", addr, patience) })
	return c, err
}
