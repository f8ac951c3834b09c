// Command discv5 is a tool for the Node Discovery Protocol v5.1: it makes keys and records, asks
// single nodes, walks the network, and takes packets apart.
//
//	discv5 ping enr:-Iu4Q...
//	discv5 findnode --distance 250-256 --each enode://...
//	discv5 crawl nodes.json --bootnodes @bootnodes.txt --timeout 30m
//
// Results go to standard output; with --json each is one JSON object on a line of its own. Progress
// and diagnostics go to standard error. See docs/TOOL.md.
//
// # Exit codes
//
//	0  done
//	1  no answer, or it failed; one line on standard error says why
//	2  the command line or what it names is wrong; the line says where
//
// # Glossary
//
//   - node: a target of a request, given as record (enr:...), enode URL, @FILE that holds one, or -
//     for standard input
//   - bootnodes: the nodes from which a walk through the network starts
//   - place: the part of the input that an error is about, such as "argument 1" or "--key"
//
// # Who owns what
//
// A [tool] is one run of the program and owns its three streams. A [network] holds the flags of a
// command that sends, and starts the one node through which it does. Commands own everything else
// for as long as they run.
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

	"github.com/fastdisc/discv5/internal/quote"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	// The first signal ends a command in order, the second one at once.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(exitFailed)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// A command whose results go nowhere ends as if it had been interrupted.
	work, giveUp := context.WithCancel(ctx)
	defer giveUp()
	t := &tool{in: stdin, out: stdout, err: stderr, giveUp: giveUp}
	root := newRoot(t)
	root.SetArgs(nameRecords(args))
	err := root.ExecuteContext(work)
	lost := t.lost != nil && !isUsage(err)
	if lost {
		err = t.lost
	}
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && !isUsage(err) && !lost:
		err = errors.New("interrupted") // what failed failed for that reason
	}
	fmt.Fprintf(stderr, "discv5: %s\n", oneLine(err))
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

// oneLine is the text of an error in one line. The library's errors begin with the name that this
// program's lines begin with.
func oneLine(err error) string {
	text := quote.Line(err.Error())
	return strings.TrimPrefix(strings.ReplaceAll(text, ": discv5: ", ": "), "discv5: ")
}
