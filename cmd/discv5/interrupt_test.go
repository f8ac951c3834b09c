package main

import (
	"runtime"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// An interrupted ping prints the summary.
func TestPingInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	n := loopback(t, "127.0.0.1:0", nil)
	p := start(t, "ping", "-c", "0", "-i", "0.01", "-W", patient, n.LocalRecord().String())
	until(t, "third answer", func() bool { return p.has("PONG", "number=3 ") })
	p.interrupt(t)
	if code, out := p.wait(t); code != cli.ExitOK || !strings.Contains(out, "ping statistics") || !strings.Contains(out, " 0% loss") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Without any answer, an interrupted ping fails with one line.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	for _, args := range [][]string{{"ping", "-W", "10m"}, {"ping", "-W", "10m", "-c", "0"}} {
		p := start(t, append(args, silence(t).String())...)
		p.first(t)
		p.interrupt(t)
		if code, _ := p.wait(t); code != cli.ExitFailed || p.Log.String() != "discv5: interrupted\n" {
			t.Errorf("exit code %d, %q", code, p.Log.String())
		}
	}
}
