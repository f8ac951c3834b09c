package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/version"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	os.Exit(run(os.Args[1:], hostSystem(), os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(args []string, s system, stdout, stderr io.Writer) int {
	failure := stderr // for the line that says why the program ends
	if s.journal {
		failure = prefixWriter{stderr, priorities[0]}
	}
	o, err := load(args, s.environ)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return say(stdout, stderr, usage())
	case err != nil:
		complain(failure, usageError{err})
		return exitUsage
	case o.version:
		return say(stdout, stderr, version.Line("bootnode")+"\n")
	case o.print:
		return say(stdout, stderr, printConfig(o))
	case o.check:
		return check(o, stdout, stderr)
	}

	// From here on a signal ends the run in order, and a second one at once.
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, hup := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitError)
	}()

	d := &daemon{args: args, system: s, o: o, stdout: stdout, hup: hup}
	d.log, d.quiet, d.level = newLogger(stderr, o, s.journal)
	err = d.serve(ctx)
	d.quiet.flush(time.Now(), true)
	if err == nil || errors.Is(err, context.Canceled) {
		return exitOK
	}
	complain(failure, err)
	return exitCode(err)
}

// exitCode tells mistakes in the settings, which no restart can mend, from other errors.
func exitCode(err error) int {
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitError
}

// say writes what was asked for, and returns the exit code.
func say(stdout, stderr io.Writer, text string) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		complain(stderr, fmt.Errorf("standard output: %w", err))
		return exitError
	}
	return exitOK
}

// complain writes an error as one line.
func complain(w io.Writer, err error) {
	text := oneLine(err)
	if errors.As(err, new(usageError)) {
		text += "; see bootnode --help"
	}
	fmt.Fprintf(w, "bootnode: %s\n", text)
}

// oneLine is the text of an error, of which some have several lines, without control characters.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, quote.Line(err.Error()))
}
