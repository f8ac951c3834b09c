package filter

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath/filter"
	"github.com/fastdisc/discv5/internal/netspace"
	"github.com/fastdisc/discv5/limits"
)

// The main goroutine keeps the main thread, so that no host lives in it: it could not be ended.
func init() { runtime.LockOSThread() }

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// host is a network namespace.
type host struct{ *netspace.Space }

// newHost makes a host, which ends with the test.
func newHost(t *testing.T) *host {
	t.Helper()
	s, err := netspace.New()
	if err != nil {
		t.Skipf("probed for a network namespace: %v", err)
	}
	t.Cleanup(s.Close)
	return &host{s}
}

// do calls f on the host: sockets that it opens and processes that it starts are there.
func (h *host) do(f func()) { _ = h.Do(func() error { f(); return nil }) }

// ip changes interfaces, addresses and routes; each line is what follows the command ip.
func (h *host) ip(t *testing.T, lines ...string) {
	t.Helper()
	if err := h.IP(lines...); err != nil {
		t.Fatal(err)
	}
}

// lab is a host with a node and a host with everybody else. Addresses of the latter are all those
// of 10.64.0.0/10 and fd64::/16.
type lab struct{ node, net *host }

const (
	node4 = "10.1.0.1"
	node6 = "fd01::1"
)

// newLab makes the two hosts, and an interface between them: vn on the node's side, vp on the
// other.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("probed for root: this is another user")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("probed for the command ip: it is not installed")
	}
	l := &lab{newHost(t), newHost(t)}
	l.node.ip(t, "link set lo up")
	l.net.ip(t, "link set lo up",
		"route add local 10.64.0.0/10 dev lo", "route add local fd64::/16 dev lo")
	for _, h := range []*host{l.node, l.net} {
		h.set(t, "ip_nonlocal_bind", "1")
		h.set(t, "conf/default/dad_transmits", "0") // addresses can be used without a wait
		h.set(t, "conf/default/accept_dad", "0")
	}
	l.wire(t, "vn", "vp", node4, node6, 1)
	l.node.ip(t, "route add default via 10.1.0.254", "route add ::/0 via fd01::fe")
	return l
}

// wire makes an interface a on the node's host and its other end b.
func (l *lab) wire(t *testing.T, a, b, v4, v6 string, net int) {
	t.Helper()
	if err := l.node.IP(fmt.Sprintf("link add %s type veth peer name %s netns %d", a, b, l.net.TID())); err != nil {
		t.Skipf("probed for a pair of virtual interfaces: %v", err)
	}
	l.node.ip(t, fmt.Sprintf("addr add %s/24 dev %s", v4, a), fmt.Sprintf("addr add %s/64 dev %s nodad", v6, a), "link set "+a+" up")
	l.net.ip(t, fmt.Sprintf("addr add 10.%d.0.254/24 dev %s", net, b), fmt.Sprintf("addr add fd%02d::fe/64 dev %s nodad", net, b), "link set "+b+" up")
}

// set changes a setting of IPv6.
func (h *host) set(t *testing.T, name, value string) {
	t.Helper()
	h.do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/"+name, []byte(value), 0o600); err != nil {
			t.Error(err)
		}
	})
}

// start starts a node with a filter on the node's host.
func (l *lab) start(t *testing.T, cfg filter.Config, listen ...string) (*discv5.Node, *filter.Filter) {
	t.Helper()
	f, err := filter.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := startOn(t, l.node, discv5.Config{SourceFilter: f, ListenAddrs: addrs(listen), Unlimited: true})
	return n, f
}

func addrs(list []string) (a []netip.AddrPort) {
	for _, s := range list {
		a = append(a, netip.MustParseAddrPort(s))
	}
	return a
}

func startOn(t *testing.T, h *host, cfg discv5.Config) (n *discv5.Node) {
	t.Helper()
	var err error
	h.do(func() { n, err = discv5.New(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// peer starts a node at one of the addresses of the net.
func (l *lab) peer(t *testing.T, addr string) *discv5.Node {
	t.Helper()
	return startOn(t, l.net, discv5.Config{ListenAddrs: addrs([]string{addr}), Unlimited: true, RequestTimeout: 5 * time.Second})
}

// ping sends a request from one node to another and fails the test if no answer comes. Junk may
// fill the queue of a virtual interface on a busy machine, so that a request is lost before any
// filter: it gets another chance.
func ping(t *testing.T, from, to *discv5.Node, what string) {
	t.Helper()
	var err error
	for range 3 {
		if err = tryPing(from, to); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func tryPing(from, to *discv5.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := from.Ping(ctx, discv5.ContactOf(to.LocalRecord()))
	return err
}

// junk sends a datagram from each of n sources to an address until stop is called. Sources are
// addresses of 10.80.0.0/16 or fd64:80::/32, each with a port.
func (l *lab) junk(t *testing.T, to string, n int) (stop func()) {
	t.Helper()
	dest := netip.MustParseAddrPort(to)
	var socks []*net.UDPConn
	l.net.do(func() {
		for i := range n {
			a := netip.AddrFrom4([4]byte{10, 80, byte(i), 9})
			if dest.Addr().Is6() {
				a = netip.AddrFrom16([16]byte{0xfd, 0x64, 0, 0x80, 0, 0, 0, byte(i), 15: 9})
			}
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
			if err != nil {
				t.Errorf("junk: %v", err)
				return
			}
			socks = append(socks, c)
		}
	})
	ended, quit := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 100)
		for i := 0; len(socks) > 0; i++ {
			select {
			case <-quit:
				return
			default:
			}
			_, _ = socks[i%len(socks)].WriteToUDPAddrPort(b, dest) // a full queue is fine
			if i%16 == 15 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(quit)
		<-ended
		for _, c := range socks {
			c.Close()
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func rate(perSecond, burst int) limits.Rate {
	return limits.Rate{PerSecond: perSecond, Burst: burst}
}

// needFilter skips the test where the kernel has no filter of this mode.
func needFilter(t *testing.T, f *filter.Filter, want filter.Mode) {
	t.Helper()
	i := f.Info()
	if i.Mode == filter.None.String() || i.Mode == filter.Socket.String() && want != filter.Socket {
		t.Skipf("probed for the filter %v: %v", want, i)
	}
}
