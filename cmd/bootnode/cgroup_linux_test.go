package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	generator "github.com/fastdisc/discv5/internal/load"
)

// memoryGroup creates a control group with a limit, below that of this process, and returns its
// directory.
func memoryGroup(t *testing.T, limit int64) string {
	t.Helper()
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("probed for control groups: %v", err)
	}
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		parent, file := filepath.Join(cgroupRoot, f[2]), "memory.max"
		if f[1] == "memory" {
			parent, file = filepath.Join(cgroupRoot, "memory", f[2]), "memory.limit_in_bytes"
		} else if f[1] != "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(parent, file)); err != nil {
			continue
		}
		dir := filepath.Join(parent, fmt.Sprintf("bootnode-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() {
			for range 50 { // the kernel needs a moment after the last process has ended
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0o644); err == nil {
			return dir
		}
	}
	t.Skip("probed for a control group with the controller memory in which this process may make another one: there is none")
	return ""
}

// A bootnode with default settings stays within the limit of its control group, however many peers
// make handshakes, and logs the sizes that it chose.
func TestMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it makes tens of thousands of handshakes; make test runs it")
	}
	if raceEnabled {
		t.Skip("probed for the race detector: it takes several times the memory")
	}
	const limit, handshakes = 64 << 20, 60000 // more than there is room for
	group := memoryGroup(t, limit)
	dir := t.TempDir()
	cmd := exec.Command("sh", append([]string{"-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, group},
		os.Args[0], "--addr", "127.0.0.1:0", "--datadir", dir, "--http", anyPort, "--metrics", anyPort)...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	p := launch(t, cmd)
	if !strings.Contains(p.Log.String(), `msg="memory limit" limit=67108864`) {
		t.Error("the log does not say what was fitted into the limit")
	}
	target, err := generator.RecordTarget(p.record, false)
	if err != nil {
		t.Fatal(err)
	}
	g, err := generator.New(generator.Config{Target: target, Mix: generator.Only(generator.Handshake), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Prepare(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	result, err := g.Run(t.Context(), generator.Plan{For: 4 * time.Minute, Requests: handshakes, PID: cmd.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	if result.TargetGone || result.Total.Answered < handshakes*9/10 {
		t.Fatalf("gone %v after %d of %d handshakes", result.TargetGone, result.Total.Answered, handshakes)
	}
	sessions := p.metric(t, "discv5_sessions")
	if sessions < leastSessions || sessions > handshakes/2 {
		t.Errorf("%v sessions", sessions)
	}
	t.Logf("%v sessions after %d handshakes, resident %.1f MiB", sessions, result.Total.Answered, p.metric(t, "process_resident_memory_bytes")/mebibyte)
	p.stop(t)
}
