package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/proctest"
)

// The daemon notifies the service manager of the start, of reloads, of being alive, and of the
// stop.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	s := proctest.NewNotifySocket(t)
	f := files{t, t.TempDir()}
	f.write("bans", "")
	p := startWith(t, t.TempDir(), []string{"NOTIFY_SOCKET=" + s.Path, "WATCHDOG_USEC=600000"}, "--ban-file", f.path("bans"))
	ready, _ := s.Wait(t, 0, "READY=1")
	// The daemon notifies three times in the interval of the watchdog; wait for some of them.
	alive, status := s.Wait(t, ready, "WATCHDOG=1")
	if !strings.Contains(status, "STATUS=0 nodes") {
		t.Errorf("status %q", status)
	}
	s.Wait(t, alive+1, "WATCHDOG=1")

	for _, tt := range []struct{ bans, status string }{
		{"192.0.2.1\n", "settings were reloaded"},
		{"nobody\n", "not reloaded; the old ones stay in force: "},
	} {
		f.write("bans", tt.bans)
		begin := time.Now()
		if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		at, reloading := s.Wait(t, alive, "RELOADING=1")
		if !strings.Contains(reloading, "MONOTONIC_USEC=") {
			t.Errorf("%q names no time", reloading)
		}
		if at, text := s.Wait(t, at, "READY=1"); !strings.Contains(text, tt.status) {
			t.Errorf("%q, want %q in it (after %v)", text, tt.status, time.Since(begin))
		} else {
			alive = at + 1
		}
	}
	p.stop(t)
	s.Wait(t, alive, "STOPPING=1")
}

// Lines for the systemd journal begin with their priority, including the last line, about an error.
func TestJournalPriorities(t *testing.T) {
	s := testSystem()
	s.journal = true
	for _, tt := range []struct {
		name string
		args []string
		want []string // beginnings of lines
	}{
		{"settings", []string{"--bogus"}, []string{"<3>bootnode: "}},
		{"warning and information", []string{"--addr", "192.0.2.1:0", "--datadir", t.TempDir()}, []string{"<3>bootnode: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs proctest.Buffer
			run(tt.args, s, &out, &errs)
			for _, want := range tt.want {
				if !strings.HasPrefix(errs.String(), want) {
					t.Errorf("%q, want %q first", errs.String(), want)
				}
			}
		})
	}
	for _, json := range []bool{false, true} {
		var b proctest.Buffer
		o := &options{logJSON: json}
		log, level := newLogger(&b, o, true)
		level.Set(-4)
		log.Error("e")
		log.With("a", 1).Warn("w")
		log.Info("i", "x", "first\nsecond")
		log.WithGroup("g").Debug("d")
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("JSON %v: %q", json, b.String())
		}
		for i, want := range []string{"<3>", "<4>", "<6>", "<7>"} {
			if !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "time") {
				t.Errorf("JSON %v: line %d is %q, want %s and no time", json, i, lines[i], want)
			}
		}
	}
	if os.Getenv("JOURNAL_STREAM") == "" && hostSystem().journal {
		t.Error("a terminal is taken for the journal")
	}
}
