package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/bench/internal/results"
)

// shakeBatch is how many handshakes a slice has.
const shakeBatch = 64

// shakes measures new handshakes, when all other workloads are through: other implementations hold
// so few sessions that new ones drive the old ones out.
func (b *bench) shakes() error {
	const name = "handshake"
	if !b.wanted(name) {
		return nil
	}
	targets, n := slices.DeleteFunc(b.targets(), func(t *target) bool { return t == b.single }), shakeBatch
	if b.quick {
		n /= 4
	}
	samples, waits := make([][]results.Sample, len(targets)), make([]results.Waits, len(targets))
	for round := range b.rounds + 1 {
		list, err := drive.Identities(n)
		if err != nil {
			return err
		}
		for i := range targets {
			at := (i + round) % len(targets)
			s, err := shakeOnce(targets[at], list)
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
		r := results.Row{Workload: name, Server: t.name, Sessions: len(t.sessions), Samples: samples[i]}
		if t.child.Foreign() {
			r.Allocs = -1
		}
		r.Sum()
		r.Wait(&waits[i])
		b.report.Rows = append(b.report.Rows, r)
	}
	return nil
}

func shakeOnce(t *target, list []*drive.Identity) (s results.Sample, err error) {
	if err := t.socket.Drain(2 * time.Millisecond); err != nil {
		return s, err
	}
	before, err := t.child.Usage()
	if err != nil {
		return s, err
	}
	start := time.Now()
	made, err := t.client.Shake(list)
	if err != nil {
		return s, err
	}
	took := time.Since(start)
	after, err := t.child.Usage()
	if err != nil {
		return s, err
	}
	return difference(before, after, drive.Outcome{Answered: made, Lost: len(list) - made, Elapsed: took}), nil
}

// lone makes n handshakes one after another and returns in rising order how long they took.
func lone(t *target, n int) ([]time.Duration, error) {
	ids, err := drive.Identities(n)
	if err != nil {
		return nil, err
	}
	list, lost := make([]time.Duration, 0, n), 0
	for _, id := range ids {
		if err := t.socket.Drain(time.Millisecond); err != nil {
			return nil, err
		}
		d, err := t.client.Lone(id)
		if errors.Is(err, drive.ErrSilent) && lost < n/10 {
			lost++
			// a busy machine loses one: it counts as the longest that is waited for
			d = drive.LonePatience
		} else if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	slices.Sort(list)
	return list, nil
}
