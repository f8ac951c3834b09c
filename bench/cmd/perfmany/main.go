// Command perfmany measures the CPU time of the whole machine for exchanges with many peers that
// have one packet each: of this node over the sockets of the system and over AF_XDP, of bare
// echoes, and of other implementations.
//
//	go run ./cmd/perfmany [-peers n] [-rounds n] [-slice d] [-nogeth] [-timeout d] [-o file]
//
// It is run in bench/, as root: it makes network namespaces with veth pairs, and sends to no other
// interface. See package internal/manypeers for the method.
//
// All servers run at the same time on one CPU and are measured in turn; the order changes from
// round to round. The session caches of other implementations hold some 1,000 sessions, so they
// have 900 peers.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/document"
	"github.com/fastdisc/discv5/bench/internal/manypeers"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
)

type options struct {
	peers, rounds  int
	slice, timeout time.Duration
	noForeign      bool
	out            string
}

func main() {
	if spec, ok, err := serve.ChildSpec(); ok {
		if err == nil {
			err = serve.Main(spec, os.Stdin, os.Stdout)
		}
		fail(err)
		return
	}
	o := options{}
	flag.IntVar(&o.peers, "peers", 16384, "peers, with one request each; other implementations have at most 900")
	flag.IntVar(&o.rounds, "rounds", 11, "rounds")
	flag.DurationVar(&o.slice, "slice", 500*time.Millisecond, "length of one measurement")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Minute, "end the run, without figures, after this time; the first one builds other implementations")
	flag.BoolVar(&o.noForeign, "nogeth", false, "leave out other implementations")
	flag.StringVar(&o.out, "o", "", "write the figures to this file as JSON")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "perfmany:", err)
		os.Exit(2)
	}
	time.AfterFunc(o.timeout, func() { fail(fmt.Errorf("not done after %v", o.timeout)) })
	err := run(o)
	if errors.Is(err, manypeers.ErrRoot) {
		err = fmt.Errorf("%w; nothing was measured", err)
	}
	fail(err)
}

func (o *options) check() error {
	if flag.NArg() > 0 || o.peers < 1 || o.peers > manypeers.MaxPeers || o.rounds < 1 || o.slice <= 0 || o.timeout <= 0 {
		return fmt.Errorf("want -peers of 1 to %d, -rounds 1 or more, -slice and -timeout above 0, and no arguments", manypeers.MaxPeers)
	}
	return nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "perfmany:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	cpus, err := serve.CPUs()
	if err != nil {
		return err
	}
	b := &bench{options: o, driverCPU: cpus[0], serverCPU: cpus[len(cpus)-1]}
	b.report = results.ManyPeers{
		Date: time.Now().UTC().Truncate(time.Second), Machine: results.Here(len(cpus)), Rounds: o.rounds, Slice: o.slice,
		Commands: []string{strings.TrimSpace("go run ./cmd/perfmany " + strings.Join(os.Args[1:], " "))},
	}
	if b.lab, err = manypeers.Open(b.driverCPU); err != nil {
		return err
	}
	defer b.lab.Close()
	defer b.close()
	if err := serve.Pin(b.driverCPU); err != nil {
		return fmt.Errorf("bind the load generator to CPU %d: %w", b.driverCPU, err)
	}
	runtime.GOMAXPROCS(2) // one processor is the generator's
	if err := b.setUp(); err != nil {
		return err
	}
	if err := b.measure(); err != nil {
		return err
	}
	fmt.Println(document.ManyPeers(&b.report))
	if o.out == "" {
		return nil
	}
	return b.report.Save(o.out)
}
