package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/fastdisc/discv5/internal/proctest"
)

// process is a run of the program in the background.
type process struct{ *proctest.Process }

// start runs the program until interrupt or the end of the test.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return &process{proctest.Start(t, exec.Command(program, args...), proctest.Options{})}
}

func (p *process) interrupt(t testing.TB) {
	t.Helper()
	p.Signal(t, os.Interrupt)
}

// wait waits for the end and returns exit code and standard output.
func (p *process) wait(t testing.TB) (int, string) {
	t.Helper()
	code := p.Wait(t)
	return code, p.Out.String()
}

// has reports whether the program has printed a line with all of the words.
func (p *process) has(words ...string) bool { return p.Out.Lines(words...) > 0 }

// first returns the first line of standard output.
func (p *process) first(t testing.TB) string {
	t.Helper()
	return p.First(t)
}
