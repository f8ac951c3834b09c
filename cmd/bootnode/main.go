// Command bootnode is a node of the Node Discovery Protocol v5.1 that others start from. It needs no configuration: it
// makes its key, prints its record on the first line of standard output, and runs until it gets SIGINT or SIGTERM.
//
//	bootnode --addr 0.0.0.0:9000 --extip 203.0.113.7 --http 127.0.0.1:6060
//
// Its log goes to standard error. What it has to remember is in its data directory:
//
//	nodekey    the private key, 64 hexadecimal digits, readable by its owner alone
//	nodes.db   its own record and the nodes it knows; see package internal/store
//
// # Exit codes
//
//	0  stopped by a signal, --help or --version
//	1  could not start, or a socket failed; one line on standard error says why
//	2  the command line is wrong
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
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args)
	var wrong usageError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return exitOK
	case err != nil:
		complain(stderr, fmt.Errorf("%w; see bootnode --help", err))
		return exitUsage
	case o.version:
		fmt.Fprintln(stdout, versionLine())
		return exitOK
	}

	// From here on a signal ends the run in order, and a second one at once.
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitError)
	}()

	err = serve(ctx, o, stdout, newLogger(stderr, o))
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return exitOK
	case errors.As(err, &wrong):
		complain(stderr, fmt.Errorf("%w; see bootnode --help", err))
		return exitUsage
	}
	complain(stderr, err)
	return exitError
}

// complain writes an error as one line.
func complain(w io.Writer, err error) {
	fmt.Fprintf(w, "bootnode: %s\n", strings.Join(strings.Fields(err.Error()), " "))
}
