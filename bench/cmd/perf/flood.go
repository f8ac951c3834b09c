package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/internal/load"
)

const (
	floodSection = "flood"
	floodRate    = 2000        // steady requests in a second
	floodSockets = 32          // ports of the steady sessions
	floodSlice   = time.Second // p99 of 2,000 requests is that of 20
	floodRounds  = 5           // at most: a round takes some 20 seconds
	floodDrain   = challengeLife
)

// victim is a server with its steady sessions.
type victim struct {
	*target
	steady *load.Generator
	rows   []results.Flood // one for each rate of junk
}

// floods measures what established sessions get beside junk. Junk comes from a process of its own
// on the driver's CPU, with less right to it than the driver: what the driver sends leaves in time.
func (b *bench) floods() error {
	if !b.wanted(floodSection) {
		return nil
	}
	began := time.Now()
	junk, err := serve.Start(serve.Spec{Kind: serve.KindFlood}, b.driverCPU)
	if err != nil {
		return err
	}
	defer junk.Close()
	slice, drain, rounds := floodSlice, floodDrain, min(b.rounds, floodRounds)
	if b.quick {
		slice, drain, rounds = floodSlice/5, floodDrain/5, 1
	}
	var list []*victim
	defer func() {
		for _, v := range list {
			v.steady.Close()
		}
	}()
	for _, t := range b.targets() {
		if !slices.Contains(results.FloodServers(), t.name) {
			continue
		}
		v := &victim{target: t}
		if v.steady, err = b.steady(t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		list = append(list, v)
		for _, rate := range results.JunkRates() {
			v.rows = append(v.rows, results.Flood{Server: t.name, Junk: rate, Sessions: v.steady.Config().Identities, Rate: floodRate})
		}
	}
	for round := range rounds {
		for i := range list {
			v := list[(i+round)%len(list)]
			for k := range v.rows {
				if v.rows[k].Junk != results.NoJunk {
					time.Sleep(drain)
				}
				s, err := v.once(junk, v.rows[k].Junk, slice)
				if err != nil {
					return fmt.Errorf("%s beside %d junk a second: %w", v.name, v.rows[k].Junk, err)
				}
				v.rows[k].Samples = append(v.rows[k].Samples, s)
			}
		}
	}
	for _, v := range list {
		for _, r := range v.rows {
			r.Sum()
			b.report.Flood = append(b.report.Flood, r)
		}
	}
	b.logf("floods measured in %.0f s", time.Since(began).Seconds())
	return nil
}

// steady makes the sessions that a server is to serve beside junk. They may
// evict those of other workloads.
func (b *bench) steady(t *target) (*load.Generator, error) {
	to, err := load.ParseTarget(t.child.Ready.Records[0], false)
	if err != nil {
		return nil, err
	}
	to.Addr = t.child.Addr
	n := min(b.few, shareSessions)
	if t.child.Foreign() {
		n = min(n, foreignSessions)
	}
	if b.quick {
		n = min(n, quickSessions)
	}
	g, err := load.New(load.Config{Target: to, Mix: load.Only(load.Ping), Identities: n, Sockets: floodSockets, Rate: floodRate})
	if err != nil {
		return nil, err
	}
	if _, err := g.Prepare(context.Background(), nil); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// once measures one slice. Before it the server works off what it was sent.
func (v *victim) once(junk *serve.Child, rate int, slice time.Duration) (s results.FloodSample, err error) {
	before, err := idle(v.child)
	if err != nil {
		return s, err
	}
	each := max(float64(rate), 0) // 0: at full speed
	if rate != results.NoJunk {
		size := v.gen.PacketSize(load.Ping)
		if _, err := junk.Do(serve.Command{Op: "aim", To: v.child.Addr.String(), Record: v.child.Ready.Records[0], Sizes: []int{size}}); err != nil {
			return s, err
		}
	}
	drops := v.child.Drops()
	type flooded struct {
		sent int
		err  error
	}
	done := make(chan flooded, 1)
	if rate == results.NoJunk {
		done <- flooded{}
	} else {
		go func() {
			r, err := junk.Do(serve.Command{Op: "flood", Rate: each, For: slice})
			done <- flooded{r.Sent, err}
		}()
	}
	r, err := v.steady.Run(context.Background(), load.Plan{For: slice})
	f := <-done
	if err == nil {
		err = f.err
	}
	if err != nil {
		return s, err
	}
	after, err := idle(v.child) // with all that it could read
	if err != nil {
		return s, err
	}
	dropped := v.child.Drops() - drops
	if after.RxPackets > 0 { // the kernel's counter takes a GRO batch for one
		dropped = missing(r.Traffic.TxDatagrams+uint64(f.sent), after.RxPackets-before.RxPackets)
	}
	return results.FloodSample{
		Asked: r.Total.Sent + r.Total.Unsent, Answered: r.Total.Answered, Junk: f.sent, Dropped: dropped, Elapsed: slice,
		P50: results.Micros(r.Latency.Quantile(0.5)), P99: results.Micros(r.Latency.Quantile(0.99)), Lag: results.Micros(r.Lag.Quantile(0.99)),
	}, nil
}

// missing is how much of what was sent did not arrive. Others may have sent something too.
func missing(sent, arrived uint64) uint64 { return max(sent, arrived) - arrived }
