package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// Saves that fail, or that fail now and then, cost one line a minute.
func TestSaveFailuresAreFewLines(t *testing.T) {
	full := errors.New("no space left\non device")
	for _, c := range []struct {
		name          string
		fails         func(i int) bool // of the save number i
		errors, again int              // lines
	}{
		{"never", func(int) bool { return false }, 0, 0},
		{"once", func(i int) bool { return i == 5 }, 1, 1},
		{"always", func(int) bool { return true }, 10, 0},
		{"every other time", func(i int) bool { return i%2 == 0 }, 10, 10},
		{"for a minute and a half", func(i int) bool { return i < 900 }, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			l := saveLog{log: slog.New(slog.NewTextHandler(&out, nil))}
			now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
			for i := range 6000 { // ten minutes
				var err error
				if c.fails(i) {
					err = full
				}
				l.done(now.Add(time.Duration(i)*minSaveInterval), 1, err)
			}
			text := out.String()
			failed, again := strings.Count(text, `msg="cannot save nodes" err="no space left on device"`), strings.Count(text, "nodes are saved again")
			if failed != c.errors || again != c.again {
				t.Errorf("%d and %d lines, want %d and %d:\n%.1000s", failed, again, c.errors, c.again, text)
			}
			if c.name == "always" && !strings.Contains(text, "failures=600") {
				t.Errorf("the lines do not say how many saves failed:\n%s", text)
			}
		})
	}
}

// The status line appears only if something has changed.
func TestReporter(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	r := newReporter(slog.New(slog.NewTextHandler(&out, nil)), now)
	var s discv5.Stats
	for _, c := range []struct {
		packets uint64
		want    string
	}{
		{0, ""}, {6000, "in_per_s=100"}, {6000, ""}, {6006, "in_per_s=0.1"},
	} {
		out.Reset()
		now = now.Add(time.Minute)
		s.Counters[engine.PacketsIn] = c.packets
		r.report(s, now)
		if got := out.String(); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("after %d packets: %q, want %q", c.packets, got, c.want)
		}
	}
}
