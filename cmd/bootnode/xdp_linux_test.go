package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// xdpLab has a bootnode's end of a veth pair in one network namespace, and the end of its peers in
// another one.
type xdpLab struct {
	node, peer string
	self       string // the program of the bootnode; empty: the test program
}

var (
	xdpNodeAddr = netip.MustParseAddr("10.86.0.2")
	xdpPeerAddr = netip.MustParseAddr("10.86.0.1")
)

const xdpInterface = "node0"

func newXDPLab(t *testing.T) xdpLab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("probed for root: AF_XDP and namespaces need it")
	}
	l := xdpLab{node: fmt.Sprintf("bootnode%d", os.Getpid()), peer: fmt.Sprintf("peer%d", os.Getpid())}
	for _, ns := range []string{l.node, l.peer} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("probed for network namespaces: %v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	}
	l.ip(t, "-n", l.node, "link", "add", xdpInterface, "type", "veth", "peer", "name", "peer0", "netns", l.peer)
	for _, end := range []struct{ ns, name, addr string }{{l.node, xdpInterface, xdpNodeAddr.String()}, {l.peer, "peer0", xdpPeerAddr.String()}} {
		l.ip(t, "-n", end.ns, "addr", "add", end.addr+"/24", "dev", end.name)
		l.ip(t, "-n", end.ns, "link", "set", end.name, "up")
		l.ip(t, "-n", end.ns, "link", "set", "lo", "up")
	}
	return l
}

func (l xdpLab) ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start runs a bootnode behind a command that is given the bootnode's own one.
func (l xdpLab) start(t *testing.T, dir string, wrap ...string) *process {
	t.Helper()
	return l.startWith(t, dir, nil, wrap...)
}

// startWith is start with further flags.
func (l xdpLab) startWith(t *testing.T, dir string, flags []string, wrap ...string) *process {
	t.Helper()
	flags = append([]string{"--addr", "0.0.0.0:9000", "--datadir", dir, "--xdp", xdpInterface, "--log-level", "debug"}, flags...)
	self := command(flags...)
	if l.self != "" {
		self.Args[0] = l.self
	}
	args := append(append([]string{"netns", "exec", l.node}, wrap...), self.Args...)
	cmd := exec.Command("ip", args...)
	cmd.Env = self.Env
	p := &process{Process: proctest.Start(t, cmd, proctest.Options{})}
	p.record = p.Record(t)
	return p
}

// pingEnv makes the test binary a node that pings the one with the given record, as long as its
// standard input is open. It prints a line for each answer.
const pingEnv = "BOOTNODE_TEST_PING"

func init() {
	if record := os.Getenv(pingEnv); record != "" {
		if err := pingAgain(record); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func pingAgain(record string) error {
	r, err := enr.ParseText(record)
	if err != nil {
		return err
	}
	n, err := discv5.New(discv5.Config{ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(xdpPeerAddr, 0)}})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Start(context.Background()); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := n.Ping(context.Background(), discv5.ContactOf(r)); err == nil {
			fmt.Println("pong")
		}
	}
}

// ping has a peer ping the bootnode until the log says that answers leave through AF_XDP, and then
// some more.
func (l xdpLab) ping(t *testing.T, p *process) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", l.peer, self)
	cmd.Env = append(os.Environ(), pingEnv+"="+p.record.String())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	peer := proctest.Start(t, cmd, proctest.Options{})
	eventually(t, "answers through AF_XDP", func() bool {
		if strings.Contains(p.Log.String(), "AF_XDP is off") {
			t.Fatalf("the bootnode does not use AF_XDP:\n%s", p.Log.String())
		}
		return strings.Contains(p.Log.String(), "answers leave through AF_XDP")
	})
	pongs := func() int { return strings.Count(peer.Out.String(), "pong") }
	before := pongs()
	eventually(t, "answers", func() bool { return pongs() >= before+20 })
	stdin.Close() // which ends the peer
	if code := peer.Wait(t); code != 0 {
		t.Errorf("the peer ended with %d: %s", code, peer.Log.String())
	}
}

