package load

import "time"

// Counts are how requests of a kind ended.
//
//	Sent = Answered + Lost + those that are under way
type Counts struct {
	Sent     uint64 // requests that were begun
	Answered uint64 // completely
	Lost     uint64 // not answered in time
	Unsent   uint64 // due by the schedule, but MaxOutstanding were under way
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.Sent += o.Sent
	c.Answered += o.Answered
	c.Lost += o.Lost
	c.Unsent += o.Unsent
}

// Events are what else happened.
type Events struct {
	Whoareyou uint64 // challenges that came for requests of all kinds
	Rekeys    uint64 // sessions that the target had lost within the run, and that were renewed
	Resent    uint64 // requests that were resent after that
	Accepted  uint64 // bad handshakes that the target took for good
	Records   uint64 // node records in NODES
	Asked     uint64 // requests of the target's own, which get no answer
	Late      uint64 // answers that came after their request was given up, or twice

	Foreign   uint64 // datagrams from elsewhere than the target
	Unmatched uint64 // datagrams for no identity that waits
	// packets and messages of a form that the specification does not allow, or a wrong answer
	Malformed uint64
	Unopened  uint64 // messages that did not open with the session's key
	Stray     uint64 // WHOAREYOU that names no packet under way
}

// Add adds o to e.
func (e *Events) Add(o Events) {
	e.Whoareyou += o.Whoareyou
	e.Rekeys += o.Rekeys
	e.Resent += o.Resent
	e.Accepted += o.Accepted
	e.Records += o.Records
	e.Asked += o.Asked
	e.Late += o.Late
	e.Foreign += o.Foreign
	e.Unmatched += o.Unmatched
	e.Malformed += o.Malformed
	e.Unopened += o.Unopened
	e.Stray += o.Stray
}

// Bad returns the number of unexpected datagrams.
func (e Events) Bad() uint64 { return e.Foreign + e.Unmatched + e.Malformed + e.Unopened + e.Stray }

// stats has the counts of a worker in an interval.
type stats struct {
	counts  [NumKinds]Counts
	latency [NumKinds]*Histogram // of answered requests; nil until there is one
	lag     *Histogram           // by how much requests left behind their intended time
	events  Events
	topics  TopicStats
	idle    time.Duration // in which the worker had nothing to do
	last    time.Duration // when the last answer came
}

func newStats() *stats { return new(stats) }

// answered counts n answers that took d.
func (t *stats) answered(k Kind, now, d time.Duration) {
	t.counts[k].Answered++
	if t.latency[k] == nil {
		t.latency[k] = NewHistogram()
	}
	t.latency[k].Record(d, 1)
	t.last = now
}

func (t *stats) lagged(d time.Duration, n int) {
	if t.lag == nil {
		t.lag = NewHistogram()
	}
	t.lag.Record(d, n)
}

// add adds o to t.
func (t *stats) add(o *stats) {
	for k := range t.counts {
		t.counts[k].Add(o.counts[k])
		add(&t.latency[k], o.latency[k])
	}
	add(&t.lag, o.lag)
	t.events.Add(o.events)
	t.topics.Add(&o.topics)
	t.idle += o.idle
	t.last = max(t.last, o.last)
}

func add(to **Histogram, h *Histogram) {
	if h.Count() == 0 {
		return
	}
	if *to == nil {
		*to = NewHistogram()
	}
	(*to).Add(h)
}

// reset makes t empty and keeps its memory.
func (t *stats) reset() {
	for _, h := range append(t.latency[:], t.lag) {
		if h.Count() > 0 {
			h.Reset()
		}
	}
	*t = stats{latency: t.latency, lag: t.lag}
}

// total sums up the kinds.
func (t *stats) total() (c Counts, latency *Histogram) {
	for k := range t.counts {
		c.Add(t.counts[k])
		add(&latency, t.latency[k])
	}
	return c, latency
}
