package main

import (
	"context"
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
	CPU         float64 // seconds of processor time that it took, 0 where that is not known
	MaxBytes    uint64  // most memory that the program has had, 0 where that is not known
	HeapBytes   uint64  // in use at the end, all nodes together
	NodeBytes   uint64  // of it, for each
	Collections int     // of garbage
	Left        int     // nodes that left
	Returned    int     // of them, that came back
	Compared    int     // pairs of nodes whose sessions were compared at the end
	Checks      simnet.Checks
	Violations  uint64   // of invariants
	Violated    []string // the first of them
	Traffic     simnet.Traffic
	Trace       string
	Samples     []simnet.Sample
	Whole       simnet.Sample // from when all had joined to the end
}

// simulation is one run.
type simulation struct {
	o     *options
	n     *simnet.Network
	s     *simnet.Swarm
	lines io.Writer // what people read
	began time.Time
	r     report
}

// joinLines is how many lines are written while the nodes arrive.
const joinLines = 5

// simulate runs the swarm and writes the report. Its error names the seed. When ctx ends the report
// has what there is so far.
func simulate(ctx context.Context, o *options, args []string, out io.Writer) error {
	n, err := simnet.New(simnet.Config{
		Seed: o.seed, Conditions: o.cond, InsecureCurve: !o.real, Audit: o.audit, Records: 8 * o.swarm.Nodes,
	})
	if err != nil {
		return err
	}
	swarm, err := n.NewSwarm(o.swarm)
	if err != nil {
		return err
	}
	collect := newCollector(n, uint64(o.memory)*1e6)
	defer collect.stop()
	m := &simulation{o: o, n: n, s: swarm, lines: out, began: time.Now()}
	if o.json == "-" {
		m.lines = io.Discard
	}
	m.r = report{Args: args, Seed: o.seed, Nodes: o.swarm.Nodes}
	again := "to run it again: sim " + strings.Join(again(args, o.seed), " ")
	profiled, err := profileCPU(o.cpu)
	if err != nil {
		return err
	}
	err = m.live(ctx)
	if stopped := profiled(); err == nil && stopped != nil {
		err = fmt.Errorf("profile: %w", stopped)
	}
	if err != nil {
		return fmt.Errorf("seed %d: %w; %s", o.seed, err, again)
	}
	if err := profileHeap(o.heap); err != nil {
		return err
	}
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m.r.Collections, m.r.HeapBytes, m.r.NodeBytes = collect.Runs, mem.HeapAlloc, mem.HeapAlloc/uint64(o.swarm.Nodes)
	failure := m.judge(ctx)
	summarize(m.lines, &m.r)
	if err := write(o.json, out, &m.r); err != nil {
		return err
	}
	switch {
	case failure != nil:
		return fmt.Errorf("%w; %s", failure, again)
	case ctx.Err() != nil:
		return fmt.Errorf("stopped after %v of simulated time", n.Now().Round(time.Second))
	}
	return nil
}

// live lets the swarm join and live, and writes a line for each sample.
func (m *simulation) live(ctx context.Context) error {
	o, n := m.o, m.n
	fmt.Fprintf(m.lines, "seed %d, %d nodes\n", o.seed, o.swarm.Nodes)
	for i := range joinLines {
		n.At(o.swarm.Join*time.Duration(i+1)/joinLines-1, func() {
			fmt.Fprintf(m.lines, "%d nodes have joined, %d datagrams, %.0f s elapsed\n", len(n.Nodes()), n.Traffic().Sent, time.Since(m.began).Seconds())
		})
	}
	if err := m.s.Join(); err != nil {
		return err
	}
	fmt.Fprintln(m.lines, head)
	sampled := n.Now()
	for end := n.Now() + o.duration; n.Now() < end && ctx.Err() == nil; {
		if err := m.s.Run(min(time.Minute, sampled+o.sample-n.Now(), end-n.Now())); err != nil {
			return err
		}
		if n.Now() == end || n.Now()-sampled >= o.sample || ctx.Err() != nil {
			p := m.s.Sample()
			m.r.Samples = append(m.r.Samples, p)
			fmt.Fprintln(m.lines, line(p, time.Since(m.began)))
			if p.Topics != nil {
				fmt.Fprintln(m.lines, topicLine(p.Topics))
			}
			sampled = n.Now()
		}
	}
	r := &m.r
	r.Simulated, r.Elapsed, r.CPU = n.Now().Seconds(), time.Since(m.began).Seconds(), cpuTime().Seconds()
	r.Traffic, r.Trace, r.Returned = n.Traffic(), fmt.Sprintf("%016x", n.Trace()), m.s.Returned
	r.Left, r.Whole = m.s.Left, m.s.Whole()
	return nil
}