// hasProgram reports whether there is an XDP program on the interface of the bootnode.
func (l xdpLab) hasProgram(t *testing.T) bool {
	t.Helper()
	return strings.Contains(l.ip(t, "-n", l.node, "link", "show", xdpInterface), "xdp")
}

// TestXDPKillNine: after kill -9 nothing of the bootnode is left on the interface, and the next
// start takes it.
func TestXDPKillNine(t *testing.T) {
	l, dir := newXDPLab(t), t.TempDir()
	for range 2 {
		p := l.start(t, dir)
		l.ping(t, p)
		if !l.hasProgram(t) {
			t.Errorf("no program:\n%s", p.Log.String())
		}
		eventually(t, "a line that says what is bypassed", func() bool { return strings.Contains(p.Log.String(), "bypassed=") })
		p.End(t, syscall.SIGKILL)
		eventually(t, "an interface without program", func() bool { return !l.hasProgram(t) })
	}
	p := l.start(t, dir)
	l.ping(t, p)
	p.stop(t)
	if l.hasProgram(t) {
		t.Error("the program is there after a normal end")
	}
}

// TestXDPFilter: the source filter runs in the one program of the interface, in front of the
// steering program.
func TestXDPFilter(t *testing.T) {
	l := newXDPLab(t)
	p := l.startWith(t, t.TempDir(), []string{"--filter", "xdp"})
	l.ping(t, p)
	eventually(t, "the filter in the program", func() bool { return strings.Contains(p.Log.String(), "(steered)") })
	p.stop(t)
	if l.hasProgram(t) {
		t.Error("a program is left")
	}
}

// TestXDPRights: the capabilities of deploy/bootnode-xdp.conf are enough, and with fewer the
// sockets serve the node, and the log says why.
func TestXDPRights(t *testing.T) {
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skipf("probed for setpriv: %v", err)
	}
	unit := readText(t, "deploy", "bootnode-xdp.conf")
	_, rest, _ := strings.Cut(unit, "\nAmbientCapabilities=")
	line, _, _ := strings.Cut(rest, "\n")
	caps := strings.Fields(strings.ToLower(strings.ReplaceAll(line, "CAP_", "")))
	if len(caps) != 3 {
		t.Fatalf("capabilities %q in the unit", caps)
	}
	l := newXDPLab(t)
	with := func(caps []string) []string {
		set := "-all"
		for _, c := range caps {
			set += ",+" + c
		}
		return []string{"setpriv", "--inh-caps", set, "--ambient-caps", set, "--bounding-set", set, "--reuid", "65534", "--clear-groups", "--no-new-privs"}
	}
	public := func() string { // a directory that the other user can reach
		d, err := os.MkdirTemp("", "bootnode")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(d) })
		if err := errors.Join(os.Chmod(d, 0o755), os.Chown(d, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	self := filepath.Join(public(), "bootnode")
	if out, err := exec.Command("cp", os.Args[0], self).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("setpriv", "--reuid", "65534", "--clear-groups", "test", "-x", self).CombinedOutput(); err != nil {
		t.Skipf("probed for another user's access to the test program: %v %s", err, out)
	}
	l.self = self
	t.Run("all", func(t *testing.T) {
		p := l.start(t, public(), with(caps)...)
		l.ping(t, p)
		p.stop(t)
	})
	for i := range caps {
		t.Run("without "+caps[i], func(t *testing.T) {
			fewer := append(append([]string{}, caps[:i]...), caps[i+1:]...)
			p := l.start(t, public(), with(fewer)...)
			eventually(t, "a line that says why", func() bool {
				return strings.Contains(p.Log.String(), "AF_XDP is off") && strings.Contains(p.Log.String(), "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF")
			})
			p.stop(t)
		})
	}
}
