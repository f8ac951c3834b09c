package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/internal/proctest"
)

// startIn runs a bootnode in a mount namespace of its own, after a command that finds dir in $0,
// and waits until it serves HTTP.
func startIn(t *testing.T, mount, dir string) *process {
	t.Helper()
	probe := exec.Command("/bin/true")
	inMounts(probe, "true", dir)
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("probed for a mount namespace, which takes root: %v %s", err, out)
	}
	cmd := command("--addr", "127.0.0.1:0", "--datadir", dir, "--http", anyPort, "--metrics", anyPort, "--save-interval", "100ms")
	inMounts(cmd, mount, dir)
	return launch(t, cmd)
}

// launch runs a bootnode as a command that was made for it, and waits until it serves HTTP, at
// anyPort, and has printed its record.
func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Process: proctest.Start(t, cmd, proctest.Options{}), http: anyPort, metrics: anyPort}
	p.findHTTP(t)
	p.record = p.Record(t)
	return p
}

// A bootnode that cannot write still serves others, and logs errors about what it will
// forget.
func TestNoPersistence(t *testing.T) {
	t.Parallel()
	const readOnly, full = "read-only file system", "no space left on device"
	for _, tt := range []struct {
		name, mount, reason string
		newKey              bool // the directory has none
	}{
		{"read-only and empty", `mount -t tmpfs -o size=512k,ro none "$0"`, readOnly, true},
		{"read-only with a key", `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"`, readOnly, false},
		{"full", `mount -t tmpfs -o size=8k none "$0" && ! head -c 64k /dev/zero 2>/dev/null >"$0/filler"`, full, true},
		{"full except for a key", `mount -t tmpfs -o size=16k none "$0" && echo ` + hexKey + ` >"$0/nodekey" && ! head -c 64k /dev/zero 2>/dev/null >"$0/filler"`, full, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if !tt.newKey {
				if err := os.WriteFile(filepath.Join(dir, "nodekey"), []byte(hexKey), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			peer := start(t, t.TempDir())
			p := startIn(t, tt.mount, dir)
			if same := p.record.ID().String() == hexKeyID; same == tt.newKey {
				t.Errorf("identity %s: that of the key file: %v", p.record.ID(), same)
			}
			for _, want := range []string{"level=ERROR", "running without persistence", tt.reason} {
				if !strings.Contains(p.Log.String(), want) {
					t.Errorf("the log lacks %q", want)
				}
			}
			if got := strings.Contains(p.Log.String(), "next start has another identity"); got != tt.newKey {
				t.Errorf("the log says that the identity is lost: %v", got)
			}
			if v := p.metric(t, "discv5_storage_persistent"); v != 0 {
				t.Errorf("discv5_storage_persistent %v", v)
			}
			// It serves others, and its record can change.
			q := start(t, t.TempDir(), "--bootnodes", p.record.String(), "--http", anyPort)
			eventually(t, "peer", func() bool { return q.metric(t, "discv5_table_live_nodes") == 1 })
			if n := p.metric(t, `discv5_saves_total{result="ok"}`); n != 0 {
				t.Errorf("%v saves look successful", n)
			}
			for _, other := range []*process{q, peer, p} {
				other.stop(t)
			}
		})
	}
}

// The bootnode reads a database that it cannot write, and starts from its nodes.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	peer, dir := start(t, t.TempDir()), t.TempDir()
	p := start(t, dir, "--bootnodes", peer.record.String(), "--http", anyPort, "--save-interval", "100ms")
	eventually(t, "peer", func() bool { return p.metric(t, "discv5_table_live_nodes") == 1 })
	p.stop(t)
	r := startIn(t, `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"`, dir)
	if r.record.ID() != p.record.ID() || r.record.Seq() <= p.record.Seq() {
		t.Errorf("record %d after %d", r.record.Seq(), p.record.Seq())
	}
	eventually(t, "peer of the run before", func() bool { return r.metric(t, "discv5_table_live_nodes") == 1 })
	r.stop(t)
	peer.stop(t)
}

// The bootnode moves a damaged database aside, whatever is wrong with it, and keeps the key.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	start(t, good).stop(t)
	whole, err := os.ReadFile(filepath.Join(good, "nodes.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"text":      strings.Repeat("no database\n", 5000),
		"truncated": string(whole[:len(whole)/2]),
		"short":     string(whole[:100]),
		"zeros":     strings.Repeat("\x00", len(whole)),
		"scribbled": string(whole[:2*4096]) + strings.Repeat("\xff", len(whole)-2*4096),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "nodes.db")
			for name, content := range map[string]string{path: text, filepath.Join(dir, "nodekey"): hexKey} {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time, the name exists already
				p := start(t, dir, "--http", anyPort)
				if p.record.ID().String() != hexKeyID {
					t.Error("another identity")
				}
				eventually(t, "lines about the file", func() bool {
					return strings.Contains(p.Log.String(), "level=ERROR msg=\""+path+" was damaged; it is now "+path+".damaged")
				})
				if v := p.metric(t, "discv5_storage_persistent"); v != 1 {
					t.Errorf("discv5_storage_persistent %v", v)
				}
				p.stop(t)
				if aside, err := os.ReadFile(path + ".damaged"); err != nil || string(aside) != text {
					t.Errorf("the damaged file is not kept: %d bytes, %v", len(aside), err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The bootnode does not touch a database that is not a file, because a directory may be a mount
// point, nor a data directory that it cannot create. It starts without persistence, and
// --check-config accepts the settings.
func TestDatabaseIsNoFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reason string
		make         func(path string) error
	}{
		{"directory", "not a node database", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"pipe", "not a node database", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
		{"link to nowhere", "no such file", func(p string) error { return os.Symlink(filepath.Dir(p)+"/none/nodes.db", p) }},
		{"link to itself", "too many levels", func(p string) error { return os.Symlink(p, p) }},
		{"no data directory", "mkdir /proc/self/none", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.make == nil {
				dir = "/proc/self/none/at/all"
			} else if err := tt.make(filepath.Join(dir, "nodes.db")); err != nil {
				t.Fatal(err)
			}
			out, err := command("--addr", "127.0.0.1:0", "--datadir", dir, "--check-config").CombinedOutput()
			if err != nil {
				t.Errorf("check: %v: %s", err, out)
			}
			p := start(t, dir, "--http", anyPort)
			eventually(t, "lines about the file", func() bool {
				log := p.Log.String()
				return strings.Contains(log, "level=ERROR msg=\"running without persistence") && strings.Contains(log, tt.reason)
			})
			if n := strings.Count(p.Log.String(), tt.reason); n != 1 {
				t.Errorf("the log says %d times %q", n, tt.reason)
			}
			if v := p.metric(t, "discv5_storage_persistent"); v != 0 {
				t.Errorf("discv5_storage_persistent %v", v)
			}
			p.stop(t)
		})
	}
}
