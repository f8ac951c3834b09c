package soak

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// bootnode is a process of cmd/bootnode.
type bootnode struct {
	*proctest.Process
	record *enr.Record
	base   string // URL of its server of metrics
	web    http.Client
}

// launch builds a bootnode, without the race detector that the tests may run with, and starts it on
// loopback.
func launch(t *testing.T, args ...string) *bootnode {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootnode")
	if err := proctest.Build(path, "../../cmd/bootnode"); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--addr", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--datadir", t.TempDir()}, args...)
	cmd := exec.Command(path, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DISCV5_") { // these would be settings
			cmd.Env = append(cmd.Env, v)
		}
	}
	b := &bootnode{Process: start(t, cmd, nil)}
	b.record = b.Record(t)
	b.web.Timeout = patience
	t.Cleanup(b.web.CloseIdleConnections)
	serving := regexp.MustCompile(`msg="serving metrics" addr=(\S+)`)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if m := serving.FindStringSubmatch(b.Log.String()); m != nil {
			b.base = "http://" + m[1]
			return b
		}
		if time.Now().After(end) {
			t.Fatal("the bootnode does not serve metrics")
		}
	}
}

// start runs a program, which ends with the test. rest reads its standard output after the first
// line.
func start(t *testing.T, cmd *exec.Cmd, rest func(*bufio.Reader)) *proctest.Process {
	t.Helper()
	// It is in a group of its own, so that a SIGINT from the terminal ends the load before it, and
	// it never outlives the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return proctest.Start(t, cmd, proctest.Options{Rest: rest})
}

// stop ends the process by SIGTERM and checks how it ended.
func (b *bootnode) stop(t *testing.T) {
	t.Helper()
	if !b.Running() {
		t.Error("the bootnode is gone")
		return
	}
	if code := b.End(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the bootnode ended with code %d", code)
	}
	for line := range strings.Lines(b.Log.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") {
			t.Errorf("log of the bootnode: %s", line)
		}
	}
}

// metrics reads /metrics: values by their name with labels.
func (b *bootnode) metrics() (map[string]float64, error) {
	r, err := b.web.Get(b.base + "/metrics")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", r.Status)
	}
	page, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return proctest.Metrics(string(page))
}

// memory is the resident memory of a process in bytes (proc(5): statm).
func memory(pid int) (rss float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm: %q", pid, text)
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return float64(pages) * float64(os.Getpagesize()), err
}

// descriptors is how many files and sockets a process has open.
func descriptors(pid int) (float64, error) {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return float64(len(list)), err
}
