// Command bootnode runs a bootnode of the Node Discovery Protocol v5.1: a node that others start
// from. It needs no configuration: it makes its key, prints its record on the first line of
// standard output, and runs until SIGINT or SIGTERM.
//
//	bootnode --addr 0.0.0.0:9000 --extip 203.0.113.7 --http 127.0.0.1:6060
//
// It logs to standard error and keeps its state in the data directory:
//
//	nodekey    the private key: 64 hexadecimal digits, readable by its owner only
//	nodes.db   the node's own record and the nodes that it knows; see package internal/store
//
// docs/OPERATING.md is the manual for operators.
//
// # Glossary
//
//   - setting: a flag, an environment variable DISCV5_NAME, or a key of the configuration file; the
//     three have the same name
//   - source: an entry of --bootnodes: a contact, a host name, or a list in DNS (enrtree://)
//   - seed: a node that nodes.db has from an earlier run
//   - mapping: a port that the router forwards to us because of --nat
//
// # Signals
//
//	SIGINT, SIGTERM  save and stop; a second signal stops without saving
//	SIGHUP           reload bootnodes, bans, networks and log level
//
// # Exit codes
//
//	0  stopped by a signal; --help, --version, --print-config, --check-config
//	1  a start, a socket or the last save failed; one line on standard error says why
//	2  a setting is wrong
//
// # Ownership
//
// daemon.serve creates every part and closes the parts in reverse order. Each of these goroutines
// has one owner: watch saves and reports, bootnodeFinder queries DNS, reloader waits for SIGHUP,
// each nat.Mapper renews a mapping, and the HTTP server answers requests. None of them is on the
// packet path; they read what the node publishes. watch writes to the store, and so does
// each goroutine that changes the node's own record.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/version"
)

func main() {
	os.Exit(run(os.Args[1:], hostSystem(), os.Stdout, os.Stderr))
}

// run is main without the process around it. It returns the exit code.
func run(args []string, s system, stdout, stderr io.Writer) int {
	// The line that says why the program ends has a priority in the systemd journal.
	failure := stderr
	if s.journal {
		failure = prefixWriter{stderr, priorities[0]}
	}
	if code, ok := runCommand(args, s, stdout, stderr); ok {
		return code
	}
	o, err := load(args, s.environ)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return printOut(stdout, stderr, usage())
	case err != nil:
		return printErr(failure, cli.Usage(err))
	case o.version:
		return printOut(stdout, stderr, version.Line("bootnode")+"\n")
	case o.print:
		return printOut(stdout, stderr, printConfig(o))
	case o.check:
		return checkAll(o, stdout, stderr)
	}
	ctx, stop := cli.Interruptible()
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	p := program{args: args, system: s, stdout: stdout, hup: hup}
	p.log, p.level = newLogger(stderr, o, s.journal)
	if len(o.networkList) > 0 {
		err = (&group{program: p, o: o}).serve(ctx)
	} else {
		err = (&daemon{program: p, o: o}).serve(ctx)
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return cli.ExitOK
	}
	return printErr(failure, err)
}

// printOut writes the text that the user asked for. It returns the exit code.
func printOut(stdout, stderr io.Writer, text string) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		return printErr(stderr, fmt.Errorf("standard output: %w", err))
	}
	return cli.ExitOK
}

// printErr writes err as a single line and returns its exit code.
func printErr(w io.Writer, err error) int {
	return cli.PrintError(w, "bootnode", cli.WithHelp(err, "bootnode"), "discv5")
}
