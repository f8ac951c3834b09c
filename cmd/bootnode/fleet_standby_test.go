package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// TestStandbyServiceManager: a bootnode that stands by is ready for the service manager, resets the
// watchdog, says in its status that it stands by, and can be reloaded. Its fleet is away.
func TestStandbyServiceManager(t *testing.T) {
	t.Parallel()
	s := proctest.NewNotifySocket(t)
	f := files{t, t.TempDir()}
	f.write("bans", "")
	cmd := command("--addr", "127.0.0.1:0", "--datadir", t.TempDir(), "--fleet", "nats://127.0.0.1:9", "--fleet-identity", "main",
		"--ban-file", f.path("bans"))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+s.Path, "WATCHDOG_USEC=600000")
	p := proctest.Start(t, cmd, proctest.Options{})
	at, _ := s.Wait(t, 0, "READY=1")
	for range 3 {
		var text string
		if at, text = s.Wait(t, at+1, "WATCHDOG=1"); !strings.Contains(text, "STATUS=standing by for the identity main") {
			t.Errorf("%q", text)
		}
	}
	for _, tt := range []struct{ bans, status string }{
		{"192.0.2.1\n", "settings were reloaded"},
		{"nobody\n", "not reloaded; the old ones stay in force: "},
	} {
		f.write("bans", tt.bans)
		p.Signal(t, syscall.SIGHUP)
		at, _ = s.Wait(t, at+1, "RELOADING=1")
		var text string
		if at, text = s.Wait(t, at, "READY=1"); !strings.Contains(text, tt.status) {
			t.Errorf("%q, want %q in it", text, tt.status)
		}
		at, _ = s.Wait(t, at, "STATUS=standing by")
	}
	if code := p.End(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	s.Wait(t, at, "STOPPING=1")
	if out := p.Out.String(); out != "" {
		t.Errorf("a standby has printed %q", out)
	}
}
