// Command bootnode is a node of the Node Discovery Protocol v5.1 that others start from. It needs
// no configuration: it makes its key, prints its record on the first line of standard output, and
// runs until it gets SIGINT or SIGTERM.
//
//	bootnode --addr 0.0.0.0:9000 --extip 203.0.113.7 --http 127.0.0.1:6060
//
// Its log goes to standard error. What it has to remember is in its data directory:
//
//	nodekey    the private key, 64 hexadecimal digits, readable by its owner alone
//	nodes.db   its own record and the nodes it knows; see package internal/store
//
// docs/OPERATING.md is for those who run it.
//
// # Glossary
//
//   - setting: a flag, an environment variable DISCV5_NAME or a key of the configuration file; all
//     have the same name
//   - source: an entry of the bootnodes: a contact, a host name, or a list in DNS (enrtree://)
//   - seed: a node of the last run, out of nodes.db
//   - mapping: what a router was asked for with --nat
//
// # Signals
//
//	SIGINT, SIGTERM  save and stop; a second one stops at once
//	SIGHUP           read bootnodes, bans, networks and log level anew
//
// # Exit codes
//
//	0  stopped by a signal, --help, --version, --print-config, --check-config
//	1  could not start, or a socket failed, or the last save did; one line on standard error says why
//	2  a setting is wrong
//
// # Who owns what
//
// serve makes everything and takes it down in the opposite order. Goroutines: watch saves and
// reports; finder asks DNS; reloader waits for SIGHUP; one for each nat.Mapper; those of the HTTP
// server. None is on a packet's way: they read what the node publishes. The store is written by
// watch, and by whoever changes the node's own record.
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
