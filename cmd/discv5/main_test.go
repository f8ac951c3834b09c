package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// program is the path of the tool, which TestMain builds once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "discv5-tool-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	proctest.Parallel(8)
	program = filepath.Join(dir, "discv5")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	code := 1
	if err := proctest.Build(program, "."); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// result is the result of a run of the program.
type result struct {
	code     int
	out, err string
}

// tryInput runs the program with standard input.
func tryInput(t testing.TB, input string, args ...string) result {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	r := proctest.Run(t, cmd)
	return result{r.Code, r.Out, r.Err}
}

// try runs the program.
func try(t testing.TB, args ...string) result {
	t.Helper()
	return tryInput(t, "", args...)
}

// patient and hasty are timeouts for nodes that will answer, and where some nodes will not. The
// others answer in much less than hasty, unless the machine pauses.
const (
	patient = "20s"
	hasty   = "3s"
)

// patience bounds the waits of these tests. It is far above what anything takes.
const patience = 2 * time.Minute

// must runs the program, which must succeed, and returns its output.
func must(t testing.TB, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.code != cli.ExitOK {
		t.Fatalf("discv5 %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// objects runs the program with --json and parses its output, one object a line.
func objects(t testing.TB, args ...string) []map[string]any {
	t.Helper()
	return parseObjects(t, must(t, append(args, "--json")...))
}

func parseObjects(t testing.TB, out string) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("not a JSON object: %q: %v", line, err)
		}
		list = append(list, o)
	}
	return list
}

// loopback starts a node of the library.
func loopback(t testing.TB, addr string, change func(*discv5.Config)) *discv5.Node {
	t.Helper()
	cfg := discv5.Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort(addr)}, Sockets: 1, MaxSessions: 256, MaxChallenges: 256, RequestTimeout: 5 * time.Second}
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg.PrivateKey = key
	if change != nil {
		change(&cfg)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		if strings.Contains(addr, "[::1]") {
			t.Skipf("probed for IPv6: %v", err)
		}
		t.Fatal(err)
	}
	keys.Store(n.ID(), cfg.PrivateKey)
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// keys are the keys of the nodes that loopback started.
var keys sync.Map // enr.ID to *enr.PrivateKey

// families are the two loopback addresses.
var families = []string{"127.0.0.1:0", "[::1]:0"}

// file creates a file and returns its path.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