// comparedPairs is how many pairs of nodes have their sessions compared at the end.
const comparedPairs = 200

// judge returns the error of an invariant that did not hold.
func (m *simulation) judge(ctx context.Context) error {
	if ctx.Err() == nil {
		m.r.Compared = m.n.CheckSessions(comparedPairs)
	}
	m.r.Checks, m.r.MaxBytes = m.n.Checks(), maxMemory()
	err := m.n.Check()
	if v, ok := err.(*simnet.ViolationError); ok {
		m.r.Violations = v.Count
		for _, one := range v.First {
			m.r.Violated = append(m.r.Violated, one.String())
		}
	}
	return err
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
	fmt.Fprintf(out, "%.0f s of simulated time in %.0f s, %.0f s of them on a processor\n", r.Simulated, r.Elapsed, r.CPU)
	fmt.Fprintf(out, "%d datagrams, %.1f GB, %.1f µs each\n", t.Sent, float64(t.Bytes)/1e9, r.CPU*1e6/float64(max(t.Sent, 1)))
	for f, k := range t.Fates {
		if k > 0 {
			fmt.Fprintf(out, "  %s: %d\n", simnet.Fate(f), k)
		}
	}
	fmt.Fprintf(out, "heap %.0f MB at the end, %d bytes for each node; %d collections; at most %.0f MB of memory\n",
		float64(r.HeapBytes)/1e6, r.NodeBytes, r.Collections, float64(r.MaxBytes)/1e6)
	w, l := &r.Whole, &r.Whole.Lookups
	fmt.Fprintf(out, "%d nodes have left, %d of them came back\n", r.Left, r.Returned)
	fmt.Fprintf(out, "a node in an hour: %.1f datagrams, %.1f kB, %.1f requests (%.1f%% had no answer), %.1f handshakes\n",
		w.Datagrams, w.Bytes/1000, w.Requests, 100*w.TimedOut, w.Handshakes)
	fmt.Fprintf(out, "%d lookups: recall %.1f%%, of settled nodes %.1f%%, closest found by %.1f%%; %.2f hops, at most %d; %.1f queries, %.1f s\n",
		l.Ended, 100*l.Recall, 100*l.RecallSettled, 100*l.Closest, l.Hops, l.MaxHops, l.Queries, l.Took)
	if w.Topics != nil {
		summarizeTopics(out, w.Topics)
	}
	fmt.Fprintf(out, "sessions of %d pairs of nodes compared\ntrace %s\n", r.Compared, r.Trace)
	c := &r.Checks
	fmt.Fprintf(out, "%d checks of invariants (ends %d, bounds %d, relay %d, amplify %d, sessions %d, sequence %d), %d violations\n",
		c.Sum(), c.Ends, c.Bounds, c.Relay, c.Amplify, c.Sessions, c.Sequence, r.Violations)
	if w.Topics != nil {
		fmt.Fprintf(out, "  of them about topics: ads %d, adlife %d, adowner %d, adwait %d, quote %d, capable %d\n",
			c.Ads, c.AdLife, c.AdOwner, c.AdWait, c.Quote, c.Capable)
	}
	for _, v := range r.Violated {
		fmt.Fprintln(out, "violated:", v)
	}
	if r.Violations == 0 {
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
