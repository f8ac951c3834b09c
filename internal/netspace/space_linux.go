package netspace

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds the run of a program, and is far above what any takes.
const patience = time.Minute

// errEnded: a function has ended the thread, or Close has.
var errEnded = errors.New("the network namespace has ended")

// Space is a network namespace. Its methods may be called by several goroutines, but not
// together with Close.
type Space struct {
	tid  int
	work chan func()
	gone chan struct{}
	once sync.Once
}

// New makes a namespace.
func New() (*Space, error) {
	s := &Space{work: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(s.gone)
		// The thread stays locked, so it ends with the goroutine. The main thread of a process does
		// not: callers that need the end of the namespace keep the main goroutine on it.
		runtime.LockOSThread()
		s.tid = syscall.Gettid()
		ready <- syscall.Unshare(syscall.CLONE_NEWNET)
		for f := range s.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		s.Close()
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return s, nil
}

// TID returns the ID of the thread, by which the program ip finds the namespace ("netns 1234").
func (s *Space) TID() int { return s.tid }

// Do calls f on the thread and returns its error. Sockets that f opens and processes that it starts
// are in the namespace. f must not call Do.
func (s *Space) Do(f func() error) (err error) {
	done := make(chan struct{})
	work := func() {
		defer close(done) // also if f ends the goroutine, as t.Fatal does
		err = f()
	}
	select {
	case s.work <- work:
		<-done
		return err
	case <-s.gone:
		return errEnded
	}
}

// Run runs a program in the namespace, for a minute at most, and returns all its output. Its error
// has the output too.
func (s *Space) Run(args ...string) (out string, err error) { return s.run("", args) }

func (s *Space) run(stdin string, args []string) (out string, err error) {
	err = s.Do(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		b, err := cmd.CombinedOutput()
		if out = string(b); err != nil {
			return fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, stdin, out)
		}
		return nil
	})
	return out, err
}

// IP changes interfaces, addresses and routes. Each line is what follows the command ip. Lines
// after the first one that fails are left out.
func (s *Space) IP(lines ...string) error {
	_, err := s.run(strings.Join(lines, "\n")+"\n", []string{"ip", "-batch", "-"})
	return err
}

// Close ends the thread and waits for that. It may be called more than once.
func (s *Space) Close() {
	s.once.Do(func() { close(s.work) })
	<-s.gone
}
