package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/internal/load"
)

// measure runs all rounds. The first one only warms up.
func (b *bench) measure() error {
	began := time.Now()
	samples, waits := make(map[*entry][]results.Sample), make(map[*entry]*results.Waits)
	for round := range b.rounds + 1 {
		for _, w := range b.workloads {
			for i := range w.entries {
				e := w.entries[(i+round)%len(w.entries)]
				s, err := b.once(e)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, e.name, err)
				}
				if round == 0 {
					waits[e] = new(results.Waits)
					continue
				}
				samples[e] = append(samples[e], s)
				if err := b.latencies(waits[e], e); err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, e.name, err)
				}
			}
		}
	}
	for _, w := range b.workloads {
		for i, e := range w.entries {
			r := results.Row{
				Workload: w.name, Server: e.name, Sessions: e.sessions, Request: e.size, Answer: e.answers,
				Records: e.records, Samples: samples[e],
			}
			if e.child.Foreign() {
				r.Allocs = -1
			}
			if i != 1 {
				r.Against(samples[w.entries[1]])
			}
			r.Sum()
			r.Wait(waits[e])
			b.report.Rows = append(b.report.Rows, r)
		}
	}
	b.logf("measured in %.0f s", time.Since(began).Seconds())
	return nil
}

// outcome is the result of a run.
type outcome struct {
	answered, lost int
	elapsed        time.Duration
}

// run loads the server of e.
func (b *bench) run(e *entry, p load.Plan) (*load.Result, error) {
	p.Mix, p.Sizes, p.JunkIDs = e.mix, e.answers, e.ids
	if e.opens {
		p.Sizes = nil
	}
	if e.child.Foreign() {
		p.Window = min(p.Window, foreignWindow)
	}
	r, err := e.gen.Run(context.Background(), p)
	if err != nil {
		return nil, err
	}
	if e.mix == load.Only(load.Junk) {
		e.junk, e.at = e, time.Now()
	}
	if r.Total.Answered == 0 {
		return nil, errSilent
	}
	return r, nil
}

// once measures one slice.
func (b *bench) once(e *entry) (s results.Sample, err error) {
	if err := b.prepare(e); err != nil {
		return s, err
	}
	if e.silent {
		return b.flood(e)
	}
	p := load.Plan{Window: b.window, For: b.slice, Ahead: e.enough()}
	before, err := e.child.Usage()
	if err != nil {
		return s, err
	}
	r, err := b.run(e, p)
	if err != nil {
		return s, err
	}
	e.took = int(r.Total.Sent)
	after, err := e.child.Usage()
	if err != nil {
		return s, err
	}
	return difference(before, after, outcomeOf(r)), nil
}

func outcomeOf(r *load.Result) outcome {
	return outcome{int(r.Total.Answered), int(r.Total.Lost), r.Elapsed}
}

// enough is how many requests a slice may take: half as many again as the last one did.
func (e *entry) enough() int {
	const least, most = 1 << 14, 1 << 18
	if e.limit > 0 {
		return e.limit
	}
	return min(max(e.took+e.took/2, least), most)
}

const (
	// silentRate is the load at which a server's socket loses nothing.
	silentRate = 4000
	// silentNodes take part: their challenges live while the flood lasts.
	silentNodes = 256
)

// flood measures datagrams that a server does not answer: the CPU time for each one that arrived.
func (b *bench) flood(e *entry) (s results.Sample, err error) {
	f, err := load.NewFlood(load.FloodConfig{Target: e.gen.Config().Target, Size: e.size, IDs: silentNodes})
	if err != nil {
		return s, err
	}
	defer f.Close()
	if _, err := sendFor(f, silentNodes*time.Second/silentRate); err != nil {
		return s, err
	}
	before, err := idle(e.child)
	if err != nil {
		return s, err
	}
	start := time.Now()
	sent, err := sendFor(f, b.slice)
	if err != nil {
		return s, err
	}
	after, err := idle(e.child)
	if err != nil {
		return s, err
	}
	s = difference(before, after, outcome{elapsed: time.Since(start)})
	s.Exchanges = sent - int(s.Drops)
	return s, nil
}

func sendFor(f *load.Flood, d time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f.Run(ctx, silentRate)
}

