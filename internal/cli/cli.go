// Package cli holds what the programs below cmd/ share: exit codes, usage errors, errors in a
// single line, signals, lists, and the values of flags for addresses and times.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/fastdisc/discv5/internal/quote"
)

// Exit codes of all programs. A program may add codes above these.
const (
	ExitOK     = 0
	ExitFailed = 1
	// ExitUsage says that the command line, or something that it names, is wrong: a retry does not
	// help.
	ExitUsage = 2
)

// UsageError is an error about the command line, or about something that it names. Programs end
// with ExitUsage.
type UsageError struct{ Err error }

// Error implements error.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the error that e marks.
func (e UsageError) Unwrap() error { return e.Err }

// Usage marks err as a usage error. It returns nil if err is nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// Usagef is Usage(fmt.Errorf(format, args...)).
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// IsUsage reports whether err, or an error that it wraps, is a UsageError.
func IsUsage(err error) bool {
	var usage UsageError
	return errors.As(err, &usage)
}

// ExitCode returns the exit code for err: ExitOK if it is nil, ExitUsage for a usage error, and
// ExitFailed otherwise.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case IsUsage(err):
		return ExitUsage
	}
	return ExitFailed
}

// OneLine returns the text of err as a single line without control characters, and an empty string
// if err is nil. It cuts long words and long quoted texts: see [quote.Line]. It removes the names
// of the given packages where they begin the text or follow a colon.
func OneLine(err error, packages ...string) string {
	if err == nil {
		return ""
	}
	text := ": " + quote.Line(err.Error())
	for _, p := range packages {
		for name := ": " + p + ": "; strings.Contains(text, name); {
			text = strings.ReplaceAll(text, name, ": ")
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text[2:])
}

// PrintError writes err to w as a single line that begins with the name of the program, and returns
// its exit code. It removes the names of packages as OneLine does.
func PrintError(w io.Writer, program string, err error, packages ...string) int {
	fmt.Fprintf(w, "%s: %s\n", program, OneLine(err, packages...))
	return ExitCode(err)
}

// WithHelp appends a hint at the program's --help to the text of a usage error. It returns other
// errors unchanged.
func WithHelp(err error, program string) error {
	if !IsUsage(err) {
		return err
	}
	return fmt.Errorf("%w; see %s --help", err, program)
}

// Interruptible returns a context that ends with the first SIGINT or SIGTERM. A second signal ends
// the process with ExitFailed. Callers must call stop to release the context; the signals stay
// caught.
func Interruptible() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(ExitFailed)
	}()
	return ctx, stop
}
