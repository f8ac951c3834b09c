package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/cli"
)

func TestHTTP(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--http", anyPort)
	if code, body := p.get(t, "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	code, page := p.get(t, "/metrics")
	if code != http.StatusOK {
		t.Errorf("/metrics: %d", code)
	}
	for _, want := range []string{
		"# TYPE discv5_sessions gauge", "# TYPE discv5_challenges gauge", "# TYPE discv5_table_nodes gauge",
		"# TYPE discv5_table_live_nodes gauge", "# TYPE discv5_pending_requests gauge", "# TYPE discv5_handshake_tasks gauge",
		`discv5_dropped_total{cause="protocol"} 0`, `discv5_messages_received_total{type="ping"} 0`,
		`discv5_socket_send_errors_total{cause="refused"} 0`, "discv5_socket_kernel_dropped_total", "go_goroutines",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if code, _ := p.get(t, "/index.html"); code != http.StatusNotFound {
		t.Errorf("/index.html: %d", code)
	}
	p.stop(t)
}

// Bootnodes find each other, by record or enode URL. A node that has lost its bootnodes starts from
// the nodes that it knew, even after kill -9.
func TestNetwork(t *testing.T) {
	t.Parallel()
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	live := func(p *process, want float64, what string) {
		t.Helper()
		eventually(t, what, func() bool { return p.metric(t, "discv5_table_live_nodes") >= want })
	}
	a := start(t, dirs[0], "--http", anyPort)
	e, ok := a.record.Enode()
	if !ok {
		t.Fatal("no enode URL")
	}
	byName := strings.Replace(e.String(), "@127.0.0.1:", "@localhost:", 1)
	b := start(t, dirs[1], "--http", anyPort, "--bootnodes", ","+a.record.String()+" , ")
	c := start(t, dirs[2], "--http", anyPort, "--bootnodes", byName, "--save-interval", "100ms", "--log-status", "100ms", "--log-level", "debug")
	live(a, 2, "both others in the table of the bootnode")
	live(b, 1, "bootnode given by record")
	live(c, 1, "bootnode given by enode URL with a host name")
	if n := b.metric(t, `discv5_messages_sent_total{type="ping"}`); n == 0 {
		t.Error("no PING counted")
	}
	b.stop(t)
	b = start(t, dirs[1], "--http", anyPort)
	live(b, 1, "known nodes after a restart")

	eventually(t, "status line", func() bool { return strings.Contains(c.Log.String(), "msg=status nodes=") })

	// After kill -9 the node has the nodes that it saved while it ran.
	eventually(t, "save", func() bool { return strings.Contains(c.Log.String(), "saved nodes") })
	c.End(t, syscall.SIGKILL)
	c = start(t, dirs[2], "--http", anyPort)
	live(c, 1, "known nodes after a kill")
	for _, p := range []*process{a, b, c} {
		p.stop(t)
	}
}

// A second signal ends the process immediately.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	p.Cmd.Process.Signal(syscall.SIGTERM)
	p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.Exited:
	case <-time.After(patience):
		t.Fatal("still runs")
	}
	if code := p.Cmd.ProcessState.ExitCode(); code != cli.ExitOK && code != cli.ExitFailed {
		t.Errorf("exit code %d", code)
	}
}
