package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/proctest"
)

// systemdScript makes a system manager of its own: in new namespaces, with private /run and
// /var/lib, and with no units but those in $0, so that nothing of the host is started.
const systemdScript = `
set -e
mount --make-rprivate /
mount --bind "$0" /mnt
for d in /run /tmp /var/lib; do mount -t tmpfs tmpfs $d; done
mount -t proc proc /proc
mkdir -p /run/systemd/system /run/test
cp /mnt/*.service /mnt/*.target /run/systemd/system/
if test -d /mnt/bootnode.service.d; then cp -r /mnt/bootnode.service.d /run/systemd/system/; fi
cp /mnt/bootnode /mnt/bootnode.toml /run/test/
chmod 755 /run/test
exec env -i container=test SYSTEMD_UNIT_PATH=/run/systemd/system PATH="$PATH" ` + systemdBinary + ` --system --unit=test.target --show-status=0
`

const systemdBinary = "/lib/systemd/systemd"

// systemd is a system manager in namespaces of its own.
type systemd struct {
	t   *testing.T
	pid string // of the manager, seen from outside
}

// startSystemd starts a manager that has deploy/bootnode.service, with paths that it can have here,
// and drop-ins of deploy.
func startSystemd(t *testing.T, dropIns ...string) *systemd {
	t.Helper()
	if _, err := os.Stat(systemdBinary); err != nil {
		t.Skipf("probed for systemd: %v", err)
	}
	if out, err := exec.Command("unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--net", "--cgroup", "true").CombinedOutput(); err != nil {
		t.Skipf("probed for namespaces, which take root: %v %s", err, out)
	}
	dir := t.TempDir()
	unit := strings.NewReplacer(
		"/usr/local/bin/bootnode", "/run/test/bootnode", "/etc/discv5", "/run/test",
		"Wants=network-online.target\nAfter=network-online.target\n", "DefaultDependencies=no\n",
		"[Service]\n", "[Service]\nEnvironment="+childEnv+"=1\nStandardOutput=append:/run/test/log\nStandardError=append:/run/test/log\n",
	).Replace(readText(t, "deploy", "bootnode.service"))
	for name, text := range map[string]string{
		"bootnode.service": unit,
		"test.target":      "[Unit]\nDefaultDependencies=no\n",
		"bootnode.toml":    "addr = [\"127.0.0.1:9000\"]\nlog-level = \"info\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range dropIns {
		text := readText(t, "deploy", "bootnode-"+name+".conf")
		path := filepath.Join(dir, "bootnode.service.d", name+".conf")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, os.Args[0], filepath.Join(dir, "bootnode"))
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--uts", "--ipc", "--net", "--cgroup",
		"sh", "-c", systemdScript, dir)
	log := new(proctest.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &systemd{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd: %s\nlog: %s", log, s.read("/run/test/log"))
		}
		cmd.Process.Kill() // and with it, by --kill-child, the manager and all that it started
		cmd.Wait()
	})
	eventually(t, "manager", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		s.pid = strings.TrimSpace(string(children))
		return err == nil && s.pid != "" && s.try("is-active", "test.target") == nil
	})
	return s
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// inside returns a command that runs beside the manager, and ends in bounded time.
func (s *systemd) inside(args ...string) *exec.Cmd {
	return exec.Command("timeout", append([]string{"-s", "KILL", "60", "nsenter", "-t", s.pid, "-p", "-m", "-n"}, args...)...)
}

