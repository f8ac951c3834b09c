package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// patience bounds every wait of these tests. It is far above what anything takes.
const patience = time.Minute

// childEnv makes the test binary be the bootnode, so that tests run it as a process with its own
// race detector.
const childEnv = "BOOTNODE_TEST_CHILD"

// Addresses that the test gives a child process in place of the Internet: of a DNS server and of a
// UPnP gateway.
const (
	dnsEnv  = "BOOTNODE_TEST_DNS"
	ssdpEnv = "BOOTNODE_TEST_SSDP"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(run(os.Args[1:], testSystem(), os.Stdout, os.Stderr))
	}
	proctest.Parallel(4)
	os.Exit(m.Run())
}

// testSystem reaches nothing outside of this machine, which may be slow.
func testSystem() system {
	s := hostSystem()
	s.natWait, s.healthTimeout = patience, patience
	dns := os.Getenv(dnsEnv)
	s.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if dns == "" {
			return nil, errors.New("there is no DNS in this test")
		}
		var d net.Dialer
		return d.DialContext(ctx, network, dns)
	}}
	s.gateways = func() ([]netip.Addr, error) { return nil, nil }
	s.ssdp = netip.MustParseAddrPort("127.0.0.1:9") // discard
	if gateway := os.Getenv(ssdpEnv); gateway != "" {
		s.ssdp = netip.MustParseAddrPort(gateway)
	}
	return s
}

func command(args ...string) *exec.Cmd {
	return proctest.Self(childEnv, args...)
}

// process is a bootnode that runs.
type process struct {
	*proctest.Process
	record  *enr.Record // from the first line of standard output
	http    string      // host:port of --http, if there is one; see findHTTP
	metrics string      // the same of --metrics; start adds it to --http
}

// start runs a bootnode on a free loopback port, unless args say otherwise, and waits for its
// record.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startWith(t, dir, nil, args...)
}

// startWith is start with more environment.
func startWith(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--addr") {
		args = append(args, "--addr", "127.0.0.1:0")
	}
	if slices.Contains(args, "--http") && !slices.Contains(args, "--metrics") {
		args = append(args, "--metrics", anyPort)
	}
	cmd := command(append(args, "--datadir", dir)...)
	cmd.Env = append(cmd.Env, env...)
	p := &process{Process: proctest.Start(t, cmd, proctest.Options{})}
	p.record = p.Record(t)
	t.Cleanup(func() {
		if out := p.Out.String(); strings.Count(out, "\n") > 1 {
			t.Errorf("standard output after the record: %q", out)
		}
	})
	for i, a := range args {
		switch a {
		case "--http":
			p.http = args[i+1]
		case "--metrics":
			p.metrics = args[i+1]
		}
	}
	return p
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if code := p.End(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// get returns an HTTP answer, waiting for the server to be there: that of --metrics for /metrics,
// of --http otherwise.
func (p *process) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	p.findHTTP(t)
	addr := p.http
	if path == "/metrics" {
		addr = p.metrics
	}
	eventually(t, "answer of "+path, func() bool {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		code, body = r.StatusCode, string(b)
		return err == nil
	})
	return code, body
}

// metric reads one value of /metrics, by its name with labels. A bootnode that is slow or asked too
// often refuses a request.
func (p *process) metric(t *testing.T, name string) float64 {
	t.Helper()
	page := ""
	eventually(t, "/metrics", func() bool {
		code, body := p.get(t, "/metrics")
		page = body
		return code == http.StatusOK
	})
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				t.Fatalf("metric %s: %v", name, err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	proctest.Eventually(t, what, ok)
}

// anyPort has an HTTP server take a free port. The log says which.
const anyPort = "127.0.0.1:0"

// findHTTP finds the addresses of the HTTP servers.
func (p *process) findHTTP(t *testing.T) {
	t.Helper()
	for flag, addr := range map[string]*string{"http": &p.http, "metrics": &p.metrics} {
		if *addr != anyPort {
			continue
		}
		eventually(t, "server of --"+flag+" in the log", func() bool {
			_, rest, ok := strings.Cut(p.Log.String(), `msg="serving `+flag+`" addr=`)
			if ok {
				*addr = strings.Fields(rest)[0]
			}
			return ok
		})
	}
}

// fail runs a bootnode that must end without a signal, and returns what it wrote to standard error.
func fail(t *testing.T, wantCode int, args ...string) string {
	t.Helper()
	r := proctest.Run(t, command(args...))
	if r.Code != wantCode {
		t.Errorf("exit code %d, want %d", r.Code, wantCode)
	}
	if r.Out != "" {
		t.Errorf("standard output: %q", r.Out)
	}
	return r.Err
}

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
