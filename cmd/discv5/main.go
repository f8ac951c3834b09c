// Command discv5 is a tool for the Node Discovery Protocol v5.1: it makes keys and records, sends
// requests to single nodes, walks the network, and decodes packets.
//
//	discv5 ping enr:-Iu4Q...
//	discv5 findnode --distance 250-256 --each enode://...
//	discv5 crawl nodes.json --bootnodes @bootnodes.txt --timeout 30m
//
// Results go to standard output; with --json each is one JSON object on its own line. Progress and
// diagnostics go to standard error. docs/TOOL.md is the manual.
//
// # Exit codes
//
//	0  done
//	1  no answer, or a failure; one line on standard error says why
//	2  the command line, or something that it names, is wrong; the line says where
//
// # Glossary
//
//   - node: the target of a request, given as a record (enr:...), an enode URL, @FILE that holds
//     one, or - for standard input
//   - bootnodes: the nodes that a walk through the network starts from
//   - place: the part of the input that an error is about, such as "argument 1" or "--key"
//
// # Ownership
//
// A [tool] is one run of the program and owns its three streams. A [network] holds the flags of a
// command that sends, and starts the one node that sends. Commands own everything else while they
// run.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/fastdisc/discv5/internal/cli"
)

func main() {
	ctx, stop := cli.Interruptible()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// A command that cannot write its results ends as if the user had interrupted it.
	work, giveUp := context.WithCancel(ctx)
	defer giveUp()
	t := &tool{in: stdin, out: stdout, err: stderr, giveUp: giveUp}
	root := newRoot(t)
	root.SetArgs(nameRecords(args))
	err := root.ExecuteContext(work)
	lost := t.lost != nil && !cli.IsUsage(err)
	if lost {
		err = t.lost
	}
	if err == nil {
		return cli.ExitOK
	}
	if ctx.Err() != nil && !cli.IsUsage(err) && !lost {
		err = errors.New("interrupted") // the cause of whatever failed
	}
	return cli.PrintError(stderr, "discv5", err, packages...)
}

// packages begin the library's errors. Users do not need them.
var packages = []string{"discv5"}

// oneLine returns the text of an error in one line, without the names of packages.
func oneLine(err error) string { return cli.OneLine(err, packages...) }
