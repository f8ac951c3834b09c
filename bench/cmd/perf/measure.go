package main

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/bench/internal/serve"
)

// sample is one slice of one lane.
type sample struct {
	Exchanges int
	Lost      int
	Elapsed   time.Duration
	CPU       time.Duration
	Allocs    uint64
	Batch     float64 // datagrams in a receive call; 0 where it is not known
	Drops     uint64
}

func (s sample) cost() float64 { return micros(s.CPU) / float64(max(s.Exchanges, 1)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// measure runs all rounds. The first one only warms up.
func (b *bench) measure() error {
	began := time.Now()
	samples := make(map[*lane][]sample)
	for round := range b.rounds + 1 {
		for _, w := range b.workloads {
			for i := range w.lanes {
				l := w.lanes[(i+round)%len(w.lanes)]
				s, err := b.once(l)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, l.name, err)
				}
				if round > 0 {
					samples[l] = append(samples[l], s)
				}
			}
		}
	}
	for _, w := range b.workloads {
		for i, l := range w.lanes {
			r := row{Workload: w.name, Server: l.name, Sessions: len(l.sessions), Request: l.requests.Size, Answer: l.answers, Samples: samples[l]}
			if i != 1 {
				r.against(samples[w.lanes[1]])
			}
			if err := b.latencies(&r, l); err != nil {
				return fmt.Errorf("%s on %s: %w", w.name, l.name, err)
			}
			b.report.Rows = append(b.report.Rows, r)
		}
	}
	b.report.finish(b)
	b.logf("measured in %.0f s", time.Since(began).Seconds())
	return nil
}

// once measures one slice.
func (b *bench) once(l *lane) (s sample, err error) {
	if err := b.prepare(l); err != nil {
		return s, err
	}
	p := drive.Plan{Window: b.window, Burst: b.burst, For: b.slice, Answers: l.answers, Poll: !b.sleep}
	if l.fresh {
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
	if l.stranger {
		l.strangers, l.at = l, time.Now()
	}
	after, err := l.child.Usage()
	if err != nil {
		return s, err
	}
	return difference(before, after, o), nil
}

func difference(a, b serve.Usage, o drive.Outcome) sample {
	s := sample{
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
	if t := l.target; t.strangers != nil && (t.strangers != l || l.fresh) {
		time.Sleep(challengeLife - time.Since(t.at))
	}
	return l.socket.Drain(2 * time.Millisecond)
}

// latencies measures exchanges one at a time, without other load.
func (b *bench) latencies(r *row, l *lane) error {
	if err := b.prepare(l); err != nil {
		return err
	}
	list, err := l.socket.Latency(l.requests, b.latency, l.answers)
	if err != nil || len(list) == 0 {
		return err
	}
	r.P50, r.P99 = micros(list[len(list)/2]), micros(list[len(list)*99/100])
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
	o, err := l.socket.Loop(l.requests, drive.Plan{Window: b.window, Burst: b.burst, For: max(b.hold, 5*time.Second), Answers: l.answers, Poll: !b.sleep})
	if err != nil {
		return err
	}
	after, err := l.child.Usage()
	if err != nil {
		return err
	}
	s := difference(before, after, o)
	b.logf("%d exchanges, %.3f µs of CPU each, batches of %.0f", s.Exchanges, s.cost(), s.Batch)
	if b.profile != "" {
		_, err = l.child.Do(serve.Command{Op: "profile"})
	}
	return err
}
