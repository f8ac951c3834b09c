package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/proctest"
)

// patience bounds every wait of these tests.
const patience = 90 * time.Second

// The main goroutine keeps the main thread, so that no host lives in it: it could not be ended.
func init() { runtime.LockOSThread() }

// suite is what all tests share.
type suite struct {
	dir      string
	bootnode func() (string, error) // builds the program the first time

	mu      sync.Mutex
	results []string
	stalls  []time.Time // when this process had to wait for a processor, or the machine stood still
}

// shared belongs to TestMain, which makes it before any test runs.
var shared *suite

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "discv5-chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = &suite{dir: dir}
	shared.bootnode = sync.OnceValues(func() (string, error) {
		path := filepath.Join(dir, "bootnode")
		return path, proctest.Build(path, "../../cmd/bootnode")
	})
	stop := make(chan struct{})
	go shared.watch(stop)
	code := m.Run()
	close(stop)
	if code == 0 {
		code = shared.leaks()
	}
	if n := len(shared.stalls); n > 0 {
		shared.results = append(shared.results, fmt.Sprintf("the machine was busy: the test process stood still %d times for more than %v", n, stall))
	}
	slices.Sort(shared.results)
	for _, line := range shared.results {
		fmt.Println(line)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// stall is how late a timer may be. A request has a second.
const stall = 400 * time.Millisecond

// watch notes when the process gets no processor.
func (s *suite) watch(stop chan struct{}) {
	const step = 20 * time.Millisecond
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-time.After(step):
		}
		now := time.Now()
		if now.Sub(last) > step+stall {
			s.mu.Lock()
			s.stalls = append(s.stalls, now)
			s.mu.Unlock()
		}
		last = now
	}
}

// stallsSince counts how often the process has stood still since a moment.
func (s *suite) stallsSince(t time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.stalls {
		if at.After(t) {
			n++
		}
	}
	return n
}

// leaks looks for goroutines that outlive the tests: every node, host and process has been closed.
func (s *suite) leaks() (code int) {
	const few = 8 // of the runtime, of package testing and of idle HTTP connections
	for end := time.Now().Add(patience); runtime.NumGoroutine() > few; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			fmt.Fprintf(os.Stderr, "%d goroutines are left:\n", runtime.NumGoroutine())
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			return 1
		}
	}
	return 0
}

// result notes a figure. All are logged immediately, and again when all tests have ended.
func result(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf("%s: %s", strings.TrimPrefix(t.Name(), "Test"), fmt.Sprintf(format, args...))
	t.Log(line)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.results = append(shared.results, line)
}

// missing says why there can be no hosts here, or nothing.
var missing = sync.OnceValue(func() string {
	if os.Geteuid() != 0 {
		return "needs root: it makes network namespaces"
	}
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("needs the program %s, of the package iproute2: %v", program, err)
		}
	}
	got := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		if err != nil {
			err = fmt.Errorf("needs network namespaces: unshare: %w", err)
		} else if tun, tunErr := openTUN(device); tunErr != nil {
			err = fmt.Errorf("needs TUN devices: %w", tunErr)
		} else {
			tun.Close()
		}
		got <- err
	}()
	if err := <-got; err != nil {
		return err.Error()
	}
	return ""
})

// heavy is the first call of every test that makes hosts. It skips the test where that was not
// asked for or cannot be, and lets it run beside others: they mostly wait.
func heavy(t *testing.T) {
	t.Helper()
	if os.Getenv("DISCV5_CHAOS") != "1" {
		t.Skip("probed for DISCV5_CHAOS: takes minutes; make chaos runs it")
	}
	if why := missing(); why != "" {
		t.Skip(why)
	}
	t.Parallel()
}

// eventually waits until ok holds, and returns how long that took.
func eventually(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > patience {
			t.Fatalf("waited %v in vain for: %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(start)
}

// seconds is d as a figure for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
