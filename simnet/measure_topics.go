package simnet

import (
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/topic"
)

// TopicSample describes what became of topics within a Sample. Times are in seconds.
type TopicSample struct {
	// Nodes that are running: registrars, advertisers, and the attackers among those.
	Registrars, Members, Attackers int

	Lookups TopicLookups
	Search  TopicSearches

	// Ads per advertiser that has been advertising for two lifetimes, relative to the most that it
	// can have: five in each bucket, or as many as there are registrars. PlacedLeast is the mean of
	// the topic that has the fewest.
	Placed, PlacedLeast float64
	// Waiting is the share of these places for which a chain is under way, on top of Placed.
	Waiting float64
	// First is the time from the start of an advertiser to its first ad; Without is the number of
	// advertisers that have been trying for a lifetime and have none.
	FirstMedian, FirstP95 float64
	Without               int
	// Seen is the share of the advertisers that somebody found within a lifetime after they began.
	Seen float64

	// Ads in the cache of a registrar.
	AdsMean float64
	AdsMost int
	// Topic messages that a registrar receives in 15 minutes: of all four types, and queries alone.
	MessagesMedian, MessagesMost float64
	QueriesMedian, QueriesMost   float64

	// Results of lookups and searches, the share of them whose nodes were not running, and for how
	// long the one that had been gone longest was gone.
	Results  int
	Dead     float64
	DeadMost float64
	// Hostile is the share of the results of lookups that are attackers.
	Hostile float64

	Topics []TopicRow
}

// TopicLookups is how lookups for 30 advertisers went.
type TopicLookups struct {
	Ended int
	// Complete is the share of the lookups that found 30, or all other advertisers that were
	// running and had been advertising for a lifetime. Recall is the mean share of those that were
	// found, 1 for a lookup that found 30.
	Complete, Recall float64
	// Queries is the mean number of requests, QueriesPopular that of topics with a tenth of the
	// advertisers or more.
	Queries, QueriesPopular float64
	TookMedian, TookP95     float64
	// Eclipsed is the number of lookups that found attackers alone.
	Eclipsed int
}

// TopicSearches is how searches without end went, so far.
type TopicSearches struct {
	Searching int
	// Seen is the share of the searches that have found 99 % of the advertisers that are running
	// and settled, and All of those that have found every one of them. Recall is the mean share,
	// Minute the mean share found within a minute.
	Seen, All, Recall, Minute float64
	// Unfound is the number of settled advertisers that no other search of the topic has found.
	// LeastFound is the share of the searches of its topic that have found the one that the
	// fewest have found.
	Unfound    int
	LeastFound float64
	// HalfMedian and MostMedian are the median times to half of the advertisers and to 90 %.
	HalfMedian, MostMedian float64
	// Rate is the number of requests of a search in a minute of the sample.
	Rate float64
}

// TopicRow is one topic.
type TopicRow struct {
	Members, Lookups int
	Complete         float64
	Queries, Took    float64 // means
	Placed           float64
}

// topicCounts is what a node has received.
type topicCounts struct{ messages, queries uint64 }

func topicCountsOf(nd *Node) topicCounts {
	c := nd.engine().Counters()
	return topicCounts{
		c[engine.InRegTopic] + c[engine.InRegConfirmation] + c[engine.InTopicQuery] + c[engine.InTopicNodes],
		c[engine.InTopicQuery],
	}
}

// topicFindings are the sums of lookups, and results.
type topicFindings struct {
	rows     []rowFindings
	took     []time.Duration
	eclipsed int
	results  int // of lookups and searches
	dead     int
	deadMost time.Duration
	hostile  int // of lookups
	ofLook   int // results of lookups
}

type rowFindings struct {
	ended, complete, queries int
	recall                   float64
	took                     time.Duration
}

// lookup measures a lookup that has ended.
func (f *topicFindings) lookup(l *topicLookup, st topic.SearchStats) {
	t, now := l.t, l.t.s.n.Now()
	for len(f.rows) < len(t.lists) {
		f.rows = append(f.rows, rowFindings{})
	}
	row := &f.rows[l.m.topic]
	row.ended++
	row.queries += st.Queries
	row.took += now - l.began
	f.took = append(f.took, now-l.began)
	found := make(map[enr.ID]struct{}, len(l.results))
	hostile := 0
	for _, r := range l.results {
		found[r.ID()] = struct{}{}
		m := t.byID[r.ID()]
		if m != nil && m.hostile {
			hostile++
		}
		f.result(m, now)
	}
	f.ofLook += len(l.results)
	f.hostile += hostile
	if hostile > 0 && hostile == len(l.results) {
		f.eclipsed++
	}
	if len(found) >= topic.DefaultCount {
		row.complete++
		row.recall++
		return
	}
	wanted, have := 0, 0
	for _, m := range t.lists[l.m.topic] {
		if m != l.m && m.settled(now) && l.began-m.began >= topic.DefaultLifetime {
			wanted++
			if _, ok := found[m.nd.ID()]; ok {
				have++
			}
		}
	}
	if have == wanted {
		row.complete++
	}
	if wanted > 0 {
		row.recall += float64(have) / float64(wanted)
	} else {
		row.recall++
	}
}

