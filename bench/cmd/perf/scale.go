package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/internal/load"
)

const (
	scaleMax       = 1_000_000
	scaleMemory    = 6 << 10 // MiB that must be free for scaleMax
	shareSessions  = 1000
	shareJunk      = 1 << 15
	workerSessions = 256
	workerSockets  = 32 // the kernel spreads senders among the sockets of a node by their endpoints
	seed           = 1
)

// shares of junk, in percent.
func shares() []int { return []int{0, 10, 25, 50, 75, 90, 100} }

// scale measures how the cost of this node grows. The servers of the workloads have ended by then.
func (b *bench) scale() error {
	for _, s := range []struct {
		name string
		run  func() error
	}{{"sessions", b.scaleSessions}, {"junk-share", b.scaleJunk}, {"workers", b.scaleWorkers}} {
		if !b.wanted(s.name) {
			continue
		}
		began := time.Now()
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.logf("%s measured in %.0f s", s.name, time.Since(began).Seconds())
	}
	return nil
}

// core starts the engine alone, without GSO, with n sessions that were put into it: they stand
// for as many peers.
func (b *bench) core(n int) (t *target, each float64, err error) {
	child, err := serve.Start(serve.Spec{Kind: serve.KindCore, Single: true, Key: b.keys[0], Sessions: max(1024, n+n/4), Challenges: challengeSlots}, b.serverCPU)
	if err != nil {
		return nil, 0, err
	}
	t = &target{name: results.Own, child: child, sessions: n}
	each, err = b.fill(t, n)
	if err != nil {
		t.close()
		return nil, 0, err
	}
	return t, each, nil
}

// fill puts sessions into a core and returns the memory that each takes there.
func (b *bench) fill(t *target, n int) (each float64, err error) {
	to, err := load.ParseTarget(t.child.Ready.Records[0], false)
	if err != nil {
		return 0, err
	}
	t.gen, err = b.generator(t.child, load.Config{Target: to, Mix: load.Only(load.Ping), Identities: n, SessionSeed: seed, JunkIDs: shareJunk})
	if err != nil {
		return 0, err
	}
	before, err := resident(t.child)
	if err != nil {
		return 0, err
	}
	if _, err = t.child.Do(serve.Command{Op: "inject", Seed: seed, Count: n, From: t.gen.Addrs()[0].String()}); err != nil {
		return 0, err
	}
	after, err := resident(t.child)
	if err != nil {
		return 0, err
	}
	if _, err := t.gen.Prepare(context.Background(), nil); err != nil {
		return 0, err
	}
	return (float64(after) - float64(before)) / float64(n), nil
}

func (t *target) close() {
	if t.gen != nil {
		t.gen.Close()
	}
	t.child.Close()
}