func (s *systemd) try(args ...string) error {
	out, err := s.inside(append([]string{"systemctl"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %v: %w: %s", args, err, out)
	}
	return nil
}

// must runs systemctl.
func (s *systemd) must(args ...string) {
	s.t.Helper()
	if err := s.try(args...); err != nil {
		s.t.Fatal(err)
	}
}

// show returns a property of the bootnode's unit.
func (s *systemd) show(property string) string {
	s.t.Helper()
	out, err := s.inside("systemctl", "show", "-P", property, "bootnode.service").CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *systemd) read(path string) string {
	text, _ := os.ReadFile(filepath.Join("/proc", s.pid, "root", path))
	return string(text)
}

func (s *systemd) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join("/proc", s.pid, "root", path), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// TestSystemd runs the unit file under a real systemd.
func TestSystemd(t *testing.T) {
	t.Parallel()
	const config, good, bad = "/run/test/bootnode.toml", "addr = [\"127.0.0.1:9000\"]\n", "addr = [\"127.0.0.1:9000\"]\nsockets = \"many\"\n"
	s := startSystemd(t)
	expect := func(when string, want map[string]string) {
		t.Helper()
		for property, value := range want {
			if got := s.show(property); got != value {
				t.Errorf("%s: %s is %q, want %q", when, property, got, value)
			}
		}
	}
	s.must("start", "bootnode")
	expect("started", map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	if log := s.read("/run/test/log"); !strings.Contains(log, "settings are good") || !strings.Contains(log, "enr:") {
		t.Error("systemctl start returned before the check or before the node was ready")
	}
	eventually(t, "status for systemctl", func() bool { return strings.Contains(s.show("StatusText"), "0 nodes") })

	// The next notification of the watchdog replaces the status of a reload, so reload until the
	// status is seen.
	s.write(config, good+"log-level = \"debug\"\n")
	eventually(t, "reload in the status", func() bool {
		s.must("reload", "bootnode")
		return s.show("StatusText") == "settings were reloaded"
	})
	expect("reloaded", map[string]string{"ActiveState": "active", "NRestarts": "0"})

	s.write(config, bad)
	eventually(t, "failed reload in the status", func() bool {
		s.must("reload", "bootnode") // systemd has no word for a reload that failed; the status has
		return strings.Contains(s.show("StatusText"), "bootnode.toml:2: sockets: want a number")
	})
	expect("reload of a mistake", map[string]string{"ActiveState": "active", "NRestarts": "0"})

	// systemd restarts it after a crash, with the present settings.
	s.write(config, good)
	s.must("kill", "-s", "KILL", "bootnode")
	eventually(t, "restart after a crash", func() bool { return s.show("NRestarts") == "1" && s.show("ActiveState") == "active" })

	s.must("stop", "bootnode")
	expect("stopped", map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})

	// After a mistake in the settings it does not.
	s.write(config, bad)
	if s.try("start", "bootnode") == nil {
		t.Error("systemctl start of a mistake succeeds")
	}
	expect("mistake", map[string]string{"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0", "Result": "exit-code"})
	s.write(config, good)
	s.must("start", "bootnode")

	// A bootnode that stands by, as its fleet is away, is ready and can be reloaded.
	s.must("stop", "bootnode")
	standby := good + "fleet = [\"nats://127.0.0.1:9\"]\nfleet-identity = \"main\"\n"
	s.write(config, standby)
	s.must("start", "bootnode")
	expect("standing by", map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	eventually(t, "standing by in the status", func() bool { return strings.Contains(s.show("StatusText"), "standing by for the identity main") })
	s.write(config, standby+"log-level = \"debug\"\n")
	s.must("reload", "bootnode")
	expect("standby reloaded", map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	s.must("stop", "bootnode")
	expect("standby stopped", map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
}

// TestSystemdDropIns: the drop-ins of --xdp and --filter grant the rights that these need, under a
// real systemd, to a user without privileges. Without them the bootnode runs, and the log says why
// it has neither.
func TestSystemdDropIns(t *testing.T) {
	const xdp, filter = "xdp = [\"node0\"]\n", "filter = \"xdp\"\n"
	for _, tt := range []struct {
		name     string
		dropIns  []string
		settings string
		logs     [][]string // parts of a line each
	}{
		{"xdp", []string{"xdp"}, xdp, [][]string{{"AF_XDP receives for the node", "served="}}},
		{"filter", []string{"filter"}, filter, [][]string{{"source filter", "mode=xdp"}}},
		{"both", []string{"xdp", "filter"}, xdp + filter, [][]string{{"AF_XDP receives for the node", "served="}, {"source filter", "mode=xdp"}}},
		{"neither", nil, xdp + filter, [][]string{{"AF_XDP is off", "CAP_NET_ADMIN"}, {"source filter: not the first choice"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// One at a time: managers share the names of control groups.
			s := startSystemd(t, tt.dropIns...)
			for _, args := range []string{
				"link add node0 type veth peer name peer0", "addr add 10.86.0.2/24 dev node0", "link set node0 up", "link set peer0 up", "link set lo up",
			} {
				if out, err := s.inside(append([]string{"ip"}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
					t.Skipf("probed for an interface: ip %s: %v: %s", args, err, out)
				}
			}
			s.write("/run/test/bootnode.toml", "addr = [\"10.86.0.2:9000\"]\n"+tt.settings)
			s.must("start", "bootnode")
			line := func(parts ...string) string {
				for line := range strings.Lines(s.read("/run/test/log")) {
					if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
						return line
					}
				}
				return ""
			}
			for _, why := range []string{line("AF_XDP is off", "not supported"), line("source filter", "mode=socket", "not supported")} {
				if why != "" {
					t.Skipf("probed for the programs that this kernel allows: %s", why)
				}
			}
			for _, parts := range tt.logs {
				eventually(t, strings.Join(parts, ", "), func() bool { return line(parts...) != "" })
			}
			for property, want := range map[string]string{"ActiveState": "active", "NRestarts": "0", "DynamicUser": "yes"} {
				if got := s.show(property); got != want {
					t.Errorf("%s is %q, want %q", property, got, want)
				}
			}
			s.must("stop", "bootnode")
			if got := s.show("ExecMainStatus"); got != "0" {
				t.Errorf("the bootnode ended with %s", got)
			}
			if out, err := s.inside("ip", "link", "show", "node0").CombinedOutput(); err != nil || strings.Contains(string(out), "xdp") {
				t.Errorf("a program is left: %v %s", err, out)
			}
		})
	}
}
