package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
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