// scaleSessions measures PING with more and more sessions.
func (b *bench) scaleSessions() error {
	sizes := []int{10, 100, 1000, 10_000, 100_000}
	switch free := available(); {
	case b.quick:
		b.skip("1,000,000 sessions", "-quick")
	case free < scaleMemory:
		b.skip("1,000,000 sessions", fmt.Sprintf("%d MiB of memory are available, %d wanted", free, scaleMemory))
	default:
		sizes = append(sizes, scaleMax)
	}
	var entries []*entry
	var bytes []float64
	defer func() {
		for _, e := range entries {
			e.close()
		}
	}()
	for _, n := range sizes {
		t, each, err := b.core(n)
		if err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
		e := &entry{target: t, mix: load.Only(load.Ping), size: t.gen.PacketSize(load.Ping)}
		entries, bytes = append(entries, e), append(bytes, each)
		if err := e.settle(load.Ping); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	samples, err := b.turns(entries)
	if err != nil {
		return err
	}
	for i, n := range sizes {
		p := results.Point{Sessions: n, Bytes: bytes[i], Samples: samples[i]}
		p.Low, p.Median, p.High = results.Quartiles(results.Costs(samples[i]))
		b.report.Sessions = append(b.report.Sessions, p)
	}
	return nil
}

// scaleJunk measures steady sessions beside junk from unknown senders.
func (b *bench) scaleJunk() error {
	t, _, err := b.core(shareSessions)
	if err != nil {
		return err
	}
	defer t.close()
	ping := &entry{target: t, mix: load.Only(load.Ping), size: t.gen.PacketSize(load.Ping)}
	if err := ping.settle(load.Ping); err != nil {
		return err
	}
	var entries []*entry
	for _, percent := range shares() {
		e := *ping
		e.mix, e.ids = load.Mix{load.Ping: 100 - percent, load.Junk: percent}, max(1, shareJunk*percent/100)
		entries = append(entries, &e)
	}
	samples, err := b.turns(entries)
	if err != nil {
		return err
	}
	for i, percent := range shares() {
		s := results.Share{Percent: percent, Samples: samples[i]}
		s.Low, s.Median, s.High = results.Quartiles(results.Costs(samples[i]))
		b.report.Junk = append(b.report.Junk, s)
	}
	return nil
}

// turns measures entries in turn, round by round. The first round only warms up.
func (b *bench) turns(entries []*entry) ([][]results.Sample, error) {
	samples := make([][]results.Sample, len(entries))
	for round := range b.rounds + 1 {
		for i := range entries {
			at := (i + round) % len(entries)
			s, err := b.once(entries[at])
			if err != nil {
				return nil, err
			}
			if round > 0 {
				samples[at] = append(samples[at], s)
			}
		}
	}
	return samples, nil
}

// scaleWorkers measures whole nodes with one worker and with two, loaded from many endpoints by the
// load generator.
func (b *bench) scaleWorkers() error {
	cpus := b.cpus
	var list []*crew
	defer func() {
		for _, c := range list {
			c.close()
		}
	}()
	for _, n := range []int{1, 2} {
		c := &crew{Workers: results.Workers{Workers: n, Sessions: workerSessions, Shared: len(cpus) <= n}}
		list = append(list, c)
		spec := serve.Spec{Kind: serve.KindNode, Key: b.keys[0], Sessions: 1 << 14, Challenges: challengeSlots, Workers: n}
		var err error
		if c.child, err = serve.Start(spec, cpus[len(cpus)-n:]...); err != nil {
			return err
		}
		target, err := load.ParseTarget(c.child.Ready.Records[0], false)
		if err != nil {
			return err
		}
		target.Addr = c.child.Addr
		c.load, err = load.New(load.Config{
			Target: target, Mix: load.Only(load.Ping), Identities: workerSessions, Sockets: workerSockets, Window: b.window, Poll: !c.Shared,
		})
		if err != nil {
			return err
		}
		if _, err := c.load.Prepare(context.Background(), nil); err != nil {
			return err
		}
	}
	for round := range b.rounds + 1 {
		for i := range list {
			c := list[(i+round)%len(list)]
			s, err := c.once(b.slice)
			if err != nil {
				return fmt.Errorf("%d: %w", c.Workers.Workers, err)
			}
			if round > 0 {
				c.Samples = append(c.Samples, s)
			}
		}
	}
	for _, c := range list {
		var rates []float64
		for _, s := range c.Samples {
			rates = append(rates, float64(s.Exchanges)/s.Elapsed.Seconds())
		}
		c.Low, c.Median, c.High = results.Quartiles(results.Costs(c.Samples))
		_, c.Rate, _ = results.Quartiles(rates)
		b.report.Workers = append(b.report.Workers, c.Workers)
	}
	return nil
}

// crew is a node with its workers and what loads it.
type crew struct {
	results.Workers
	child *serve.Child
	load  *load.Generator
}

func (c *crew) once(slice time.Duration) (s results.Sample, err error) {
	before, err := c.child.Usage()
	if err != nil {
		return s, err
	}
	r, err := c.load.Run(context.Background(), load.Plan{For: slice})
	if err != nil {
		return s, err
	}
	after, err := c.child.Usage()
	if err != nil {
		return s, err
	}
	if r.Total.Answered == 0 {
		return s, errSilent
	}
	return difference(before, after, outcome{int(r.Total.Answered), int(r.Total.Lost), r.Sending}), nil
}

func (c *crew) close() {
	if c.load != nil {
		c.load.Close()
	}
	if c.child != nil {
		c.child.Close()
	}
}

// available is the memory in MiB that can be used without driving anything out.
func available() int { return results.MemInfo("MemAvailable:") }
