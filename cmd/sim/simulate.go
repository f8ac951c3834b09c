package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/fastdisc/discv5/simnet"
)

// report is what is written as JSON.
type report struct {
	Args        []string
	Seed        uint64
	Nodes       int
	Simulated   float64 // seconds, joining included
	Elapsed     float64 // seconds that it took
	HeapBytes   uint64  // in use at the end, all nodes together
	NodeBytes   uint64  // of it, for each
	Collections int     // of garbage
	Returned    int     // nodes that left and came back
	Compared    int     // pairs of nodes whose sessions were compared at the end
	Traffic     simnet.Traffic
	Trace       string
	Samples     []simnet.Sample
	Violated    []string
}

// joinLines is how many lines are written while the nodes arrive.
const joinLines = 5

// simulate runs the swarm. Its error names the seed.
func simulate(o *options, args []string, out io.Writer) error {
	began := time.Now()
	n := simnet.New(simnet.Config{
		Seed: o.seed, Conditions: o.cond, InsecureCurve: !o.real, Audit: o.audit, Records: 8 * o.swarm.Nodes,
	})
	collect := newCollector(n, uint64(o.memory)*1e6)
	defer collect.stop()
	s := n.NewSwarm(o.swarm)
	lines := out
	if o.json == "-" {
		lines = io.Discard
	}
	fmt.Fprintf(lines, "seed %d, %d nodes\n", o.seed, o.swarm.Nodes)
	for i := range joinLines {
		n.At(o.swarm.Join*time.Duration(i+1)/joinLines-1, func() {
			fmt.Fprintf(lines, "%d nodes have joined, %d datagrams, %.0f s elapsed\n", len(n.Nodes()), n.Traffic().Sent, time.Since(began).Seconds())
		})
	}
	if err := s.Join(); err != nil {
		return fmt.Errorf("seed %d: %w", o.seed, err)
	}
	r := report{Args: args, Seed: o.seed, Nodes: o.swarm.Nodes}
	fmt.Fprintln(lines, head)
	for end := n.Now() + o.duration; n.Now() < end; {
		if err := s.Run(min(o.sample, end-n.Now())); err != nil {
			return fmt.Errorf("seed %d: %w", o.seed, err)
		}
		p := s.Sample()
		r.Samples = append(r.Samples, p)
		fmt.Fprintln(lines, line(p, time.Since(began)))
	}
	r.Simulated, r.Elapsed = n.Now().Seconds(), time.Since(began).Seconds()
	r.Traffic, r.Trace, r.Returned = n.Traffic(), fmt.Sprintf("%016x", n.Trace()), s.Returned
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.Collections = collect.Runs
	r.HeapBytes, r.NodeBytes = m.HeapAlloc, m.HeapAlloc/uint64(o.swarm.Nodes)
	r.Compared = n.CheckSessions(200)
	failure := check(n, &r)
	summarize(lines, &r)
	if err := write(o.json, out, &r); err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("%w; to run it again: sim %s", failure, strings.Join(again(args, o.seed), " "))
	}
	return nil
}

// again is the command line with the seed named.
func again(args []string, seed uint64) []string {
	for _, a := range args {
		if strings.HasPrefix(a, "--seed") {
			return args
		}
	}
	return append([]string{fmt.Sprintf("--seed=%d", seed)}, args...)
}

func check(n *simnet.Network, r *report) error {
	err := n.Check()
	if v, ok := err.(*simnet.ViolationError); ok {
		for _, one := range v.First {
			r.Violated = append(r.Violated, one.String())
		}
	}
	return err
}

const head = "   hour  nodes |   dgram     kB  shake request timeout |  entry alive relay alive |  sess  max | looks recall settled closest  hops query  fail  took | elapsed"

func line(p simnet.Sample, elapsed time.Duration) string {
	l := &p.Lookups
	return fmt.Sprintf("%7.2f %6d | %7.1f %6.1f %6.1f %7.1f  %5.2f%% | %6.1f %4.1f%% %5.1f %4.1f%% | %5.1f %4d | %5d %5.1f%%  %5.1f%%  %5.1f%% %5.2f %5.1f %4.1f%% %4.1fs | %6.0fs",
		p.At/3600, p.Running, p.Datagrams, p.Bytes/1000, p.Handshakes, p.Requests, 100*p.TimedOut,
		p.Entries, 100*p.EntriesAlive, p.Relayed, 100*p.RelayedAlive, p.Sessions, p.MaxSessions,
		l.Ended, 100*l.Recall, 100*l.RecallSettled, 100*l.Closest, l.Hops, l.Queries, 100*l.Failed, l.Took, elapsed.Seconds())
}

// summarize writes what is true of the whole run.
func summarize(out io.Writer, r *report) {
	t := &r.Traffic
	fmt.Fprintf(out, "%d datagrams, %.1f GB, in %.0f simulated and %.0f real seconds: %.2f µs each\n",
		t.Sent, float64(t.Bytes)/1e9, r.Simulated, r.Elapsed, r.Elapsed*1e6/float64(max(t.Sent, 1)))
	for f, k := range t.Fates {
		if k > 0 {
			fmt.Fprintf(out, "  %s: %d\n", simnet.Fate(f), k)
		}
	}
	fmt.Fprintf(out, "heap %.1f MB, %d bytes for each node\ntrace %s\n", float64(r.HeapBytes)/1e6, r.NodeBytes, r.Trace)
	for _, v := range r.Violated {
		fmt.Fprintln(out, "violated:", v)
	}
	if len(r.Violated) == 0 {
		fmt.Fprintln(out, "all invariants held")
	}
}

// write writes the report as JSON.
func write(name string, stdout io.Writer, r *report) error {
	if name == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	b = append(b, '\n')
	if name == "-" {
		_, err = stdout.Write(b)
	} else {
		err = os.WriteFile(name, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
