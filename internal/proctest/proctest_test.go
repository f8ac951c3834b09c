package proctest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const childEnv = "PROCTEST_CHILD"

// TestMain is the program under test in a child: it says a line, and echoes lines in capitals until
// its input ends. Its exit code is 3.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	fmt.Println("first", strings.Join(os.Args[1:], " "))
	fmt.Fprintln(os.Stderr, "a line", "of the log")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		fmt.Println(strings.ToUpper(s.Text()))
	}
	os.Exit(3)
}

func TestProcess(t *testing.T) {
	cmd := Self(childEnv, "x", "y")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, cmd, Options{})
	if line := p.First(t); line != "first x y" || p.First(t) != line {
		t.Errorf("first line %q", line)
	}
	Eventually(t, "a line of the log", func() bool { return p.Log.Lines("line", "log") == 1 })
	if p.Log.Lines("line", "other") != 0 {
		t.Error("a line that is not there was counted")
	}
	fmt.Fprintln(in, "more")
	Eventually(t, "more output", func() bool { return p.Out.String() == "first x y\nMORE\n" })
	if !p.Running() {
		t.Error("it does not run")
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(t); code != 3 || p.Running() {
		t.Errorf("exit code %d, running %v", code, p.Running())
	}
	if _, err := p.TryRecord(t); err == nil {
		t.Error("the line passes as a record")
	}
}

// The rest of standard output goes to Options.Rest, and Launch chooses the thread.
func TestOptions(t *testing.T) {
	cmd := Self(childEnv)
	cmd.Stdin = strings.NewReader("one\ntwo\n")
	var rest []byte
	launched := false
	p := Start(t, cmd, Options{
		Launch: func(start func() error) error { launched = true; return start() },
		Rest:   func(r *bufio.Reader) { rest, _ = io.ReadAll(r) },
	})
	if p.Wait(t); string(rest) != "ONE\nTWO\n" || !launched {
		t.Errorf("%q, launched %v", rest, launched)
	}
}

func TestRun(t *testing.T) {
	r := Run(t, Self(childEnv, "a"))
	if r != (Result{3, "first a\n", "a line of the log\n"}) {
		t.Errorf("%+v", r)
	}
}

// A program that still runs is killed when the test ends.
func TestEndsWithTheTest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("probed for exit codes of killed programs: Windows has others")
	}
	var p *Process
	t.Run("inner", func(t *testing.T) {
		cmd := Self(childEnv)
		if _, err := cmd.StdinPipe(); err != nil { // which stays open
			t.Fatal(err)
		}
		p = Start(t, cmd, Options{})
	})
	select {
	case <-p.Exited:
	case <-time.After(Patience):
		t.Fatal("the program outlives the test")
	}
	if code := p.Cmd.ProcessState.ExitCode(); code != -1 {
		t.Errorf("exit code %d, want a signal", code)
	}
}

func TestBuffer(t *testing.T) {
	var b Buffer
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				b.Write([]byte("ab\n"))
				_ = b.String()
			}
		})
	}
	wg.Wait()
	if b.Len() != 2400 || b.Lines("a", "b") != 800 || !bytes.Equal([]byte(b.String()), bytes.Repeat([]byte("ab\n"), 800)) {
		t.Errorf("%d bytes, %d lines", b.Len(), b.Lines("a"))
	}
}

func TestMetrics(t *testing.T) {
	m, err := Metrics("# HELP a text here\n# TYPE a counter\na 1\nb{c=\"d\"} 2.5\ne{f=\"g h\"} 3\n")
	if err != nil || len(m) != 3 || m["a"] != 1 || m[`b{c="d"}`] != 2.5 || m[`e{f="g h"}`] != 3 {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := Metrics("a b c\n"); err == nil {
		t.Error("a value that is none passes")
	}
}
