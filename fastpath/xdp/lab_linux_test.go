package xdp

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netspace"
)

// The tests that need an interface run in network namespaces of their own: the process starts
// itself once more in a new one, which has the node's end of a veth pair, and each lab makes a
// second one for the other end. They send to no interface that a test has not made.

const inNamespace = "DISCV5_XDP_TEST_NAMESPACE"

// patience ends a test that would hang; no test depends on its length.
const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) != "" || os.Geteuid() != 0 || fuzzing() {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the thread that Pdeathsig is about
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "no network namespace:", err)
		os.Exit(m.Run()) // the tests that need one skip
	}
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// fuzzing reports whether the process is started by go test -fuzz, whose pipes it must keep.
func fuzzing() bool {
	for _, a := range os.Args {
		if strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker") {
			return true
		}
	}
	return false
}

// Addresses of the two ends.
var (
	node4   = netip.MustParseAddr("10.88.0.2")
	node6   = netip.MustParseAddr("fd88::2")
	client4 = netip.MustParseAddr("10.88.0.1")
	client6 = netip.MustParseAddr("fd88::1")
)

// Names of the two ends. Each lab has a new name for the node's end: the kernel removes an
// interface only after it has released the sockets, which takes seconds on a busy machine.
var (
	labs      int
	nodeEnd   string
	clientEnd = "xdpclient"
)

// lab is a veth pair. The node's end is in the namespace of the process.
type lab struct {
	t      testing.TB
	client *netspace.Space
}

// newLab makes a veth pair with the given number of queues. It skips the test without the rights.
func newLab(t testing.TB, queues int) *lab {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("probed for root: no network namespace of its own")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("probed for iproute2: there is no ip command")
	}
	client, err := netspace.New()
	if err != nil {
		t.Skipf("probed for a network namespace: %v", err)
	}
	l := &lab{t: t, client: client}
	labs++
	nodeEnd = fmt.Sprintf("xdpnode%d", labs)
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", nodeEnd).Start() // not waited for: see nodeEnd
		l.client.Close()
	})
	l.makePair(queues)
	return l
}

func (l *lab) makePair(queues int) {
	l.t.Helper()
	q := fmt.Sprint(queues)
	l.ip("link", "set", "lo", "up")
	l.ip("link", "add", nodeEnd, "numrxqueues", q, "numtxqueues", q, "type", "veth",
		"peer", "name", clientEnd, "numrxqueues", q, "numtxqueues", q)
	l.ip("link", "set", clientEnd, "netns", fmt.Sprint(l.client.TID()))
	l.ip("addr", "add", node4.String()+"/24", "dev", nodeEnd)
	l.ip("addr", "add", node6.String()+"/64", "dev", nodeEnd, "nodad")
	l.ip("link", "set", nodeEnd, "up")
	l.clientIP("addr", "add", client4.String()+"/24", "dev", clientEnd)
	l.clientIP("addr", "add", client6.String()+"/64", "dev", clientEnd, "nodad")
	l.clientIP("link", "set", clientEnd, "up")
}

// ip runs the ip command in the namespace of the node.
func (l *lab) ip(args ...string) {
	l.t.Helper()
	if err := runIP(args...); err != nil {
		l.t.Fatal(err)
	}
}

func runIP(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// try is ip for a command that may fail.
func (l *lab) try(args ...string) { _ = exec.Command("ip", args...).Run() }

// clientIP runs the ip command in the namespace of the client.
func (l *lab) clientIP(args ...string) {
	l.t.Helper()
	if err := l.client.IP(strings.Join(args, " ")); err != nil {
		l.t.Fatal(err)
	}
}

// inClient runs f in the namespace of the client. Sockets that it opens stay there.
func (l *lab) inClient(f func()) {
	l.t.Helper()
	_ = l.client.Do(func() error { f(); return nil })
}

// groupsOf opens sockets of the node at the given addresses.
func (l *lab) groupsOf(cfg fastpath.Config, addrs ...netip.AddrPort) []*fastpath.Group {
	l.t.Helper()
	var groups []*fastpath.Group
	for _, a := range addrs {
		cfg.Addr = a
		g, err := fastpath.Listen(cfg)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { g.Close() })
		groups = append(groups, g)
	}
	return groups
}

// device opens the node's end.
func (l *lab) device(best Mode, groups ...*fastpath.Group) *device {
	l.t.Helper()
	d, err := newDevice(Interface{nodeEnd, best}, Options{Frames: 256}, groups)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(d.close)
	if a := d.acceleration(); a.Mode == "" {
		if strings.Contains(a.Reason, "CAP_BPF") {
			l.t.Skipf("probed for the right to use AF_XDP: %v", a)
		}
		l.t.Fatal(a)
	}
	return d
}

// socket opens a UDP socket of the client. It sends no GSO batches: in generic mode the program
// sees them whole, and passes them to the kernel.
func (l *lab) socket(addr netip.Addr, port uint16) fastpath.Conn {
	l.t.Helper()
	var g *fastpath.Group
	var err error
	l.inClient(func() {
		g, err = fastpath.Listen(fastpath.Config{Addr: netip.AddrPortFrom(addr, port), DisableGSO: true})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { g.Close() })
	c := g.Conns()[0]
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	return c
}

// await waits until ok returns true.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// awaitState waits until the state of a device is as wanted, and returns it.
func awaitState(t testing.TB, d *device, what string, ok func(fastpath.Acceleration) bool) fastpath.Acceleration {
	t.Helper()
	var a fastpath.Acceleration
	await(t, what, func() bool {
		a = d.acceleration()
		return ok(a)
	})
	return a
}
