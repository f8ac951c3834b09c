package load

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/monotime"
)

// tickPeriod is how often Prepare tells its progress.
const tickPeriod = 100 * time.Millisecond

// summary is what all workers did in a run.
type summary struct {
	stats   *stats
	points  []Point
	sending time.Duration // the longest time that a worker sent
	elapsed time.Duration // until the end of sending or the last answer, whichever is later
	wall    time.Duration // until all workers had ended
	left    int
	usage   Usage
	gone    bool
	stopped bool
}

// collector puts together what workers report.
type collector struct {
	run     *run
	workers int
	meter   *Meter
	open    []interval // those that not all workers have reported
	first   int        // number of the first of them
	seen    []int      // intervals that each worker has reported
	ended   int        // workers that have
	last    Usage
	sum     summary
	watch   chan<- Point // to Plan.OnPoint; nil without one
}

// watched is how many points wait for Plan.OnPoint before one is left out.
const watched = 64

// observe calls f with what is sent to the channel that it returns. wait returns when f has had all
// of it.
func observe(f func(Point)) (points chan Point, wait func()) {
	if f == nil {
		return nil, func() {}
	}
	points, done := make(chan Point, watched), make(chan struct{})
	go func() {
		defer close(done)
		for p := range points {
			f(p)
		}
	}()
	return points, func() { close(points); <-done }
}

// interval is what workers did in the same interval.
type interval struct {
	stats   *stats
	reports int
}

// start runs all workers, and returns when they have ended. tick, if not nil, is called now and
// then.
func (g *Generator) start(ctx context.Context, r *run, meter *Meter, tick func()) (*summary, error) {
	stop := new(atomic.Bool)
	r.stop = stop
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	reports := make(chan report, 2*len(g.workers))
	r.reports = reports
	c := &collector{run: r, workers: len(g.workers), meter: meter, seen: make([]int, len(g.workers)), sum: summary{stats: newStats()}}
	points, wait := observe(r.plan.OnPoint)
	defer wait()
	c.watch = points
	if meter != nil {
		c.last = meter.Read()
	}
	began := c.last
	for _, w := range g.workers {
		if err := w.reset(r); err != nil {
			return &c.sum, err
		}
	}
	r.clock = monotime.NewClock()
	for _, w := range g.workers {
		go w.work(r)
	}
	ticker := time.NewTicker(tickPeriod)
	defer ticker.Stop()
	var errs []error
	for c.ended < c.workers {
		select {
		case rep := <-reports:
			if rep.err != nil {
				errs = append(errs, rep.err)
				stop.Store(true) // what the others do is of no use any more
			}
			c.take(rep)
		case <-ticker.C:
			if tick != nil {
				tick()
			}
		}
	}
	s := &c.sum
	s.wall = r.clock.Now()
	c.finish()
	s.elapsed = max(s.sending, s.stats.last)
	if meter != nil {
		s.usage, s.gone = meter.Read().since(began), meter.Gone()
	}
	s.stopped = ctx.Err() != nil
	return s, errors.Join(errs...)
}

// take adds a report to its interval, and closes intervals that are complete.
func (c *collector) take(r report) {
	at := c.seen[r.worker] - c.first
	c.seen[r.worker]++
	for at >= len(c.open) {
		c.open = append(c.open, interval{stats: newStats()})
	}
	c.open[at].stats.add(r.stats)
	c.open[at].reports++
	r.stats.reset()
	if r.last {
		c.ended++
		c.seen[r.worker] = math.MaxInt // it takes part in all that follow
		c.sum.sending = max(c.sum.sending, r.until)
		c.sum.left += r.left
	} else {
		r.spare <- r.stats
	}
	for len(c.open) > 0 && c.complete(c.first) {
		c.close(time.Duration(c.first+1) * c.run.plan.Every)
	}
}

// complete reports whether all workers have reported an interval, while some still work: what is
// left at the end is finish's.
func (c *collector) complete(n int) bool {
	if c.ended == c.workers {
		return false
	}
	for _, seen := range c.seen {
		if seen <= n {
			return false
		}
	}
	return true
}

// close makes a point of the first open interval, which ended at the given time.
func (c *collector) close(end time.Duration) {
	t := c.open[0].stats
	c.open = c.open[1:]
	c.sum.stats.add(t)
	start := time.Duration(c.first) * c.run.plan.Every
	c.first++
	if c.run.prepare {
		return
	}
	counts, latency := t.total()
	now := c.meter.Read()
	p := Point{
		Start: start, Length: end - start, Counts: counts, Whoareyou: t.events.Whoareyou,
		P50: latency.Quantile(0.5), P99: latency.Quantile(0.99), Max: latency.Max(), Usage: now.since(c.last),
	}
	c.last = now
	c.sum.points = append(c.sum.points, p)
	select {
	case c.watch <- p:
	default: // nobody reads it, or too slowly: the load continues
	}
}

// finish closes what is left when all workers have ended. A short rest goes to the interval before
// it.
func (c *collector) finish() {
	for len(c.open) > 0 {
		end := min(time.Duration(c.first+1)*c.run.plan.Every, c.sum.wall)
		if rest := end - time.Duration(c.first)*c.run.plan.Every; len(c.open) == 1 && len(c.sum.points) > 0 && rest < c.run.plan.Every/4 {
			t := c.open[0].stats
			c.open = nil
			c.sum.stats.add(t)
			counts, latency := t.total()
			p := &c.sum.points[len(c.sum.points)-1]
			p.Counts.Add(counts)
			p.Whoareyou += t.events.Whoareyou
			p.Max = max(p.Max, latency.Max())
			return
		}
		c.close(end)
	}
}
