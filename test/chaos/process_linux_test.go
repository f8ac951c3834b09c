package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
)

// Where bootnodes serve HTTP, each on its host.
const (
	webAddr     = "127.0.0.1:6060"
	metricsAddr = "127.0.0.1:6061"
)

// bootnode is a process of cmd/bootnode.
type bootnode struct {
	*proctest.Process
	h      *host
	record *enr.Record
	web    *http.Client
}

// launch is how a bootnode is to be started.
type launch struct {
	dir  string   // its data directory; a new one if empty
	args []string // besides those that all get
	// script, if not empty, is run by the shell and has to end with exec "$@", which is the
	// bootnode; $DIR is its data directory.
	script string
	flags  uintptr // of clone(2), for a script that mounts
	bound  bool    // listen on the host's addresses instead of all
}

// bootnode starts a bootnode on the host, and waits for its record.
func (h *host) bootnode(t *testing.T, l launch) *bootnode {
	t.Helper()
	b, err := h.try(t, l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// try is bootnode for one that may not start.
func (h *host) try(t *testing.T, l launch) (*bootnode, error) {
	t.Helper()
	path, err := shared.bootnode()
	if err != nil {
		return nil, err
	}
	if l.dir == "" {
		l.dir = t.TempDir()
	}
	args := append([]string{path, "--datadir", l.dir, "--http", webAddr, "--metrics", metricsAddr, "--save-interval", "200ms"}, l.args...)
	for _, e := range h.endpoints() {
		any := netip.AddrPortFrom(netip.IPv4Unspecified(), e.Port())
		if e.Addr().Is6() {
			any = netip.AddrPortFrom(netip.IPv6Unspecified(), e.Port())
		}
		if l.bound {
			any = e
		}
		args = append(args, "--addr", any.String(), "--extip", e.Addr().String())
	}
	if l.script != "" {
		args = append([]string{"/bin/sh", "-c", l.script, "sh"}, args...)
	}
	b := &bootnode{h: h}
	b.web = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(_ context.Context, _, addr string) (net.Conn, error) { return h.dial(addr) },
	}}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "DISCV5_") }), "DIR="+l.dir)
	// It ends with the host's thread, whatever becomes of the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: l.flags}
	b.Process, err = proctest.Try(t, cmd, proctest.Options{Launch: func(start func() error) (err error) {
		h.do(func() { err = start() })
		return err
	}})
	if err != nil {
		return nil, err
	}
	b.record, err = b.TryRecord(t)
	return b, err
}

// kill ends the process as kill -9 does.
func (b *bootnode) kill(t *testing.T) {
	t.Helper()
	b.End(t, syscall.SIGKILL)
}

// get asks the bootnode's HTTP servers.
func (b *bootnode) get(path string) (code int, body string, err error) {
	addr := webAddr
	if path == "/metrics" {
		addr = metricsAddr
	}
	r, err := b.web.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

// metrics reads /metrics: values by their name with labels.
func (b *bootnode) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	var page string
	eventually(t, "/metrics", func() bool {
		code, body, err := b.get("/metrics")
		page = body
		return err == nil && code == http.StatusOK
	})
	m, err := proctest.Metrics(page)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// metric reads one value.
func (b *bootnode) metric(t *testing.T, name string) float64 {
	t.Helper()
	v, ok := b.metrics(t)[name]
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	return v
}

// healthy checks that the bootnode says so.
func (b *bootnode) healthy(t *testing.T) {
	t.Helper()
	if code, body, err := b.get("/healthz"); err != nil || code != http.StatusOK {
		t.Errorf("/healthz: %d %s %v", code, body, err)
	}
}

// live is how many nodes the bootnode has in its table that answer.
func (b *bootnode) live(t *testing.T) int {
	t.Helper()
	return int(b.metric(t, "discv5_table_live_nodes"))
}

// cpu is the processor time that the process has used (proc(5): fields 14 and 15, in hundredths of
// a second).
func (b *bootnode) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, i := range []int{11, 12} { // counted from field 3
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
