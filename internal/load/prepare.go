package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

const (
	// prepareWindow is how many handshakes a lane has under way. They take a target milliseconds
	// each, and have to be done before their challenges end.
	prepareWindow = 64
	// prepareTimeout is the longest Config.Timeout that Prepare heeds: challenges end after a
	// second, so that to wait much longer for the end of a handshake is in vain.
	prepareTimeout = 5 * time.Second
	// leastPrepare is the shortest one. Config.Timeout may be what somebody wants requests to keep,
	// and a handshake among prepareWindow of them takes far longer. With it a handshake has a
	// second, as its challenge has.
	leastPrepare = 500 * time.Millisecond
	// silence is for how many timeouts no handshake may come through before Prepare gives up. A
	// handshake is given two.
	silence = 6
	// identitiesAhead is how many identities are made before they are needed.
	identitiesAhead = 512
)

// ErrSilent: the target answers no handshakes.
var ErrSilent = errors.New("load: target does not answer handshakes")

// Prepared says what Prepare did.
type Prepared struct {
	Sessions int // that exist now
	Failed   int // handshakes that had to be tried again
	Elapsed  time.Duration
	Latency  *Histogram // of handshakes, from the first packet to the PONG
}

// Prepare makes sessions for Config.Identities, if the mix needs any, and the identities for bad
// handshakes. progress, if not nil, is told now and then how many sessions there are and will be,
// from the calling goroutine. It must not run together with Run.
//
// The error is ErrSilent if no handshake comes through for a while, the context's if it ends first,
// or that of a socket. Sessions that were made by then are kept, and a further call makes those
// that are missing.
func (g *Generator) Prepare(ctx context.Context, progress func(done, all int)) (p Prepared, err error) {
	if !g.busy.CompareAndSwap(false, true) {
		return p, ErrBusy
	}
	defer g.busy.Store(false)
	if err := ctx.Err(); err != nil {
		return p, err
	}
	if err := g.badIdentities(ctx); err != nil {
		return p, err
	}
	all := 0
	for _, l := range g.lanes {
		l.missing, l.waiting = 0, nil
		if !g.cfg.Mix.sessions() {
			continue
		}
		want := share(g.cfg.Identities, l.number, len(g.lanes))
		for _, s := range l.socks {
			want -= len(s.members)
			p.Sessions += len(s.members)
		}
		if len(g.cfg.Echo) > 0 {
			for i := range want {
				s := l.socks[i%len(l.socks)]
				s.members = append(s.members, newEcho(l.random))
			}
			p.Sessions += want
			continue
		}
		l.missing = want
		all += want
	}
	if all == 0 {
		return p, nil
	}
	had := p.Sessions
	var made atomic.Int64
	cfg := g.cfg
	cfg.Mix, cfg.Rate, cfg.Window, cfg.Train = Only(Handshake), 0, prepareWindow*cfg.Lanes, 1
	cfg.Timeout = max(leastPrepare, min(cfg.Timeout, prepareTimeout))
	r := &run{
		cfg: &cfg, plan: Plan{For: math.MaxInt64, Every: math.MaxInt64}, prepare: true, made: &made,
		maker: newMaker(g.cfg.Protocol, 0, min(identitiesAhead, all)),
	}
	defer r.maker.stop()
	began := time.Now()
	var tick func()
	if progress != nil {
		tick = func() { progress(had+int(made.Load()), had+all) }
	}
	sum, err := g.start(ctx, r, nil, tick)
	for _, l := range g.lanes {
		l.cfg = &g.cfg
	}
	p.Sessions, p.Elapsed = had+int(made.Load()), time.Since(began)
	p.Failed, p.Latency = int(sum.tally.counts[Handshake].Lost), sum.tally.latency[Handshake]
	if err == nil {
		err = ctx.Err()
	}
	if tick != nil {
		tick()
	}
	return p, err
}

// badIdentities makes those that bad handshakes come from, as many for each lane as it has
// identities.
func (g *Generator) badIdentities(ctx context.Context) error {
	if g.cfg.Mix[Handshake] == 0 || g.cfg.Handshake == GoodHandshake {
		return nil
	}
	m := newMaker(g.cfg.Protocol, 0, identitiesAhead)
	defer m.stop()
	for _, l := range g.lanes {
		for len(l.bad) < max(1, share(g.cfg.Identities, l.number, len(g.lanes))) {
			if err := ctx.Err(); err != nil {
				return err
			}
			who, err := m.take()
			if err != nil {
				return err
			}
			who.bad = true
			l.bad = append(l.bad, who)
		}
	}
	return nil
}

// prepared reports whether the lane has all its sessions, or why it cannot get them.
func (l *lane) prepared() (bool, error) {
	if len(l.waiting)+l.missing == 0 && l.ring.front() == nil && l.pool.live == 0 {
		return true, nil
	}
	if l.now-l.progress > silence*l.cfg.Timeout {
		return false, fmt.Errorf("%w at %v", ErrSilent, l.cfg.Target.Addr)
	}
	return false, nil
}

// ready reports whether all lanes have what Run needs.
func (g *Generator) ready(c *Config) bool {
	for _, l := range g.lanes {
		members := 0
		for _, s := range l.socks {
			members += len(s.members)
		}
		if c.Mix.sessions() && members == 0 || c.Mix[Handshake] > 0 && c.Handshake != GoodHandshake && len(l.bad) == 0 {
			return false
		}
	}
	return true
}
