// Sim lets a swarm of discv5 nodes live for a simulated time, and reports on it.
//
// Everything runs in one goroutine, on virtual time, and a seed makes a run happen again; see
// package simnet. It ends with 0, with 1 if an invariant did not hold, the swarm could not be made,
// or a signal came, and with 2 if the command line is wrong. After a first SIGINT or SIGTERM the
// report has the figures so far.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return cli.ExitOK
	case err != nil:
		return printErr(stderr, cli.Usage(err))
	}
	// The first signal ends the run with the report so far, the second one ends it immediately.
	ctx, stop := cli.Interruptible()
	defer stop()
	run := func() error { return simulate(ctx, o, args, stdout) }
	if o.attack {
		run = func() error { return attack(ctx, o, stdout) }
	}
	if err := run(); err != nil {
		return printErr(stderr, err)
	}
	return cli.ExitOK
}

// printErr writes err as a single line and returns its exit code.
func printErr(w io.Writer, err error) int {
	return cli.PrintError(w, "sim", cli.WithHelp(err, "sim"))
}
