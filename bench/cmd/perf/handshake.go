package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/internal/load"
)

// handshakeBatch is how many handshakes a slice has.
const handshakeBatch = 64

// handshakes measures new handshakes, when all other workloads are through: other implementations
// hold so few sessions that new ones drive the old ones out.
func (b *bench) handshakes() error {
	const name = "handshake"
	if !b.wanted(name) {
		return nil
	}
	targets, n := slices.DeleteFunc(b.targets(), func(t *target) bool { return t == b.single }), handshakeBatch
	if b.quick {
		n /= 4
	}
	samples, waits := make([][]results.Sample, len(targets)), make([]results.Waits, len(targets))
	for round := range b.rounds + 1 {
		for i := range targets {
			at := (i + round) % len(targets)
			s, err := handshakesOnce(targets[at], n)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", name, targets[at].name, err)
			}
			if round == 0 {
				continue
			}
			samples[at] = append(samples[at], s)
			took, err := lone(targets[at], n)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", name, targets[at].name, err)
			}
			waits[at].Add(took)
		}
	}
	for i, t := range targets {
		r := results.Row{Workload: name, Server: t.name, Sessions: t.sessions, Samples: samples[i]}
		if t.child.Foreign() {
			r.Allocs = -1
		}
		r.Sum()
		r.Wait(&waits[i])
		b.report.Rows = append(b.report.Rows, r)
	}
	return nil
}

// handshakesOnce measures one slice of n handshakes.
func handshakesOnce(t *target, n int) (s results.Sample, err error) {
	before, err := t.child.Usage()
	if err != nil {
		return s, err
	}
	r, err := t.gen.Run(context.Background(), load.Plan{
		Mix: load.Only(load.Handshake), Window: t.gen.Config().PrepareWindow, Ahead: n, For: time.Minute,
	})
	if err != nil {
		return s, err
	}
	after, err := t.child.Usage()
	if err != nil {
		return s, err
	}
	return difference(before, after, outcomeOf(r)), nil
}

// lone makes n handshakes one after another and returns in rising order how long they took. Time
// that the generator computes does not count.
func lone(t *target, n int) ([]time.Duration, error) {
	r, err := t.gen.Run(context.Background(), load.Plan{Mix: load.Only(load.Handshake), Window: 1, Ahead: n, For: 5 * time.Minute})
	if err != nil {
		return nil, err
	}
	return latencies(r, 2*t.gen.Config().Timeout)
}
