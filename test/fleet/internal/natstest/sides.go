package natstest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/proctest"
)

// hubVariable tells a test that it runs in the namespaces of InNamespaces.
const hubVariable = "DISCV5_FLEET_TEST_HUB"

// forwarding says whether the hub forwards packets between the sides.
const forwarding = "/proc/sys/net/ipv4/ip_forward"

// InNamespaces runs the test once more, in a process with network and process namespaces of its
// own, and returns false after that. There, it returns true, and the test is at the hub of Sides.
// Everything that the test has started there ends with it. program is what Main was given.
func InNamespaces(t *testing.T, program string, limit time.Duration) bool {
	t.Helper()
	if os.Getenv(hubVariable) != "" {
		return true
	}
	args := []string{"--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"}
	probe := append(args[:len(args):len(args)], "sh", "-c", "ip link add h9 type veth peer name p9 && echo 1 >"+forwarding)
	if out, err := exec.Command("unshare", probe...).CombinedOutput(); err != nil {
		t.Skipf("probed for namespaces and virtual interfaces, which take root: %v %s", err, out)
	}
	cmd := exec.Command("unshare", append(args, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", limit.String())...)
	cmd.Env = append(os.Environ(), hubVariable+"=1", programVariable+"="+program)
	timer := time.AfterFunc(limit+10*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in namespaces: %v\n%s", err, out)
		return false
	}
	t.Logf("in namespaces:\n%s", out)
	return false
}

// Sides returns hosts around the hub, which can reach all of them at any time.
func Sides(t testing.TB, number int) (list []Place) {
	t.Helper()
	ip(t, "link", "set", "lo", "up")
	for i := 1; i <= number; i++ {
		holder := proctest.Start(t, exec.Command("unshare", "--net", "sleep", "infinity"), proctest.Options{})
		pid := strconv.Itoa(holder.Cmd.Process.Pid)
		proctest.Eventually(t, "a network namespace", func() bool {
			own, err := os.Readlink("/proc/self/ns/net")
			its, err2 := os.Readlink("/proc/" + pid + "/ns/net")
			return err == nil && err2 == nil && own != its
		})
		enter := func(cmd *exec.Cmd) {
			args := cmd.Args
			cmd.Args = append([]string{"nsenter", "-t", pid, "-n", cmd.Path}, args[1:]...)
			path, err := exec.LookPath("nsenter")
			if err != nil {
				t.Skipf("probed for nsenter: %v", err)
			}
			cmd.Path = path
		}
		hub, host := fmt.Sprintf("10.77.%d.1", i), fmt.Sprintf("10.77.%d.2", i)
		name := fmt.Sprintf("hub%d", i)
		ip(t, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
		ip(t, "addr", "add", hub+"/24", "dev", name)
		ip(t, "link", "set", name, "up")
		p := Place{Addr: netip.MustParseAddr(host), Enter: enter}
		for _, line := range []string{"link set lo up", "addr add " + host + "/24 dev eth0", "link set eth0 up", "route add default via " + hub} {
			if out, err := p.Command(exec.Command("ip", strings.Fields(line)...)).CombinedOutput(); err != nil {
				t.Fatalf("ip %s: %v %s", line, err, out)
			}
		}
		list = append(list, p)
	}
	Partition(t, false)
	return list
}

// Partition separates the sides, or ends that. Packets between them are lost without a
// word.
func Partition(t testing.TB, cut bool) {
	t.Helper()
	value := "1"
	if cut {
		value = "0"
	}
	if err := os.WriteFile(forwarding, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v %s", args, err, out)
	}
}
