package interop

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// The bootnode runs in one network namespace, with --xdp on its end of a veth pair, and everybody
// else in another one, with the other end. TestXDP makes both, and starts the test program in the
// second one to run TestInsideXDP.

// xdpLabEnv has the name of the namespace of the bootnode.
const xdpLabEnv = "DISCV5_INTEROP_XDP_NAMESPACE"

const xdpInterface = "xdpnode"

// Addresses of the lab.
var (
	xdpNode4    = netip.MustParseAddr("10.87.0.2")
	xdpNode6    = netip.MustParseAddr("fd87::2")
	xdpClients4 = []netip.Addr{netip.MustParseAddr("10.87.0.10"), netip.MustParseAddr("10.87.0.11")}
	xdpClients6 = []netip.Addr{netip.MustParseAddr("fd87::10"), netip.MustParseAddr("fd87::11")}
)

// xdpLab is where the bootnode of TestInsideXDP runs.
type xdpLab struct{ namespace string }

// xdpLabOf returns the lab of the process, nil if it is not started by TestXDP.
func xdpLabOf(t *testing.T) *xdpLab {
	t.Helper()
	if ns := os.Getenv(xdpLabEnv); ns != "" {
		return &xdpLab{ns}
	}
	return nil
}

func (l *xdpLab) bootConfig(ip netip.Addr, key, dir string) bootConfig {
	node := xdpNode4
	if ip.Is6() {
		node = xdpNode6
	}
	port := uint16(20000 + rand.N(20000))
	return bootConfig{addr: netip.AddrPortFrom(node, port), key: key, datadir: dir, xdp: xdpInterface, namespace: l.namespace}
}

// TestXDP runs the conformance suite and the mixed network with a bootnode over AF_XDP.
func TestXDP(t *testing.T) {
	t.Parallel() // with tests that mostly wait
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("probed for root on Linux: AF_XDP and namespaces need it")
	}
	boot, err := bootnodeBinary()
	if err != nil {
		t.Fatal("bootnode binary:", err)
	}
	devp2p, err := devp2pBinary()
	if err != nil {
		t.Fatal("devp2p binary:", err)
	}
	node, client := fmt.Sprintf("xdpnode%d", os.Getpid()), fmt.Sprintf("xdpclient%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", node).CombinedOutput(); err != nil {
		t.Skipf("probed for network namespaces: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", node).Run() })
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	ip("netns", "add", client)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", client).Run() })
	ip("-n", node, "link", "add", xdpInterface, "type", "veth", "peer", "name", "xdppeer", "netns", client)
	for _, a := range []netip.Addr{xdpNode4, xdpNode6} {
		ip("-n", node, "addr", "add", prefixOf(a), "dev", xdpInterface, "nodad")
	}
	for _, a := range append(append([]netip.Addr{}, xdpClients4...), xdpClients6...) {
		ip("-n", client, "addr", "add", prefixOf(a), "dev", "xdppeer", "nodad")
	}
	ip("-n", node, "link", "set", "lo", "up")
	ip("-n", client, "link", "set", "lo", "up")
	ip("-n", node, "link", "set", xdpInterface, "up")
	ip("-n", client, "link", "set", "xdppeer", "up")

	cmd := exec.Command("ip", "netns", "exec", client, os.Args[0], "-test.run", "^TestInsideXDP$", "-test.v", "-test.timeout", "15m")
	cmd.Env = append(os.Environ(), xdpLabEnv+"="+node, "DISCV5_BOOTNODE="+boot, "DISCV5_DEVP2P="+devp2p)
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "--- PASS: TestInsideXDP ") {
		t.Errorf("%v:\n%s", err, text)
	} else {
		t.Logf("%s", text)
	}
}

// prefixOf returns an address with the length of its network.
func prefixOf(a netip.Addr) string {
	if a.Is4() {
		return a.String() + "/24"
	}
	return a.String() + "/64"
}

// TestInsideXDP is a part of TestXDP.
func TestInsideXDP(t *testing.T) {
	lab := xdpLabOf(t)
	if lab == nil {
		t.Skip("a part of TestXDP, which starts it in a namespace")
	}
	for _, family := range []struct {
		name    string
		clients []netip.Addr
	}{{"IPv4", xdpClients4}, {"IPv6", xdpClients6}} {
		t.Run("Conformance"+family.name, func(t *testing.T) {
			boot := startBootnode(t, newBootConfig(t, family.clients[0]))
			useXDP(t, boot, family.clients[0])
			runSuite(t, boot, family.clients[0], family.clients[1], suiteTests)
		})
		t.Run("Mixed"+family.name, func(t *testing.T) { mixed(t, family.clients[0], nil) })
	}
}

// useXDP sends requests until the bootnode answers through AF_XDP. Before that the suite would not
// test it.
func useXDP(t *testing.T, boot *bootnode, ip netip.Addr) {
	t.Helper()
	peer := startOwn(t, ip)
	defer peer.Close()
	record := mustParse(t, boot.node.String())
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err := peer.Ping(t.Context(), discv5.ContactOf(record)); err != nil {
			t.Logf("PING: %v", err)
		}
		log := boot.stderr.String()
		switch {
		case strings.Contains(log, "answers leave through AF_XDP"):
			return
		case strings.Contains(log, "AF_XDP is off"):
			t.Skipf("probed for AF_XDP:\n%s", log)
		case time.Now().After(end):
			t.Fatalf("the bootnode does not answer through AF_XDP:\n%s", log)
		}
	}
}
