package statuspage

import (
	"time"

	"github.com/fastdisc/discv5"
)

// counter finds a counter of the node.
func counter(metric, value string) discv5.Counter {
	c, ok := discv5.FindCounter(metric, value)
	if !ok {
		panic("statuspage: no counter " + metric + " " + value) // at the start of the program
	}
	return c
}

var (
	counterIn         = counter("packets_received_total", "")
	counterOut        = counter("packets_sent_total", "")
	counterHandshakes = counter("handshakes_total", "recipient")
)

// refusedTime is how long a refused session remains a condition.
const refusedTime = 5 * time.Minute

// shownTopics bounds the topics that the page shows.
const shownTopics = 10

// status reads everything that the page shows.
func (p *Page) status(now time.Time) *Status {
	stats, latency, record := p.node.Stats(), p.node.Latency(), p.node.LocalRecord()
	s := &Status{
		Time: now.UTC(), Started: p.started.UTC(), Version: p.cfg.Version,
		Identity: Identity{ID: record.ID().String(), Seq: record.Seq(), Record: record.String()},
		Table:    describeTable(now, p.node.AllNodes(), p.cfg.Fork),
		Events:   p.events.newest(),
		Topics:   p.topics(),
		Reach:    []Reach{},
		Streams:  p.Streams().Open,
	}
	if p.cfg.Forks != nil {
		s.Forks = p.cfg.Forks(now)
	}
	if s.Forks != nil {
		s.Forks.sumUp()
	}
	if p.cfg.Fleet != nil {
		s.Fleet = p.cfg.Fleet()
		s.Fleet.bound()
	}
	if e, ok := record.Enode(); ok {
		s.Identity.Enode = e.String()
	}
	for _, a := range p.node.AddressStates() {
		s.Reach = append(s.Reach, reachOf(a))
	}
	l := &p.cfg.Limits
	s.Fills = []Fill{
		{"Sessions", stats.Sessions.Sessions, l.Sessions},
		{"Challenges", stats.Sessions.Challenges, l.Challenges},
		{"Handshake queue", stats.Tasks, 2 * l.Tasks},
		{"Own requests", stats.Requests, l.OwnRequests},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Load = Load{Now: p.rates(func(i series) float64 { return p.now[i] }), PeakHour: p.rates(p.hour.peak), PeakDay: p.rates(p.day.peak), Memory: max(p.now[memory], 0)}
	s.Peers.Hour, s.Peers.Networks = p.peers.count()
	s.Peers.PeakDay, s.Peers.Uncounted = max(uint64(p.day.peak(peers)), s.Peers.Hour), p.uncounted
	s.Limited.Sources, s.Limited.Others = p.sources.top()
	current, minute, hour := countsOf(&stats), &p.minutes[p.minuteAt], &p.hours[p.hourAt]
	begin := minute.at
	if begin.IsZero() {
		begin = p.started
	}
	seconds := now.Sub(begin).Seconds()
	s.Drops = dropsSince(&current, minute, &hour.counts, seconds, l)
	for _, op := range []struct {
		name string
		of   discv5.Latency
	}{
		{"Handshakes of peers", discv5.LatencyAccepted}, {"Own handshakes", discv5.LatencyInitiated},
		{"Own PING", discv5.LatencyPing}, {"Own FINDNODE", discv5.LatencyFindNode},
	} {
		h := since(latency[op.of], hour.latency[op.of])
		s.Latency = append(s.Latency, Latency{op.name, h.Count(), quantile(h, 0.5), quantile(h, 0.9), quantile(h, 0.99)})
	}
	kernel := float64(current.kernel-minute.kernel) / max(seconds, 1)
	s.conditions = p.conditionsOf(now, s, kernel, !p.refusedAt.IsZero() && now.Sub(p.refusedAt) < refusedTime)
	s.Health = healthOf(s.conditions, s.Table.Live)
	return s
}

// rates returns the values of the series that are rates.
func (p *Page) rates(of func(series) float64) Rates {
	at := func(i series) float64 { return max(of(i), 0) }
	r := Rates{PacketsIn: at(packetsIn), PacketsOut: at(packetsOut), Handshakes: at(handshakes), Drops: at(drops)}
	if v := of(cpu); v >= 0 && p.now[cpu] >= 0 {
		r.CPU = &v
	}
	return r
}

// topics describes the registrar, nil if the node is none.
func (p *Page) topics() *Topics {
	st := p.node.TopicStats()
	if st.Capacity == 0 {
		return nil
	}
	t := &Topics{Ads: st.Ads, Capacity: st.Capacity, Topics: st.Topics, Queries: st.Queries, Returned: st.Returned, Expired: st.Expired, Largest: []TopicAds{}}
	for _, c := range p.node.LargestTopics(shownTopics) {
		t.Largest = append(t.Largest, TopicAds{c.Topic.String(), c.Ads})
	}
	return t
}

// since returns the counts of a histogram since an earlier state of it.
func since(now, before discv5.Histogram) discv5.Histogram {
	for i := range now.Counts {
		now.Counts[i] -= before.Counts[i]
	}
	now.Sum -= before.Sum
	return now
}

// quantile returns the upper bound of the bucket that holds a quantile, in seconds, and -1 if the
// histogram is empty.
func quantile(h discv5.Histogram, q float64) float64 {
	total := h.Count()
	if total == 0 {
		return -1
	}
	rank, seen := uint64(q*float64(total)), uint64(0)
	for i, n := range h.Counts[:discv5.NumLatencyBounds] {
		if seen += n; seen > rank || seen == total {
			return discv5.LatencyBound(i).Seconds()
		}
	}
	return discv5.LatencyBound(discv5.NumLatencyBounds - 1).Seconds()
}

// history returns the points of the charts.
func (p *Page) history() *History {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &History{Hour: p.hour.window(), Day: p.day.window()}
}

// window returns the points of a ring in the form of JSON.
func (r *ring) window() Window {
	w := Window{Step: r.step.Seconds(), Series: map[string]Points{}}
	if r.count > 0 {
		end := r.end.UTC()
		w.End = &end
	}
	value := func(v float32) *float32 {
		if v < 0 {
			return nil
		}
		return &v
	}
	for i, name := range seriesNames {
		points := Points{Mean: []*float32{}, Max: []*float32{}}
		for _, p := range r.all() {
			points.Mean, points.Max = append(points.Mean, value(p.mean[i])), append(points.Max, value(p.max[i]))
		}
		w.Series[name] = points
	}
	return w
}
