// Command loadgen puts a node of Node Discovery v5.1 under load and reports throughput, losses and
// latency.
//
//	loadgen --target enr:-Iu4Q... --identities 1000 --duration 30s
//	loadgen --target enode://...@127.0.0.1:9000 --mode findnode --rate 20000 --html report.html --pid 4711
//	loadgen --target enr:-Iu4Q... --mode junk --sources 1000 --rate 50000
//
// The report goes to standard output, and with --json and --html to files; progress and errors go
// to standard error. Targets that are neither on this machine nor in a private network are refused
// without --i-own-this-target. See docs/LOADGEN.md.
//
// # Exit codes
//
//	0  done, also when interrupted by a first SIGINT or SIGTERM: the report has the figures so far
//	1  cannot run, or the target did not answer at all; one line on standard error says why
//	2  the command line is wrong
//	3  done, but a threshold was not kept: --max-loss, --min-rate, --max-p99
//
// # Who owns what
//
// Package load does the work. An [options] is the command line; a [report] is everything that text,
// JSON and HTML are made of.
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

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/version"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitThreshold = 3
)

// usageError is an error about the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errThreshold: the run is done, and a threshold was not kept.
var errThreshold = errors.New("threshold not kept")

func main() {
	ctx, stop := context.WithCancel(context.Background())
	// The first signal ends the run in order, the second one immediately.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitFailed)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return exitOK
	case err != nil:
		complain(stderr, fmt.Errorf("%w; see loadgen --help", err))
		return exitUsage
	case o.version:
		fmt.Fprintln(stdout, version.Line("loadgen"))
		return exitOK
	}
	err = generate(ctx, o, stdout, stderr)
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		complain(stderr, fmt.Errorf("%w; see loadgen --help", err))
		return exitUsage
	}
	complain(stderr, err)
	if errors.Is(err, errThreshold) {
		return exitThreshold
	}
	return exitFailed
}

// complain writes an error as one line. The library's errors begin with the name of its package.
func complain(w io.Writer, err error) {
	text := quote.Line(err.Error())
	fmt.Fprintf(w, "loadgen: %s\n", strings.ReplaceAll(": "+text, ": load: ", ": ")[2:])
}
