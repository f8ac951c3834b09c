package soak

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// process is a program with a node in it. The first line of its standard output is the node's
// record.
type process struct {
	cmd    *exec.Cmd
	record *enr.Record
	log    *buffer // standard error
	exited chan struct{}
	rest   func(*bufio.Reader) // reads what follows on standard output
}

// bootnode is a process of cmd/bootnode.
type bootnode struct {
	*process
	base string // URL of its HTTP server
	web  http.Client
}

// buffer may be written to and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// launch builds a bootnode, without the race detector that the tests may run with, and starts it on
// loopback.
func launch(t *testing.T, args ...string) *bootnode {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootnode")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/bootnode").CombinedOutput(); err != nil {
		t.Fatalf("build of the bootnode: %v\n%s", err, out)
	}
	args = append([]string{"--addr", "127.0.0.1:0", "--http", "127.0.0.1:0", "--datadir", t.TempDir()}, args...)
	b := &bootnode{process: &process{cmd: exec.Command(path, args...)}}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DISCV5_") { // these would be settings
			b.cmd.Env = append(b.cmd.Env, v)
		}
	}
	b.start(t)
	b.web.Timeout = patience
	t.Cleanup(b.web.CloseIdleConnections)
	serving := regexp.MustCompile(`msg="serving HTTP" addr=(\S+)`)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if m := serving.FindStringSubmatch(b.log.String()); m != nil {
			b.base = "http://" + m[1]
			return b
		}
		if time.Now().After(end) {
			t.Fatal("the bootnode does not serve HTTP")
		}
	}
}

// start runs the program, which ends with the test, and waits for the record.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.log, p.exited = new(buffer), make(chan struct{})
	p.cmd.Stderr = p.log
	// It is in a group of its own, so that a SIGINT from the terminal ends the load before it, and
	// it never outlives the test.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	first, started := make(chan string, 1), make(chan error, 1)
	go p.run(bufio.NewReader(out), first, started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("log of the node:\n%s", p.log)
		}
	})
	select {
	case line := <-first:
		if p.record, err = enr.ParseText(strings.TrimSpace(line)); err != nil {
			t.Fatalf("the node printed %q: %v", line, err)
		}
	case <-time.After(patience):
		t.Fatal("the node printed no record")
	}
}

// run starts the program from a thread that lasts as long as the process: Pdeathsig is sent when
// the thread ends.
func (p *process) run(out *bufio.Reader, first chan<- string, started chan<- error) {
	defer close(p.exited)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	line, _ := out.ReadString('\n')
	first <- line
	if p.rest != nil {
		p.rest(out)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = p.cmd.Wait()
}

// stop ends the process by SIGTERM and checks how it ended.
func (b *bootnode) stop(t *testing.T) {
	t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("the bootnode is gone: %v", err)
		return
	}
	select {
	case <-b.exited:
	case <-time.After(patience):
		t.Error("the bootnode does not stop")
		return
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the bootnode ended with code %d", code)
	}
	for line := range strings.Lines(b.log.String()) {
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
	m := make(map[string]float64)
	scan := bufio.NewScanner(r.Body)
	for scan.Scan() {
		if name, value, ok := strings.Cut(scan.Text(), " "); ok && name != "#" {
			if m[name], err = strconv.ParseFloat(value, 64); err != nil {
				return nil, fmt.Errorf("/metrics: %w", err)
			}
		}
	}
	return m, scan.Err()
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
