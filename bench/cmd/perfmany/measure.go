package main

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/bench/internal/manypeers"
	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
)

// measure takes one sample of each workload on each server in each round.
func (b *bench) measure() error {
	for _, w := range manypeers.Workloads() {
		rows := make(map[*server]*results.ManyRow)
		var list []*server
		for _, s := range b.servers {
			if s.loads[w] == nil {
				continue
			}
			t := s.traffic[w]
			list = append(list, s)
			rows[s] = &results.ManyRow{
				Server: s.name, Workload: string(w), Peers: len(s.peers), Window: s.window,
				Request: t.Size, Answers: t.Answers, Records: t.Records,
			}
		}
		// Not counted: AF_XDP answers only after it has seen the way back.
		for _, s := range list {
			if _, err := b.once(s, w); err != nil {
				return fmt.Errorf("%s, %s: %w", s.name, w, err)
			}
		}
		for round := range b.rounds {
			b.logf("%s: round %d of %d", w, round+1, b.rounds)
			for i := range list {
				s := list[(i+round)%len(list)]
				sample, err := b.once(s, w)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, w, err)
				}
				rows[s].Samples = append(rows[s].Samples, sample)
			}
		}
		for _, s := range list {
			b.report.Rows = append(b.report.Rows, *rows[s])
		}
	}
	if err := b.measureTurns(); err != nil {
		return err
	}
	for _, s := range b.servers {
		if s.child == nil || s.child.Foreign() {
			continue
		}
		u, err := s.child.Usage()
		if err != nil {
			return err
		}
		if u.Fallbacks > 0 {
			b.logf("%s: %d answers left through a socket", s.name, u.Fallbacks)
		}
	}
	return nil
}

// turnsPerRound is how many peers ping in one round: more than other implementations have sessions,
// so that those of the next round have none either.
const turnsPerRound = 1490

// measureTurns measures the servers that have sessions, with all peers in turn. It comes last,
// because it ends the sessions of other implementations.
func (b *bench) measureTurns() error {
	for _, s := range b.servers {
		if s.child == nil || s.name == results.OwnFew {
			continue
		}
		if _, echo := echoes[s.child.Spec.Kind]; echo {
			continue
		}
		row, err := b.turnsOf(s)
		if err != nil {
			b.skip(s.name+" with all peers in turn", err.Error())
			continue
		}
		b.report.Rows = append(b.report.Rows, row)
	}
	return nil
}

func (b *bench) turnsOf(s *server) (row results.ManyRow, err error) {
	b.logf("%s: all peers in turn", s.name)
	window := smallWindow / 4
	row = results.ManyRow{Server: s.name, Workload: results.InTurn, Peers: len(b.peers), Window: window}
	t, err := s.link.Turns(b.peers, s.child.Ready.Records[0])
	if err != nil {
		return row, err
	}
	defer t.Close()
	if s.child.Spec.Kind == serve.KindNode {
		// This node keeps all sessions. Others have lost the first ones when the last ones begin.
		if _, err := t.Measure(len(b.peers), window, s.child.PID()); err != nil {
			return row, err
		}
	}
	for range b.rounds {
		sample, err := t.Measure(min(turnsPerRound, len(b.peers)), window, s.child.PID())
		if err != nil {
			return row, err
		}
		row.Samples = append(row.Samples, sample)
	}
	return row, nil
}

// once takes one sample. A server that did not run in time, because other programs kept its CPU,
// gets further attempts.
func (b *bench) once(s *server, w manypeers.Workload) (sample results.ManySample, err error) {
	for range sampleAttempts {
		if sample, err = b.sample(s, w); !errors.Is(err, manypeers.ErrAnswer) {
			break
		}
		b.logf("%s, %s: %v", s.name, w, err)
	}
	return sample, err
}

const sampleAttempts = 4

func (b *bench) sample(s *server, w manypeers.Workload) (results.ManySample, error) {
	plan := manypeers.Plan{For: b.slice, Window: s.window, Burst: min(ownBurst, s.window/2)}
	if s.child != nil {
		plan.PID = s.child.PID()
		if _, sockets := echoes[s.child.Spec.Kind]; sockets {
			if _, err := s.child.Do(serve.Command{Op: "echo", Sizes: s.traffic[w].Answers}); err != nil {
				return results.ManySample{}, err
			}
		}
	}
	return s.loads[w].Measure(plan)
}

// echoes are the kinds of servers that are told the sizes of their answers.
var echoes = map[string]struct{}{serve.KindBareEcho: {}, serve.KindEcho: {}, serve.KindXDPEcho: {}}
