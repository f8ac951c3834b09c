package load

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

// Result holds the figures of a run.
type Result struct {
	Started time.Time
	Every   time.Duration // length of the intervals of Points
	// Sending is how long requests were sent, Elapsed until the last answer or the end of sending,
	// whichever is later.
	Sending, Elapsed time.Duration
	Interrupted      bool // the context ended before the plan

	Kinds   []KindResult // that the mix has
	Total   Counts       // of all kinds
	Latency *Histogram   // of all kinds; nil if nothing was answered
	Pending int          // exchanges that were neither answered nor given up at the end
	Events  Events
	Topics  TopicStats // of requests about topics
	// Lag is by how much requests left behind their intended time, of an open loop.
	Lag *Histogram
	// Busy is the part of the time, 0 to 1, in which workers had something to do.
	Busy float64
	// Traffic has the counters of the sockets. Its KernelDrops are responses that the generator was
	// too slow to read; a GRO batch counts once.
	Traffic fastpath.ConnStats

	Points []Point // in the order of time
	Usage  Usage   // of the whole run
	// TargetGone: the process of Plan.PID ended meanwhile.
	TargetGone bool
}

// KindResult holds the figures of the requests of one kind.
type KindResult struct {
	Kind Kind
	Counts
	// Latency of answered requests: from the intended time of an open loop, or the sending in a
	// closed one, until the answer was complete. nil if there was none.
	Latency *Histogram
}

// Point is an interval of a run.
type Point struct {
	Start, Length time.Duration
	Counts        Counts
	Whoareyou     uint64
	P50, P99, Max time.Duration // latency
	Usage         Usage         // in the interval
}

// Rate is how many requests were answered in a second.
func (r *Result) Rate() float64 { return perSecond(r.Total.Answered, r.Elapsed) }

// Loss is the part of the requests, 0 to 1, that should have been answered and were not: lost,
// still under way at the end, or never sent for want of room.
func (r *Result) Loss() float64 {
	all := r.Total.Sent + r.Total.Unsent
	if all == 0 {
		return 0
	}
	return float64(r.Total.Lost+r.Total.Unsent+uint64(r.Pending)) / float64(all)
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Above these the generator itself may have limited the result.
const (
	busyLimit = 0.95
	lagLimit  = time.Millisecond
)

// Limits says in what way the generator itself, and not the target, may have limited the load or
// lengthened latencies. It is empty if there is no sign of that.
func (r *Result) Limits() (list []string) {
	if r.Busy > busyLimit {
		list = append(list, fmt.Sprintf("the generator was busy %.0f%% of the time", 100*r.Busy))
	}
	if p := r.Lag.Quantile(0.99); p > lagLimit {
		list = append(list, fmt.Sprintf("1%% of the requests left %v or more behind their time", p.Round(time.Microsecond)))
	}
	if n := r.Traffic.KernelDrops; n > 0 {
		list = append(list, fmt.Sprintf("%d responses, or GRO batches of them, found the generator's receive buffers full", n))
	}
	if n := r.Total.Unsent; n > 0 {
		list = append(list, fmt.Sprintf("%d requests were not sent, for too many were under way", n))
	}
	if n := r.Traffic.SendErrors.Sum(); n > 0 {
		list = append(list, fmt.Sprintf("%d packets could not be sent", n))
	}
	return list
}

// result makes a Result of a summary.
func (g *Generator) result(r *run, s *summary, started time.Time, traffic fastpath.ConnStats) *Result {
	res := &Result{
		Started: started, Every: r.plan.Every, Sending: s.sending, Elapsed: s.elapsed, Interrupted: s.stopped,
		Pending: s.left, Events: s.stats.events, Topics: s.stats.topics, Lag: s.stats.lag, Traffic: traffic,
		Points: s.points, Usage: s.usage, TargetGone: s.gone,
	}
	for k, w := range r.cfg.Mix {
		if w > 0 {
			res.Kinds = append(res.Kinds, KindResult{Kind(k), s.stats.counts[k], s.stats.latency[k]})
		}
	}
	res.Total, res.Latency = s.stats.total()
	if s.wall > 0 {
		res.Busy = max(0, 1-s.stats.idle.Seconds()/(s.wall.Seconds()*float64(len(g.workers))))
	}
	return res
}

// difference returns the counts between two readings.
func difference(after, before fastpath.ConnStats) fastpath.ConnStats {
	a, b := &after, &before
	for _, p := range [][2]*uint64{
		{&a.RxDatagrams, &b.RxDatagrams}, {&a.RxBytes, &b.RxBytes}, {&a.RxBatches, &b.RxBatches}, {&a.RxGRO, &b.RxGRO},
		{&a.TxDatagrams, &b.TxDatagrams}, {&a.TxBytes, &b.TxBytes}, {&a.TxBatches, &b.TxBatches},
		{&a.TxGSO, &b.TxGSO}, {&a.GSORejected, &b.GSORejected},
		{&a.LocalUnknown, &b.LocalUnknown}, {&a.LocalFallbacks, &b.LocalFallbacks}, {&a.PathMTUIgnored, &b.PathMTUIgnored},
		{&a.Truncated, &b.Truncated}, {&a.Short, &b.Short}, {&a.Long, &b.Long}, {&a.BadSource, &b.BadSource},
		{&a.ReadErrors, &b.ReadErrors}, {&a.KernelDrops, &b.KernelDrops},
		{&a.SendErrors.Family, &b.SendErrors.Family}, {&a.SendErrors.Refused, &b.SendErrors.Refused},
		{&a.SendErrors.Unreachable, &b.SendErrors.Unreachable}, {&a.SendErrors.Denied, &b.SendErrors.Denied},
		{&a.SendErrors.NoBuffers, &b.SendErrors.NoBuffers}, {&a.SendErrors.Blocked, &b.SendErrors.Blocked},
		{&a.SendErrors.TooLong, &b.SendErrors.TooLong}, {&a.SendErrors.Closed, &b.SendErrors.Closed},
		{&a.SendErrors.Other, &b.SendErrors.Other},
	} {
		*p[0] -= *p[1]
	}
	return after
}