// idle waits until a server has processed its queue.
func idle(c *serve.Child) (u serve.Usage, err error) {
	const look, quiet = 10 * time.Millisecond, 500 * time.Microsecond
	if u, err = c.Usage(); err != nil {
		return u, err
	}
	for range 100 {
		time.Sleep(look)
		next, err := c.Usage()
		if err != nil {
			return u, err
		}
		done := next.CPU-u.CPU < quiet
		if u = next; done {
			break
		}
	}
	return u, nil
}

func difference(a, b serve.Usage, o outcome) results.Sample {
	s := results.Sample{
		Exchanges: o.answered, Lost: o.lost, Elapsed: o.elapsed,
		CPU: b.CPU - a.CPU, Allocs: b.Allocs - a.Allocs, Drops: b.Drops - a.Drops,
	}
	if n := b.RxBatches - a.RxBatches; n > 0 {
		s.Batch = float64(b.RxPackets-a.RxPackets) / float64(n)
	}
	return s
}

// prepare makes the server ready for a slice.
func (b *bench) prepare(e *entry) error {
	if len(e.gen.Config().Echo) > 0 {
		if _, err := e.child.Do(serve.Command{Op: "echo", Sizes: e.answers}); err != nil {
			return err
		}
	}
	if t := e.target; t.junk != nil && (t.junk != e || e.fresh()) {
		time.Sleep(challengeLife - time.Since(t.at))
	}
	return nil
}

// latencies measures exchanges one at a time, without other load, after a slice of the same entry:
// a part of them in every round, so that what else the machine does meets all servers alike.
func (b *bench) latencies(w *results.Waits, e *entry) error {
	if e.silent {
		return nil
	}
	r, err := b.run(e, load.Plan{Window: 1, For: time.Minute, Ahead: b.latency})
	if err != nil {
		return err
	}
	list, err := latencies(r, e.gen.Config().Timeout)
	if err != nil {
		return err
	}
	w.Add(list)
	return nil
}

// latencies lists the latencies of a run in rising order, as exactly as its histogram has them. A
// lost request counts as if it had taken as long as the generator waits. It is errSilent if
// more than one in ten was.
func latencies(r *load.Result, timeout time.Duration) ([]time.Duration, error) {
	if r.Total.Lost > r.Total.Sent/10 {
		return nil, errSilent
	}
	n := r.Latency.Count()
	list := make([]time.Duration, 0, r.Total.Sent)
	for i := range n {
		list = append(list, r.Latency.Quantile((float64(i)+0.5)/float64(n)))
	}
	for range r.Total.Lost {
		list = append(list, timeout)
	}
	return list, nil
}

// load keeps a server busy with the first workload: for profilers.
func (b *bench) load() error {
	var e *entry
	for _, one := range b.workloads[0].entries {
		if one.name == b.server {
			e = one
		}
	}
	if e == nil {
		return fmt.Errorf("no server %q", b.server)
	}
	if b.profile != "" {
		if _, err := e.child.Do(serve.Command{Op: "profile", Path: b.profile}); err != nil {
			return err
		}
	}
	b.logf("%s on %s, process %d", b.workloads[0].name, e.name, e.child.PID())
	if err := b.prepare(e); err != nil {
		return err
	}
	before, err := e.child.Usage()
	if err != nil {
		return err
	}
	o, err := b.hammer(e, max(b.hold, 5*time.Second))
	if err != nil {
		return err
	}
	after, err := e.child.Usage()
	if err != nil {
		return err
	}
	s := difference(before, after, o)
	b.logf("%d exchanges, %.3f µs of CPU each, batches of %.0f", s.Exchanges, s.Cost(), s.Batch)
	if b.profile != "" {
		_, err = e.child.Do(serve.Command{Op: "profile"})
	}
	return err
}

// hammer loads a server for d. While requests are sealed the server has nothing to do.
func (b *bench) hammer(e *entry, d time.Duration) (all outcome, err error) {
	for all.elapsed < d {
		r, err := b.run(e, load.Plan{Window: b.window, For: d - all.elapsed, Ahead: e.enough()})
		if err != nil {
			return all, err
		}
		e.took = int(r.Total.Sent)
		o := outcomeOf(r)
		all = outcome{all.answered + o.answered, all.lost + o.lost, all.elapsed + o.elapsed}
	}
	return all, nil
}
