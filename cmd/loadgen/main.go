// Command loadgen puts a node of Node Discovery v5.1 under load and reports throughput, losses and
// latency.
//
//	loadgen --target enr:-Iu4Q... --identities 1000 --duration 30s
//	loadgen --target enode://...@127.0.0.1:9000 --mode findnode --rate 20000 --html report.html
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

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/version"
)

// exitThreshold says that the run is done, and that it did not keep a threshold.
const exitThreshold = cli.ExitUsage + 1

// errThreshold: the run is done, and a threshold was not kept.
var errThreshold = errors.New("threshold not kept")

func main() {
	ctx, stop := cli.Interruptible()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	o, err := parseFlags(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return cli.ExitOK
	case err != nil:
		return printErr(stderr, cli.Usage(err))
	case o.version:
		fmt.Fprintln(stdout, version.Line("loadgen"))
		return cli.ExitOK
	}
	err = generate(ctx, o, stdout, stderr)
	switch {
	case err == nil:
		return cli.ExitOK
	case errors.Is(err, errThreshold):
		printErr(stderr, err)
		return exitThreshold
	}
	return printErr(stderr, err)
}

// printErr writes err as a single line, without the names of packages, and returns its exit code.
func printErr(w io.Writer, err error) int {
	return cli.PrintError(w, "loadgen", cli.WithHelp(err, "loadgen"), "fastpath")
}