// result counts a result.
func (f *topicFindings) result(m *member, now time.Duration) {
	f.results++
	if m != nil && !m.running() {
		f.dead++
		f.deadMost = max(f.deadMost, now-m.died)
	}
}

func (f *topicFindings) merge(o *topicFindings) {
	for i, r := range o.rows {
		if i == len(f.rows) {
			f.rows = append(f.rows, rowFindings{})
		}
		g := &f.rows[i]
		g.ended, g.complete, g.queries = g.ended+r.ended, g.complete+r.complete, g.queries+r.queries
		g.recall, g.took = g.recall+r.recall, g.took+r.took
	}
	f.took = append(f.took, o.took...)
	f.eclipsed, f.results, f.dead = f.eclipsed+o.eclipsed, f.results+o.results, f.dead+o.dead
	f.deadMost = max(f.deadMost, o.deadMost)
	f.hostile, f.ofLook = f.hostile+o.hostile, f.ofLook+o.ofLook
}

// sample describes the topics, with messages and requests counted from a window on.
func (t *topicSwarm) sample(f *topicFindings, past *topicWindow) *TopicSample {
	p := &TopicSample{Topics: make([]TopicRow, t.cfg.Topics), Results: f.results, DeadMost: f.deadMost.Seconds()}
	if f.results > 0 {
		p.Dead = float64(f.dead) / float64(f.results)
	}
	if f.ofLook > 0 {
		p.Hostile = float64(f.hostile) / float64(f.ofLook)
	}
	t.sampleMembers(p)
	t.sampleLookups(p, f)
	t.sampleSearches(p)
	p.Search.Rate = t.rate
	t.sampleRegistrars(p, past)
	return p
}

func (t *topicSwarm) sampleLookups(p *TopicSample, f *topicFindings) {
	var popular, queries, popularQueries int
	l := &p.Lookups
	for i, r := range f.rows {
		row := &p.Topics[i]
		if row.Lookups = r.ended; r.ended == 0 {
			continue
		}
		k := float64(r.ended)
		row.Complete, row.Queries, row.Took = float64(r.complete)/k, float64(r.queries)/k, r.took.Seconds()/k
		l.Ended += r.ended
		l.Complete += float64(r.complete)
		l.Recall += r.recall
		queries += r.queries
		if row.Members*10 >= p.Members {
			popular += r.ended
			popularQueries += r.queries
		}
	}
	l.Eclipsed = f.eclipsed
	if l.Ended > 0 {
		k := float64(l.Ended)
		l.Complete, l.Recall, l.Queries = l.Complete/k, l.Recall/k, float64(queries)/k
	}
	if popular > 0 {
		l.QueriesPopular = float64(popularQueries) / float64(popular)
	}
	l.TookMedian, l.TookP95 = quantile(f.took, 0.5), quantile(f.took, 0.95)
}

// sampleMembers looks at the advertisers.
func (t *topicSwarm) sampleMembers(p *TopicSample) {
	now := t.s.n.Now()
	firsts := slices.Clone(t.firsts)
	began, seen := 0, 0
	var placed, places float64
	p.PlacedLeast = 1
	for i, list := range t.lists {
		var inTopic, most float64
		wanted := t.wanted(i)
		for _, m := range list {
			if m.seen > 0 && m.seen-m.began <= topic.DefaultLifetime {
				seen++
				began++
			} else if m.seen > 0 || now-m.began > topic.DefaultLifetime && m.running() {
				began++
			}
			if !m.running() {
				continue
			}
			p.Members++
			p.Topics[i].Members++
			if m.hostile {
				p.Attackers++
			}
			if m.ad == nil {
				continue
			}
			if d, ok := t.first(m); ok {
				firsts = append(firsts, d)
			} else if m.settled(now) {
				p.Without++
			}
			if now-m.began >= 2*topic.DefaultLifetime {
				st := m.ad.Status()
				inTopic += float64(st.Placed)
				p.Waiting += float64(st.Pending)
				most += wanted
			}
		}
		if most > 0 {
			p.Topics[i].Placed = inTopic / most
			p.PlacedLeast = min(p.PlacedLeast, inTopic/most)
		}
		placed, places = placed+inTopic, places+most
	}
	if places > 0 {
		p.Placed, p.Waiting = placed/places, p.Waiting/places
	}
	if began > 0 {
		p.Seen = float64(seen) / float64(began)
	}
	p.FirstMedian, p.FirstP95 = quantile(firsts, 0.5), quantile(firsts, 0.95)
}

// wanted is how many ads an advertiser of a topic can have: five in each bucket.
func (t *topicSwarm) wanted(i int) (sum float64) {
	var sizes [topic.NumBuckets]int
	point := t.points[i]
	for _, nd := range t.s.n.nodes {
		if nd.Running() && nd.engine().Registrar() != nil {
			sizes[min(256-point.Distance(nd.ID()), topic.NumBuckets-1)]++
		}
	}
	for _, k := range sizes {
		sum += float64(min(k, topic.DefaultPerBucket))
	}
	return sum
}

