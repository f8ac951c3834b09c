package main

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/codec"
)

// measure runs all rounds. The first one only warms up.
func (b *bench) measure() error {
	began := time.Now()
	samples, waits := make(map[*lane][]results.Sample), make(map[*lane]*results.Waits)
	for round := range b.rounds + 1 {
		for _, w := range b.workloads {
			for i := range w.lanes {
				l := w.lanes[(i+round)%len(w.lanes)]
				s, err := b.once(l)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, l.name, err)
				}
				if round == 0 {
					waits[l] = new(results.Waits)
					continue
				}
				samples[l] = append(samples[l], s)
				if err := b.latencies(waits[l], l); err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, l.name, err)
				}
			}
		}
	}
	for _, w := range b.workloads {
		for i, l := range w.lanes {
			r := results.Row{
				Workload: w.name, Server: l.name, Sessions: len(l.sessions), Request: l.requests.Size, Answer: l.answers,
				Records: l.records, Samples: samples[l],
			}
			if l.child.Foreign() {
				r.Allocs = -1
			}
			if i != 1 {
				r.Against(samples[w.lanes[1]])
			}
			r.Sum()
			r.Wait(waits[l])
			b.report.Rows = append(b.report.Rows, r)
		}
	}
	b.logf("measured in %.0f s", time.Since(began).Seconds())
	return nil
}

// once measures one slice.
func (b *bench) once(l *lane) (s results.Sample, err error) {
	if err := b.prepare(l); err != nil {
		return s, err
	}
	if l.silent {
		return b.flood(l)
	}
	p := drive.Plan{Window: b.window, Burst: b.burst, For: b.slice, Answers: l.answers, Either: l.either, Poll: !b.sleep}
	if l.child.Foreign() {
		p.Window, p.Burst = min(p.Window, foreignWindow), min(p.Burst, foreignWindow/4)
	}
	if l.requests.Once() {
		l.requests.Renew(l.enough())
	}
	if l.fresh || l.requests.Once() {
		p.Most = l.requests.Count()
		l.requests.Rewind()
	}
	before, err := l.child.Usage()
	if err != nil {
		return s, err
	}
	o, err := l.socket.Loop(l.requests, p)
	if err != nil {
		return s, err
	}
	l.took = o.Answered + o.Lost
	if l.stranger {
		l.strangers, l.at = l, time.Now()
	}
	after, err := l.child.Usage()
	if err != nil {
		return s, err
	}
	return difference(before, after, o), nil
}

// enough is how many requests a slice may take: half as many again as the last one did.
func (l *lane) enough() int {
	const least, most = 1 << 14, 1 << 18
	return min(max(l.took+l.took/2, least), most)
}

// pace of a flood: what a server can take without losing anything in its socket.
const (
	floodBurst = 8
	floodPause = 2 * time.Millisecond
	// floodNodes take part: their challenges live while the flood lasts.
	floodNodes = 256
)

// flood measures what a server does not answer: the CPU time for each datagram that did arrive.
func (b *bench) flood(l *lane) (s results.Sample, err error) {
	l.requests = l.client.Random(floodNodes, l.requests.Size)
	first := drive.Plan{Window: foreignWindow, Burst: floodBurst, For: time.Second, Most: floodNodes, Answers: []int{codec.WhoareyouSize}, Poll: true}
	if _, err := l.socket.Loop(l.requests, first); err != nil {
		return s, err
	}
	before, err := l.child.Usage()
	if err != nil {
		return s, err
	}
	start := time.Now()
	n := max(int(b.slice/floodPause)*floodBurst, floodBurst)
	sent, err := l.socket.Flood(l.requests, n, floodBurst, floodPause)
	if err != nil {
		return s, err
	}
	after, err := idle(l.child)
	if err != nil {
		return s, err
	}
	s = difference(before, after, drive.Outcome{Elapsed: time.Since(start)})
	s.Exchanges = sent - int(s.Drops)
	return s, nil
}

