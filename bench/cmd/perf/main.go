// Command perf compares the node with a bare echo server and with other implementations, end to end
// over loopback, and measures how its cost grows with sessions, workers and junk, and what the
// stages of its packet path cost separately.
//
//	go run ./cmd/perf [-quick] [-o file] [-rounds n] [-slice d] [-sessions n] [-window n]
//	go run ./cmd/perf -only ping -profile cpu.prof [-server discv5] [-hold 10s]
//
// It is run in bench/. Every server runs in a process of its own. All of them are bound to one CPU
// and the load generator to another, and only one is under load at a time. Each round measures
// every server for a short slice in turn, so that what else happens on the machine meets all of
// them alike; the figures are medians over the rounds, and ratios are medians of the ratios within
// a round.
//
// The figure is CPU time of the server's process, user and system, for each exchange that was
// answered. The generator polls its socket and never sleeps: on loopback, waking the receiver is
// charged to the sender. The echo server receives and sends datagrams of the very same sizes
// through package fastpath and does nothing else.
//
// Sections beside the workloads have names too, for -only: flood, workers, sessions, junk-share,
// stages.
//
// Files:
//
//	main.go      flags and order
//	flags.go     what flags may be
//	bench.go     servers, workloads and their entries
//	measure.go   one slice, all rounds, latencies
//	handshake.go handshakes
//	flood.go     steady sessions beside junk
//	scale.go     workers, sessions, share of junk
//	stages.go    Go benchmarks
//	report.go    what was found, as text and as a file
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
)

type options struct {
	rounds  int
	slice   time.Duration
	few     int // sessions of most workloads
	many    int // sessions of the large map
	window  int
	burst   int
	out     string
	only    string
	profile string
	noGeth  bool
	hold    time.Duration
	latency int
	server  string
	sleep   bool
	quick   bool
	partial bool
}

func main() {
	if spec, ok, err := serve.ChildSpec(); ok {
		if err == nil {
			err = serve.Main(spec, os.Stdin, os.Stdout)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "perf:", err)
			os.Exit(1)
		}
		return
	}
	o := options{few: 1000}
	flag.BoolVar(&o.quick, "quick", false, "take two minutes or less: fewer and shorter rounds, 2,000 sessions for the large map, and no stage with a large one")
	flag.IntVar(&o.rounds, "rounds", 11, "rounds")
	flag.DurationVar(&o.slice, "slice", 400*time.Millisecond, "length of one measurement")
	flag.IntVar(&o.many, "sessions", 100_000, "sessions of the large map; 0 leaves it out")
	flag.IntVar(&o.window, "window", 256, "exchanges under way")
	flag.IntVar(&o.burst, "burst", 63, "requests in a system call of the load generator, at most 63")
	flag.BoolVar(&o.sleep, "sleep", false, "let the load generator sleep while it waits, so that the server has to wake it")
	flag.StringVar(&o.out, "o", "", "write all figures to this file as JSON, if none is missing")
	flag.BoolVar(&o.partial, "partial", false, "write the file even if figures are missing")
	flag.StringVar(&o.only, "only", "", "run only workloads and sections whose name has this prefix")
	flag.BoolVar(&o.noGeth, "nogeth", false, "leave out all other implementations")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of one server to this file instead of measuring")
	flag.StringVar(&o.server, "server", "discv5", "which server -profile and -hold load, with the first workload that -only names")
	flag.DurationVar(&o.hold, "hold", 0, "load one server for this long, say its process ID, and measure nothing")
	flag.Parse()
	o.latency = 500
	if o.quick {
		o.rounds, o.slice, o.latency = min(o.rounds, 2), min(o.slice, 80*time.Millisecond), 50
		o.many = min(o.many, 2000)
	}
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	cpus, err := serve.CPUs()
	if err != nil {
		return err
	}
	serverCPU, driverCPU := cpus[len(cpus)-1], cpus[0]
	if err := serve.Pin(driverCPU); err != nil {
		return fmt.Errorf("bind the load generator to CPU %d: %w", driverCPU, err)
	}
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)

	b := &bench{options: o, cpus: cpus, serverCPU: serverCPU, driverCPU: driverCPU, load5: results.LoadAverage()}
	defer b.close()
	if err := b.setUp(); err != nil {
		return err
	}
	if o.hold > 0 || o.profile != "" {
		return b.load()
	}
	steps := []func() error{b.measure, b.handshakes, b.floods, b.finish, b.scale, b.stages}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	print(os.Stdout, &b.report)
	if o.out == "" {
		return nil
	}
	if err := b.report.Check(); err != nil && !o.partial {
		return fmt.Errorf("%s is not written: %w", o.out, err)
	}
	return b.report.Save(o.out)
}
