// Package proctest runs programs in tests: bootnodes, tools, and the test binary itself in another
// role. A program that a test has started never outlives it, every wait is bounded, and the log of
// a program is part of the log of a test that fails.
//
//	program := proctest.Self("MY_TEST_CHILD", "--addr", "127.0.0.1:0")
//	p := proctest.Start(t, program, proctest.Options{})
//	record := p.Record(t)
//	...
//	if code := p.End(t, syscall.SIGTERM); code != 0 { ... }
package proctest

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Patience bounds every wait. It is far above what anything takes.
const Patience = 2 * time.Minute

// Self returns a command that runs the test binary once more. The environment variable tells it
// that it is the child; TestMain looks for that.
func Self(variable string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), variable+"=1")
	return cmd
}

// Parallel lets n parallel tests run at a time, unless the command line says how many. The default
// is the number of processors, and tests that run programs mostly wait. TestMain calls it.
func Parallel(n int) {
	const name = "test.parallel"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		_ = flag.Set(name, strconv.Itoa(n)) // a flag of every test
	}
}

// Build builds the program in a directory, without the race detector that the test may run with,
// and writes it to path.
func Build(path, dir string) error {
	if out, err := exec.Command("go", "build", "-o", path, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("build of %s: %w\n%s", dir, err, out)
	}
	return nil
}

// Options says how a program is started. The zero value is right for most.
type Options struct {
	// Launch, if not nil, calls start in a thread that the test chooses, such as a thread in
	// another network namespace. By default that is a thread that lasts as long as the program,
	// which a command with Pdeathsig needs.
	Launch func(start func() error) error
	// Rest, if not nil, reads what the program writes to standard output after the first line. By
	// default Process.Out keeps it.
	Rest func(*bufio.Reader)
}

// Process is a program that runs, or has run.
type Process struct {
	Cmd *exec.Cmd
	// standard output so far, without the first line if Options.Rest reads the rest
	Out    *Buffer
	Log    *Buffer       // standard error so far, unless Cmd.Stderr was set
	Exited chan struct{} // closed when the program has ended

	first chan string
	line  *string
}

// Start starts a program, and kills it when the test ends.
func Start(t testing.TB, cmd *exec.Cmd, o Options) *Process {
	t.Helper()
	p, err := Try(t, cmd, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Try is Start for a program that may not start.
func Try(t testing.TB, cmd *exec.Cmd, o Options) (*Process, error) {
	t.Helper()
	p := &Process{Cmd: cmd, Out: new(Buffer), Log: new(Buffer), Exited: make(chan struct{}), first: make(chan string, 1)}
	if cmd.Stderr == nil {
		cmd.Stderr = p.Log
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go p.run(bufio.NewReader(out), o, started)
	if err := <-started; err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-p.Exited
		if t.Failed() && p.Log.Len() > 0 {
			t.Logf("log of %q:\n%s", cmd.Args, p.Log)
		}
	})
	return p, nil
}

// run starts the program, reads its output and waits for its end.
func (p *Process) run(out *bufio.Reader, o Options, started chan<- error) {
	defer close(p.Exited)
	var err error
	if o.Launch != nil {
		err = o.Launch(p.Cmd.Start)
	} else {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err = p.Cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	line, _ := out.ReadString('\n')
	p.first <- line
	if o.Rest != nil {
		o.Rest(out)
		_, _ = io.Copy(io.Discard, out)
	} else {
		_, _ = p.Out.Write([]byte(line))
		_, _ = io.Copy(p.Out, out)
	}
	_ = p.Cmd.Wait() // tests look at ProcessState
}

// First waits for the first line on standard output and returns it. It is empty if the program has
// ended without one.
func (p *Process) First(t testing.TB) string {
	t.Helper()
	if p.line == nil {
		select {
		case line := <-p.first:
			line = strings.TrimRight(line, "\r\n")
			p.line = &line
		case <-time.After(Patience):
			t.Fatalf("%q has written no line to standard output; its log:\n%s", p.Cmd.Args, p.Log)
		}
	}
	return *p.line
}

// Record returns the record that a node has written as the first line.
func (p *Process) Record(t testing.TB) *enr.Record {
	t.Helper()
	r, err := p.TryRecord(t)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TryRecord is Record for a node that may not start. Its error has the log.
func (p *Process) TryRecord(t testing.TB) (*enr.Record, error) {
	t.Helper()
	line := p.First(t)
	r, err := enr.ParseText(line)
	if err != nil && line == "" {
		p.Wait(t)
		return nil, fmt.Errorf("%q: %v: %s", p.Cmd.Args, p.Cmd.ProcessState, p.Log)
	}
	if err != nil {
		return nil, fmt.Errorf("first line of %q: %q: %w", p.Cmd.Args, line, err)
	}
	return r, nil
}

// Signal sends a signal.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		t.Fatalf("%v to %q: %v", s, p.Cmd.Args, err)
	}
}

// Wait waits for the end of the program and returns its exit code, -1 after a signal.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.Exited:
	case <-time.After(Patience):
		t.Fatalf("%q does not end", p.Cmd.Args)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// End sends a signal and waits for the end. The program may have ended before; then the exit code
// is its own.
func (p *Process) End(t testing.TB, s os.Signal) int {
	t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("%v to %q: %v", s, p.Cmd.Args, err)
	}
	return p.Wait(t)
}

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.Exited:
		return false
	default:
		return true
	}
}

// Result is the outcome of a program that has ended.
type Result struct {
	Code     int // exit code, -1 after a signal
	Out, Err string
}

// Run runs a program to its end. It kills one that does not end.
func Run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	return Begin(t, cmd)()
}

// Begin starts a program that is to end without help. The function that it returns waits for that.
func Begin(t testing.TB, cmd *exec.Cmd) func() Result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(Patience, func() { _ = cmd.Process.Kill() })
	return func() Result {
		t.Helper()
		_ = cmd.Wait() // the exit code tells
		if !timer.Stop() {
			t.Errorf("%q was killed after %v", cmd.Args, Patience)
		}
		return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	}
}

// Eventually waits until ok returns true.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// Metrics parses a page in the text format of Prometheus: values by their name with labels.
func Metrics(page string) (map[string]float64, error) {
	m := make(map[string]float64)
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ') // labels may have spaces
		if at < 0 || line[0] == '#' {
			continue
		}
		name, value := line[:at], line[at+1:]
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", name, err)
		}
		m[name] = v
	}
	return m, nil
}