// idle waits until a server has worked off what it was given.
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

func difference(a, b serve.Usage, o drive.Outcome) results.Sample {
	s := results.Sample{
		Exchanges: o.Answered, Lost: o.Lost, Elapsed: o.Elapsed,
		CPU: b.CPU - a.CPU, Allocs: b.Allocs - a.Allocs, Drops: b.Drops - a.Drops,
	}
	if n := b.RxBatches - a.RxBatches; n > 0 {
		s.Batch = float64(b.RxPackets-a.RxPackets) / float64(n)
	}
	return s
}

// prepare makes the server ready for a slice.
func (b *bench) prepare(l *lane) error {
	if l.client == nil {
		if _, err := l.child.Do(serve.Command{Op: "echo", Sizes: l.answers}); err != nil {
			return err
		}
	}
	if l.renew {
		l.requests = l.client.Random(l.requests.Count(), l.requests.Size)
	}
	if t := l.target; t.strangers != nil && (t.strangers != l || l.fresh) {
		time.Sleep(challengeLife - time.Since(t.at))
	}
	return l.socket.Drain(2 * time.Millisecond)
}

// latencies measures exchanges one at a time, without other load, after a slice of the same lane: a
// part of them in every round, so that what else the machine does meets all servers alike.
func (b *bench) latencies(w *results.Waits, l *lane) error {
	if l.silent {
		return nil
	}
	requests := l.requests
	if l.fresh && l.client != nil { // challenges to those of the slice live
		requests = l.client.Random(b.latency, requests.Size)
	}
	if requests.Once() {
		requests.Renew(b.latency)
	}
	if err := l.socket.Drain(2 * time.Millisecond); err != nil {
		return err
	}
	list, err := l.socket.Latency(requests, b.latency, l.answers, !b.sleep)
	if err != nil {
		return err
	}
	if l.stranger {
		l.strangers, l.at = l, time.Now()
	}
	w.Add(list)
	return nil
}

// load keeps a server busy with the first workload: for profilers.
func (b *bench) load() error {
	var l *lane
	for _, one := range b.workloads[0].lanes {
		if one.name == b.server {
			l = one
		}
	}
	if l == nil {
		return fmt.Errorf("no server %q", b.server)
	}
	if b.profile != "" {
		if _, err := l.child.Do(serve.Command{Op: "profile", Path: b.profile}); err != nil {
			return err
		}
	}
	b.logf("%s on %s, process %d", b.workloads[0].name, l.name, l.child.PID())
	if err := b.prepare(l); err != nil {
		return err
	}
	before, err := l.child.Usage()
	if err != nil {
		return err
	}
	o, err := b.hammer(l, max(b.hold, 5*time.Second))
	if err != nil {
		return err
	}
	after, err := l.child.Usage()
	if err != nil {
		return err
	}
	s := difference(before, after, o)
	b.logf("%d exchanges, %.3f µs of CPU each, batches of %.0f", s.Exchanges, s.Cost(), s.Batch)
	if b.profile != "" {
		_, err = l.child.Do(serve.Command{Op: "profile"})
	}
	return err
}

// hammer loads a server for d. While requests are renewed the server has nothing to do.
func (b *bench) hammer(l *lane, d time.Duration) (all drive.Outcome, err error) {
	for all.Elapsed < d {
		p := drive.Plan{Window: b.window, Burst: b.burst, For: d - all.Elapsed, Answers: l.answers, Poll: !b.sleep}
		if l.requests.Once() {
			l.requests.Renew(l.enough())
			p.Most = l.requests.Count()
		}
		o, err := l.socket.Loop(l.requests, p)
		if err != nil {
			return all, err
		}
		l.took = o.Answered + o.Lost
		all = drive.Outcome{Answered: all.Answered + o.Answered, Lost: all.Lost + o.Lost, Elapsed: all.Elapsed + o.Elapsed}
	}
	return all, nil
}
