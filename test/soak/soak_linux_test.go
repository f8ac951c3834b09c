package soak

import (
	"context"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/load"
)

// The parts of a soak. Sessions are few, so those of new identities fill the map within the
// warm-up, and eviction is part of the measurement.
const (
	maxSessions    = 2048 // for which the map has mapSlots, as shards are uneven
	mapSlots       = 2624
	steadySessions = 500
	junkAddresses  = 250
	peerNodes      = 6
	newPeerShare   = 0.02 // the share of requests that are handshakes of new identities
)

// judgeable is how long a soak must be for growth to be judged: in its first quarter the map of
// sessions fills.
func judgeable(perSecond float64) time.Duration {
	return time.Duration(4 * mapSlots / (newPeerShare * perSecond) * float64(time.Second))
}

// generator is one part of the load.
type generator struct {
	name   string
	share  float64 // of all requests
	config load.Config
	result *load.Result
}

// mixture is the load: sessions that must be served, and requests of unknown senders.
func mixture(to load.Target) []*generator {
	return []*generator{
		{name: "steady", share: 0.6, config: load.Config{Mix: load.Mix{load.Ping: 6, load.FindNode: 3, load.Talk: 1}, Identities: lighter(steadySessions), TalkSize: 100}},
		{name: "handshakes", share: newPeerShare, config: load.Config{Mix: load.Only(load.Handshake)}},
		{name: "bad handshakes", share: 0.02, config: load.Config{Mix: load.Only(load.Handshake), Handshake: load.BadProof, Identities: 64}},
		{name: "junk", share: 0.36, config: load.Config{Mix: load.Only(load.Junk), Sources: load.LoopbackSources(junkAddresses), Sockets: junkAddresses, Buffer: 64 << 10}},
	}
}

// Nothing in a bootnode grows under mixed load, and its sessions are served all the time.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("probed for -short: it builds a program and loads it for seconds; make test runs it")
	}
	total, perSecond, out := setting(t, envTime, shorter(5*time.Second)), rate(t), directory(t)
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	b := launch(t, "--max-sessions", strconv.Itoa(maxSessions), "--log-status", "0s")
	to, err := load.RecordTarget(b.record, false)
	if err != nil {
		t.Fatal(err)
	}
	others, err := newPeers(b.record, peerNodes)
	if err != nil {
		t.Fatal(err)
	}
	defer others.close()
	parts := mixture(to)
	every := max(total/1200, 250*time.Millisecond)
	s := &sampler{b: b, restarts: &others.restarts}
	runLoad(ctx, t, parts, to, perSecond, total, every, s, others)
	if x, err := s.take(); err == nil {
		s.samples = append(s.samples, x)
	}
	b.stop(t)
	r := newReport(s, parts, perSecond)
	for _, line := range r.lines() {
		t.Log(line)
	}
	if err := r.write(out); err != nil {
		t.Error(err)
	}
	t.Logf("samples and curves: %s", out)
	for _, complaint := range r.Complaints {
		t.Error(complaint)
	}
}

// runLoad makes the sessions, and runs generators, sampler and restarts until the time is over or
// ctx ends.
func runLoad(ctx context.Context, t *testing.T, parts []*generator, to load.Target, perSecond float64, total, every time.Duration, s *sampler, others *peers) {
	t.Helper()
	timeout := 4 * time.Second
	if total < judgeable(perSecond) {
		// a short form asks whether answers come at all, also on a machine that has no time for it
		timeout = patience / 2
	}
	running := make([]*load.Generator, len(parts))
	for i, p := range parts {
		cfg := p.config
		cfg.Target, cfg.Rate, cfg.Timeout = to, perSecond*p.share, timeout
		g, err := load.New(cfg)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		defer g.Close()
		if _, err := g.Prepare(ctx, nil); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		running[i] = g
	}
	s.start = time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beside, end := context.WithCancel(ctx)
	defer end()
	var background, foreground sync.WaitGroup
	background.Go(func() {
		select {
		case <-s.b.Exited:
			t.Error("the bootnode has ended")
			cancel()
		case <-beside.Done():
		}
	})
	background.Go(func() { s.run(beside, every) })
	background.Go(func() {
		if err := others.run(beside, min(20*time.Second, total/4)); err != nil {
			t.Error(err)
		}
	})
	for i, p := range parts {
		foreground.Go(func() {
			plan := load.Plan{For: total, Every: max(every, total/load.MaxPoints)}
			if i == 0 {
				plan.OnPoint = s.point
			}
			r, err := running[i].Run(ctx, plan)
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
			p.result = r
		})
	}
	foreground.Wait()
	end()
	background.Wait()
}
