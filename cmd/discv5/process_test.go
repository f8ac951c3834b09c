package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a run of the program that goes on.
type process struct {
	cmd   *exec.Cmd
	done  chan struct{}
	mu    sync.Mutex
	out   strings.Builder
	err   bytes.Buffer
	lines []string
}

// start runs the program until interrupt or the end of the test.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.read(out)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) read(r io.Reader) {
	for s := bufio.NewScanner(r); s.Scan(); {
		p.mu.Lock()
		p.out.WriteString(s.Text() + "\n")
		p.lines = append(p.lines, s.Text())
		p.mu.Unlock()
	}
}

func (p *process) interrupt(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the end and returns exit code and standard output.
func (p *process) wait(t testing.TB) (int, string) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(30 * slowness * time.Second):
		t.Fatal("the program does not end")
	}
	return p.cmd.ProcessState.ExitCode(), p.out.String()
}

// has reports whether a line with all of the words has been printed.
func (p *process) has(words ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		all := true
		for _, w := range words {
			all = all && strings.Contains(l, w)
		}
		if all {
			return true
		}
	}
	return false
}

// first is the first line of standard output.
func (p *process) first(t testing.TB) (line string) {
	t.Helper()
	until(t, "first line of output", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.lines) > 0 {
			line = p.lines[0]
		}
		return line != ""
	})
	return line
}
