package main

import (
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

func (b *bench) once(s *server, w manypeers.Workload) (results.ManySample, error) {
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
