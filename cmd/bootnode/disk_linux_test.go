package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// onSmallDisk makes a process run in its own mount namespace, with a file system of 512 KiB at dir.
func onSmallDisk(cmd *exec.Cmd, dir string) {
	inMounts(cmd, `mount -t tmpfs -o size=512k,mode=700 none "$0"`, dir)
}

// inMounts makes a process run in its own mount namespace, after a command that finds dir in $0.
func inMounts(cmd *exec.Cmd, mount, dir string) {
	cmd.Args = append([]string{"sh", "-c", "mount --make-rprivate / && " + mount + ` && exec "$@"`, dir, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
}

// A full disk costs the data of failed saves, and nothing else: the node continues, logs one line,
// keeps the data of earlier saves, and saves again when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	probe := exec.Command("/bin/true")
	onSmallDisk(probe, t.TempDir())
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("probed for a small file system in a namespace, which takes root: %v %s", err, out)
	}
	a := start(t, t.TempDir())
	dir := t.TempDir()
	cmd := command("--addr", "127.0.0.1:0", "--datadir", dir, "--save-interval", "100ms", "--http", anyPort, "--metrics", anyPort, "--bootnodes", a.record.String())
	onSmallDisk(cmd, dir)
	p := launch(t, cmd)
	eventually(t, "peer", func() bool { return p.metric(t, "discv5_table_live_nodes") == 1 })
	saves := p.metric(t, `discv5_saves_total{result="ok"}`)
	eventually(t, "a save of it", func() bool { return p.metric(t, `discv5_saves_total{result="ok"}`) > saves+1 })

	inside := filepath.Join("/proc", fmt.Sprint(cmd.Process.Pid), "root", dir)
	before, err := os.ReadFile(filepath.Join(inside, "nodes.db"))
	if err != nil {
		t.Fatal(err)
	}
	full := time.Now()
	fill(t, filepath.Join(inside, "filler"))
	// More nodes arrive than fit on the disk.
	crowd(t, 25, p.record)
	eventually(t, "crowd in the table", func() bool { return p.metric(t, "discv5_table_live_nodes") > 12 })
	eventually(t, "failed save", func() bool { return p.metric(t, `discv5_saves_total{result="failed"}`) > 5 })
	eventually(t, "line about it", func() bool { return strings.Contains(p.Log.String(), "cannot save nodes") })
	if n := strings.Count(p.Log.String(), "cannot save nodes"); n > 1+int(time.Since(full)/saveErrorInterval) {
		t.Errorf("%d lines about saves that failed", n)
	}
	if !strings.Contains(p.Log.String(), "no space left on device") || strings.Contains(p.Log.String(), "damaged") {
		t.Error("the log does not say what is wrong")
	}
	if code, body := p.get(t, "/healthz"); code != 200 {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if after, err := os.ReadFile(filepath.Join(inside, "nodes.db")); err != nil || len(after) < len(before) {
		t.Errorf("the database has %d bytes, had %d: %v", len(after), len(before), err)
	}
	// With space again, saves succeed, and the old data is still there.
	if err := os.Remove(filepath.Join(inside, "filler")); err != nil {
		t.Fatal(err)
	}
	good := p.metric(t, `discv5_saves_total{result="ok"}`)
	eventually(t, "save after there is room", func() bool { return p.metric(t, `discv5_saves_total{result="ok"}`) > good })
	// Open files outlive the file system, which ends with the process. While it runs, it writes.
	files := map[string]*os.File{}
	for _, name := range []string{"nodes.db", "nodekey"} {
		f, err := os.Open(filepath.Join(inside, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[name] = f
	}
	p.End(t, syscall.SIGKILL)
	copied := t.TempDir()
	for name, f := range files {
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := start(t, copied, "--http", anyPort)
	if q.record.ID() != p.record.ID() || q.record.Seq() < p.record.Seq() {
		t.Error("another record after the disk was full")
	}
	eventually(t, "known nodes after a restart", func() bool { return q.metric(t, "discv5_table_live_nodes") > 12 })
	q.stop(t)
}

// crowd starts nodes that know boot.
func crowd(t *testing.T, n int, boot *enr.Record) {
	t.Helper()
	for range n {
		client(t, func(c *discv5.Config) { c.Bootnodes = discv5.Contacts(boot) })
	}
}

// fill writes until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for range 1024 {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
	t.Fatal("the file system is larger than it should be")
}

// If standard output fails, a command that prints fails too, and a node continues, with its record
// in the log.
func TestFullStandardOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("probed for a device that is always full: %v", err)
	}
	defer full.Close()
	for _, flag := range []string{"--help", "--version", "--print-config", "--check-config"} {
		cmd, log := command(flag), new(proctest.Buffer)
		cmd.Stdout, cmd.Stderr = full, log
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(log.String(), "standard output") {
			t.Errorf("%s: exit code %d, %q", flag, code, log)
		}
	}
	cmd, log := command("--addr", "127.0.0.1:0", "--datadir", t.TempDir()), new(proctest.Buffer)
	cmd.Stdout, cmd.Stderr = full, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	eventually(t, "the record in the log, and a node that runs", func() bool {
		_, after, ok := strings.Cut(log.String(), "record=enr:")
		return ok && strings.Contains(after, "contacts")
	})
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}
