//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// A file of the settings that is a pipe or a device without an end is refused. It does not block a
// start, a check or a reload.
func TestPipesAreRefused(t *testing.T) {
	t.Parallel()
	pipe := func(dir, name string) string {
		path := filepath.Join(dir, name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dir := t.TempDir()
	pipe(dir, "nodekey")
	fifo := pipe(t.TempDir(), "pipe")
	for _, c := range []struct {
		name string
		args []string
	}{
		{"nodekey", []string{"--nodekey", fifo}},
		{"nodekey in the data directory", []string{"--datadir", dir}},
		{"config", []string{"--config", fifo}},
		{"ban-file", []string{"--ban-file", fifo}},
		{"bootnodes-file", []string{"--bootnodes-file", fifo}},
		{"bootnodes-file without an end", []string{"--bootnodes-file", "/dev/zero"}},
		{"nodekey without an end", []string{"--nodekey", "/dev/zero"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if !strings.Contains(strings.Join(args, " "), "--datadir") {
				args = append(args, "--datadir", t.TempDir())
			}
			for _, args := range [][]string{args, append(args, "--check-config")} {
				if line := fail(t, cli.ExitUsage, append(args, "--addr", "127.0.0.1:0")...); !strings.Contains(line, "not a regular file") {
					t.Errorf("%q", line)
				}
			}
		})
	}
	if o := mustLoad(t, []string{"--ban-file", os.DevNull, "--bootnodes-file", os.DevNull}, nil); len(o.bans)+len(o.sources) > 0 {
		t.Errorf("%d bans and %d bootnodes in an empty file", len(o.bans), len(o.sources))
	}
	// A file may become a pipe while the node runs.
	bans := filepath.Join(t.TempDir(), "bans")
	if err := os.WriteFile(bans, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "--ban-file", bans)
	if err := os.Remove(bans); err != nil {
		t.Fatal(err)
	}
	pipe(filepath.Dir(bans), "bans")
	if log := p.hangUp(t, "settings were not reloaded"); !strings.Contains(log, "not a regular file") {
		t.Errorf("%q", log)
	}
	p.stop(t)
}