// sampleSearches looks at the searches without end.
func (t *topicSwarm) sampleSearches(p *TopicSample) {
	now := t.s.n.Now()
	q := &p.Search
	var half, most []time.Duration
	q.LeastFound = 1
	for _, list := range t.lists {
		found, searching := make(map[*member]int), 0
		for _, m := range list {
			s := m.stream
			if s == nil || !m.running() {
				continue
			}
			q.Searching++
			searching++
			var times []time.Duration
			wanted, minute := 0, 0
			for _, o := range list {
				if o == m || !o.settled(now) {
					continue
				}
				wanted++
				if o.index < len(s.times) && s.times[o.index] > 0 {
					found[o]++
					times = append(times, s.times[o.index])
					if s.times[o.index] <= time.Minute {
						minute++
					}
				}
			}
			if wanted == 0 {
				q.Seen, q.All, q.Recall, q.Minute = q.Seen+1, q.All+1, q.Recall+1, q.Minute+1
				continue
			}
			slices.Sort(times)
			share := float64(len(times)) / float64(wanted)
			q.Recall += share
			q.Seen += one(share >= 0.99)
			q.All += one(len(times) == wanted)
			q.Minute += float64(minute) / float64(wanted)
			if i := (wanted + 1) / 2; i <= len(times) {
				half = append(half, times[i-1])
			}
			if i := (wanted*9 + 9) / 10; i <= len(times) {
				most = append(most, times[i-1])
			}
		}
		for _, o := range list {
			others := searching
			if o.stream != nil && o.running() {
				others-- // a search does not find its own node
			}
			if others == 0 || !o.settled(now) {
				continue
			}
			q.Unfound += int(one(found[o] == 0))
			q.LeastFound = min(q.LeastFound, float64(found[o])/float64(others))
		}
	}
	if q.Searching == 0 {
		return
	}
	k := float64(q.Searching)
	q.Seen, q.All, q.Recall, q.Minute = q.Seen/k, q.All/k, q.Recall/k, q.Minute/k
	q.HalfMedian, q.MostMedian = quantile(half, 0.5), quantile(most, 0.5)
}

// sampleRegistrars looks at what registrars hold and have received.
func (t *topicSwarm) sampleRegistrars(p *TopicSample, from *topicWindow) {
	periods := (t.s.n.Now() - from.at).Seconds() / topic.DefaultLifetime.Seconds()
	var messages, queries []float64
	ads := 0
	for _, nd := range t.s.n.nodes {
		if !nd.Running() || nd.engine().Registrar() == nil {
			continue
		}
		p.Registrars++
		k := nd.engine().Registrar().Stats().Ads
		ads += k
		p.AdsMost = max(p.AdsMost, k)
		if past, ok := from.counts[nd]; ok && periods > 0 {
			c := topicCountsOf(nd)
			messages = append(messages, float64(c.messages-past.messages)/periods)
			queries = append(queries, float64(c.queries-past.queries)/periods)
		}
	}
	if p.Registrars > 0 {
		p.AdsMean = float64(ads) / float64(p.Registrars)
	}
	p.MessagesMedian, p.MessagesMost = middleAndMost(messages)
	p.QueriesMedian, p.QueriesMost = middleAndMost(queries)
}

// topicWindow is what registrars had received at a time.
type topicWindow struct {
	at     time.Duration
	counts map[*Node]topicCounts
}

func (t *topicSwarm) window() topicWindow {
	w := topicWindow{t.s.n.Now(), make(map[*Node]topicCounts)}
	for _, nd := range t.s.n.nodes {
		if nd.Running() && nd.engine().Registrar() != nil {
			w.counts[nd] = topicCountsOf(nd)
		}
	}
	return w
}

// mark begins a sample.
func (t *topicSwarm) mark() {
	t.all.merge(&t.found)
	t.found = topicFindings{}
	minutes := (t.s.n.Now() - t.past.at).Minutes()
	t.past = t.window()
	queries, searches := 0, 0
	for _, list := range t.lists {
		for _, m := range list {
			if s := m.stream; s != nil && m.running() {
				k := s.run.Stats().Queries
				queries += k - s.queries
				s.queries = k
				searches++
			}
		}
	}
	if searches > 0 && minutes > 0 {
		t.rate = float64(queries) / float64(searches) / minutes
	}
}

// whole returns all findings since the nodes had joined.
func (t *topicSwarm) whole() *topicFindings {
	all := t.all
	all.rows, all.took = slices.Clone(all.rows), slices.Clone(all.took)
	all.merge(&t.found)
	return &all
}

// quantile returns a quantile in seconds, 0 if there are no values. It sorts the list.
func quantile(list []time.Duration, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[int(q*float64(len(list)-1))].Seconds()
}

func middleAndMost(list []float64) (middle, most float64) {
	if len(list) == 0 {
		return 0, 0
	}
	slices.Sort(list)
	return list[len(list)/2], list[len(list)-1]
}
