package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/fastdisc/discv5/internal/cli"
)

// terminal returns a pseudo-terminal: the first file reads what the program writes to the second.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("probed for a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { master.Close() })
	var number, unlock int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); e != 0 {
			t.Skip("probed for a pseudo-terminal: ", e)
		}
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("probed for a pseudo-terminal: ", err)
	}
	return master, slave
}

// TestProgressOnTerminal: slow commands show their progress on a terminal, and erase it at the end.
// Nobody answers here, so the commands wait for their timeouts.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	dead := silence(t).String()
	for name, c := range map[string]struct {
		want string
		args []string // and the timeout
	}{
		"lookup":       {"pending, ", []string{"lookup", "--bootnodes", dead, "-W"}},
		"resolve":      {"pending, ", []string{"resolve", strings.Repeat("ab", 32), "--bootnodes", dead, "-W"}},
		"topic search": {"pending, ", []string{"topic", "search", "x", "--bootnodes", dead, "--request-timeout"}},
		"crawl":        {"waiting", []string{"crawl", t.TempDir() + "/nodes.json", "--bootnodes", dead, "--request-timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, slave := terminal(t)
			// With a timeout that is much longer than progressInterval.
			cmd := exec.Command(program, append(slices.Clone(c.args), hasty)...)
			cmd.Stderr = slave
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			slave.Close()
			var shown strings.Builder
			for b := make([]byte, 1024); ; { // the program's end is a read error
				n, err := master.Read(b)
				shown.Write(b[:n])
				if err != nil {
					break
				}
			}
			cmd.Wait()
			if text := shown.String(); !strings.Contains(text, c.want) || !strings.Contains(text, "\r\x1b[Kdiscv5: no ") {
				t.Errorf("shown: %q", text)
			}
			if r := try(t, append(slices.Clone(c.args), "600ms")...); strings.ContainsAny(r.err, "\r\x1b") || strings.Count(r.err, "\n") != 1 {
				t.Errorf("without a terminal: %q", r.err)
			}
		})
	}
}

// A command without an end stops when it cannot write its results.
func TestFullStandardOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("probed for a device that is always full: %v", err)
	}
	defer full.Close()
	node := loopback(t, "127.0.0.1:0", nil).LocalRecord().String()
	for _, args := range [][]string{{"listen", "--addr", "127.0.0.1:0"}, {"ping", "-c", "0", node}, {"enr", "inspect", node},
		{"topic", "advertise", "x", "--bootnodes", node, "--json", "--status", "10ms"}} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		cmd := exec.CommandContext(ctx, program, args...)
		var log strings.Builder
		cmd.Stdout, cmd.Stderr = full, &log
		cmd.Run()
		cancel()
		if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(log.String(), "discv5: standard output: ") {
			t.Errorf("%s: exit code %d, %q", args[0], code, log.String())
		}
	}
}
