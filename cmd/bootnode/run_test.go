package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// A restart keeps the identity, and the sequence number never decreases, however the process ended.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "below")
	p := start(t, dir)
	first := p.record
	last := first
	for _, c := range []struct {
		name string
		sig  syscall.Signal
		code int
		args []string
		grow bool
	}{
		{"SIGTERM", syscall.SIGTERM, cli.ExitOK, nil, true}, // a free port is another port
		{"SIGINT", syscall.SIGINT, cli.ExitOK, []string{"--extip", "198.18.0.1:9000"}, true},
		{"SIGKILL", syscall.SIGKILL, -1, []string{"--extip", "198.18.0.1:9000"}, false},
		{"after SIGKILL", syscall.SIGKILL, -1, []string{"--extip", "198.18.0.2:9000"}, true},
		{"end", syscall.SIGTERM, cli.ExitOK, []string{"--extip", "198.18.0.1:9000"}, true},
	} {
		if code := p.End(t, c.sig); code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.name, code, c.code)
		}
		p = start(t, dir, c.args...)
		r := p.record
		if r.ID() != first.ID() {
			t.Errorf("%s: another identity", c.name)
		}
		if r.Seq() < last.Seq() || (r.Seq() > last.Seq()) != c.grow || !c.grow && r.String() != last.String() {
			t.Errorf("%s: sequence number %d after %d", c.name, r.Seq(), last.Seq())
		}
		last = r
	}
}

func TestDataDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, dir)
	p.stop(t)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"nodekey", "nodes.db"}) {
		t.Errorf("files %v", names)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "nodekey"): 0o600, filepath.Join(dir, "nodes.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", path, info.Mode().Perm(), want, err)
		}
	}
	// The bootnode uses a key that others can read, and warns about it.
	path := filepath.Join(dir, "nodekey")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	q := start(t, dir)
	if q.record.ID() != p.record.ID() {
		t.Error("another identity")
	}
	eventually(t, "warning about the mode", func() bool { return strings.Contains(q.Log.String(), "0644") })
	q.stop(t)
	if text, _ := os.ReadFile(path); strings.Contains(q.Log.String(), strings.TrimSpace(string(text))) {
		t.Error("the log holds the private key")
	}
}

const hexKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
const hexKeyID = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7"

func TestKeys(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"hex":  {"--nodekeyhex", hexKey},
		"file": {"--nodekey", write(t, hexKey+"\r\n", 0o600)},
	} {
		dir := t.TempDir()
		p := start(t, dir, args...)
		if p.record.ID().String() != hexKeyID {
			t.Errorf("%s: node ID %s", name, p.record.ID())
		}
		p.stop(t)
		if _, err := os.Stat(filepath.Join(dir, "nodekey")); err == nil {
			t.Errorf("%s: key file made", name)
		}
	}
}

func TestRecordEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		v4, v6 string
	}{
		{[]string{"--extip", "198.18.0.1:4000"}, "198.18.0.1:4000", ""},
		{[]string{"--extip", "198.18.0.1:4000", "--extip", "[2001:db8::1]:5000"}, "198.18.0.1:4000", "[2001:db8::1]:5000"},
		{[]string{"--addr", "127.0.0.1:0", "--extip", "::ffff:198.18.0.1"}, "198.18.0.1", ""},
	} {
		p := start(t, t.TempDir(), c.args...)
		v4, ok4 := p.record.UDPEndpoint4()
		v6, ok6 := p.record.UDPEndpoint6()
		if ok4 != (c.v4 != "") || ok4 && !strings.HasPrefix(v4.String(), c.v4) || ok6 != (c.v6 != "") || ok6 && v6.String() != c.v6 {
			t.Errorf("%v: record has %v and %v", c.args, v4, v6)
		}
		p.stop(t)
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--log-json")
	p.stop(t)
	seen := ""
	for line := range strings.Lines(p.Log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		seen += entry["msg"].(string) + "\n"
	}
	for _, want := range []string{"started", "listening", "advertised", "--extip", "stopping", "stopped"} {
		if !strings.Contains(seen, want) {
			t.Errorf("nothing about %q in:\n%s", want, seen)
		}
	}
	q := start(t, t.TempDir(), "--log-level", "error")
	q.stop(t)
	if q.Log.String() != "" {
		t.Errorf("log at level error: %s", q.Log)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{"--help": "--nodekeyhex", "-h": "--datadir", "--version": runtime.Version()} {
		out, err := command(arg).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %q", arg, err, out)
		}
	}
}
