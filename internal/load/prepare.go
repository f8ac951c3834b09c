package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
)

const (
	// prepareTimeout is the longest Config.Timeout that Prepare heeds: challenges end after a
	// second, so it makes no sense to wait much longer for the end of a handshake.
	prepareTimeout = 5 * time.Second
	// leastPrepare is the shortest one. Config.Timeout may be what somebody wants requests to keep,
	// and a handshake among PrepareWindow of them takes far longer. With it a handshake has a
	// second, as its challenge has.
	leastPrepare = 500 * time.Millisecond
	// silence is for how many timeouts no handshake may come through before Prepare gives up. A
	// handshake is given two.
	silence = 6
	// identitiesAhead is how many identities are made before they are needed.
	identitiesAhead = 512
)

// ErrSilent: the target answers no handshakes.
var ErrSilent = errors.New("target does not answer handshakes")

// Prepared says what Prepare did.
type Prepared struct {
	Sessions int // that exist now
	Failed   int // handshakes that were retried
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
func (g *Generator) Prepare(ctx context.Context, progress func(done, all int)) (Prepared, error) {
	return g.PrepareUpTo(ctx, g.cfg.Identities, progress)
}

// PrepareUpTo is Prepare for the first n of Config.Identities.
func (g *Generator) PrepareUpTo(ctx context.Context, n int, progress func(done, all int)) (p Prepared, err error) {
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
	for _, w := range g.workers {
		w.missing, w.waiting = 0, nil
		if !g.cfg.Mix.sessions() {
			continue
		}
		want := share(min(n, g.cfg.Identities), w.number, len(g.workers))
		for _, s := range w.socks {
			want -= len(s.members)
			p.Sessions += len(s.members)
		}
		if len(g.cfg.Echo) > 0 || g.cfg.SessionSeed != 0 {
			w.makeSessions(want)
			p.Sessions += want
			continue
		}
		w.missing = want
		all += want
	}
	if all == 0 {
		return p, nil
	}
	had := p.Sessions
	var made atomic.Int64
	cfg := g.cfg
	cfg.Mix, cfg.Rate, cfg.Window, cfg.GSOBatch = Only(Handshake), 0, cfg.PrepareWindow*cfg.Workers, 1
	cfg.Timeout = max(leastPrepare, min(cfg.Timeout, prepareTimeout))
	r := &run{
		cfg: &cfg, plan: Plan{For: math.MaxInt64, Every: math.MaxInt64}, prepare: true, made: &made,
		maker: newMaker(0, min(identitiesAhead, all)),
	}
	defer r.maker.stop()
	began := time.Now()
	var tick func()
	if progress != nil {
		tick = func() { progress(had+int(made.Load()), had+all) }
	}
	sum, err := g.start(ctx, r, nil, tick)
	for _, w := range g.workers {
		w.cfg = &g.cfg
	}
	p.Sessions, p.Elapsed = had+int(made.Load()), time.Since(began)
	p.Failed, p.Latency = int(sum.stats.counts[Handshake].Lost), sum.stats.latency[Handshake]
	if err == nil {
		err = ctx.Err()
	}
	if tick != nil {
		tick()
	}
	return p, err
}

// makeSessions adds n sessions without handshakes.
func (w *worker) makeSessions(n int) {
	for range n {
		s := w.socks[w.made%len(w.socks)]
		who := newEcho
		if seed := w.cfg.SessionSeed; seed != 0 {
			i := w.number + w.made*w.cfg.Workers
			who = func(*aead.Random) *identity { return newSeeded(seed, i) }
		}
		m := who(w.random)
		m.topic = w.number + w.made*w.cfg.Workers
		s.members = append(s.members, m)
		w.made++
	}
	// Requests of neighbors in memory do not follow one another.
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range w.socks {
		r.Shuffle(len(s.members), func(i, k int) { s.members[i], s.members[k] = s.members[k], s.members[i] })
	}
}

// badIdentities makes those that bad handshakes come from, as many for each worker as it has
// identities.
func (g *Generator) badIdentities(ctx context.Context) error {
	if g.cfg.Mix[Handshake] == 0 || g.cfg.Handshake == GoodHandshake {
		return nil
	}
	m := newMaker(0, identitiesAhead)
	defer m.stop()
	for _, w := range g.workers {
		for len(w.bad) < max(1, share(g.cfg.Identities, w.number, len(g.workers))) {
			if err := ctx.Err(); err != nil {
				return err
			}
			who, err := m.take()
			if err != nil {
				return err
			}
			who.bad = true
			w.bad = append(w.bad, who)
		}
	}
	return nil
}

// prepared reports whether the worker has all its sessions, or why it cannot get them.
func (w *worker) prepared() (bool, error) {
	if len(w.waiting)+w.missing == 0 && w.ring.front() == nil && w.pool.live == 0 {
		return true, nil
	}
	if w.now-w.progress > silence*w.cfg.Timeout {
		return false, fmt.Errorf("%w at %v", ErrSilent, w.cfg.Target.Addr)
	}
	return false, nil
}

// ready reports whether all workers have what Run needs.
func (g *Generator) ready(c *Config) bool {
	for _, w := range g.workers {
		members := 0
		for _, s := range w.socks {
			members += len(s.members)
		}
		if c.Mix.sessions() && members == 0 || c.Mix[Handshake] > 0 && c.Handshake != GoodHandshake && len(w.bad) == 0 {
			return false
		}
	}
	return true
}
