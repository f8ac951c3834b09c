package engine

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// The advertiser and discoverer sides of topic advertisement. Package topic decides which requests
// to make; this file makes them, and supplies candidates: live capable nodes of the node table,
// capable nodes that any NODES response named, and lookups when those are too few.

const (
	// MaxAdvertised bounds the topics that a node advertises.
	MaxAdvertised = 32
	// MaxSearches bounds the concurrent searches of a node.
	MaxSearches = 64
	// fewCandidates is a service table so small that lookups look for capable nodes.
	fewCandidates = 8
	// heldLookups is how many such lookups a new search waits for.
	heldLookups = 3
	// firstTopicLookup is the pause between two such lookups. It doubles up to lastTopicLookup
	// while they find nothing.
	firstTopicLookup = 5 * time.Second
	lastTopicLookup  = 5 * time.Minute
	// maxFreshCapable bounds the capable nodes that wait for the next Tick.
	maxFreshCapable = 512
	// maxResults bounds the results that wait for Take. A search pauses while there are more, so
	// the answers under way are all that can come on top.
	maxResults = 1024
	// maxTopicGrants bounds the nodes whose budget is remembered, see package budget.
	maxTopicGrants = 4096
)

// ErrTopicWait means that a registrar gave more tickets, or wanted a longer wait, than its place is
// worth.
var ErrTopicWait = errors.New("discv5: the registrar wants too long a wait")

// topicRuns are the advertisers and searches of a node.
type topicRuns struct {
	count atomic.Int32 // of runs: without any, nothing is noted

	freshMu sync.Mutex
	fresh   []topic.Node // capable nodes that have become known since the last Tick
	live    []topic.Node // of the node table, that have become live

	mu     sync.Mutex // guards what follows, and the machines of all runs
	runs   []*TopicRun
	random *aead.Random
	pace   topic.Pace
	pool   topic.Pool
	grants map[enr.ID]*budget.Grant
	seen   *enr.Record // own record that the advertisers have been given
	// lookups for candidates
	looking    bool
	nextLookup time.Duration
	pause      time.Duration
	turn       int
}

// TopicRun is an advertiser or a search that is under way. Exactly one of adv and search is set.
type TopicRun struct {
	e      *Engine
	topic  topic.Topic
	adv    *topic.Advertiser
	search *topic.Search
	notify func() // something is there for Take; called without locks
	// timeout is that of a request; 0 stands for Config.RequestTimeout.
	timeout time.Duration

	// guarded by topicRuns.mu
	hold    int // lookups for candidates that a search waits for before it begins
	results []topic.Node
	done    bool
	stopped bool
}

// StartAdvertiser begins to advertise a topic. timeout is that of each request; 0 stands for
// Config.RequestTimeout. ErrBusy: MaxAdvertised topics are being advertised.
func (w *Worker) StartAdvertiser(cfg topic.AdvertiserConfig, timeout time.Duration) (*TopicRun, error) {
	r := &TopicRun{e: w.e, topic: cfg.Topic, timeout: timeout}
	return r, w.startRun(r, MaxAdvertised, func(rs *topicRuns) {
		cfg.Self, cfg.Pace = w.e.self, &rs.pace
		cfg.Changed = r.changed
		r.adv = topic.NewAdvertiser(cfg, rs.random)
		r.adv.SetRecord(w.now, w.e.Record())
	})
}

// StartSearch begins to search for advertisers of a topic. notify is called whenever Take has
// something, without locks and from any goroutine that drives a worker; it must not block. ErrBusy:
// MaxSearches searches are under way.
func (w *Worker) StartSearch(cfg topic.SearchConfig, timeout time.Duration, notify func()) (*TopicRun, error) {
	r := &TopicRun{e: w.e, topic: cfg.Topic, timeout: timeout, notify: notify}
	return r, w.startRun(r, MaxSearches, func(rs *topicRuns) {
		cfg.Self, cfg.Pace = w.e.self, &rs.pace
		r.search = topic.NewSearch(cfg, rs.random)
	})
}

func (w *Worker) startRun(r *TopicRun, most int, make func(*topicRuns)) error {
	rs := &w.e.topicRuns
	rs.mu.Lock()
	if rs.random == nil {
		var err error
		if rs.random, err = aead.NewRandom(w.e.cfg.Random); err != nil {
			rs.mu.Unlock()
			return err
		}
		rs.pause = firstTopicLookup
	}
	make(rs)
	same := 0
	for _, o := range rs.runs {
		if (o.adv != nil) == (r.adv != nil) {
			same++
		}
	}
	if same >= most {
		rs.mu.Unlock()
		return ErrBusy
	}
	rs.runs = append(rs.runs, r)
	rs.count.Store(int32(len(rs.runs)))
	rs.nextLookup = min(rs.nextLookup, w.now)
	for j := 1; j <= codec.MaxDistance; j++ {
		at := w.e.table.Relay(j)
		for _, c := range at.Capable() {
			r.addLive(w.now, topic.Node{Record: at.Verified(c.Index), Addr: at.Addr(c.Index)})
		}
	}
	for _, n := range rs.pool.Nodes() {
		r.addNamed(w.now, n)
	}
	if r.search != nil && r.candidates() < fewCandidates {
		rs.nextLookup = w.now
		// A walk without candidates would end before it began. A stream makes other walks, and
		// does not wait for lookups, which may take long.
		if !r.search.Stream() {
			r.hold = heldLookups
		}
	}
	rs.mu.Unlock()
	w.advanceRun(r)
	w.publish()
	return nil
}

// addLive offers a live node of the node table. topicRuns.mu is held.
func (r *TopicRun) addLive(now time.Duration, n topic.Node) {
	if r.adv != nil {
		r.adv.Table().Add(now, nil, n)
	} else {
		r.search.Add(now, n)
	}
}

// addNamed offers a node that another node has named. topicRuns.mu is held.
func (r *TopicRun) addNamed(now time.Duration, n topic.Node) {
	if r.adv == nil {
		r.search.Add(now, n)
		return
	}
	id := n.Record.ID()
	r.adv.Table().Add(now, &topic.Source{ID: id, Distances: []uint{uint(r.topic.Distance(id))}}, n)
}

// candidates is the size of the service table. topicRuns.mu is held.
func (r *TopicRun) candidates() int {
	if r.adv != nil {
		return r.adv.Table().Len()
	}
	return r.search.Candidates()
}

// changed reports what became of a registration.
func (r *TopicRun) changed(c topic.Change) {
	switch c.Kind {
	case topic.Placed:
		r.e.event(Event{Kind: TopicPlaced, ID: c.Registrar, Topic: r.topic, Wait: c.Wait})
	case topic.Ended:
		r.e.event(Event{Kind: TopicLost, ID: c.Registrar, Topic: r.topic})
	case topic.Quoted:
		r.e.event(Event{Kind: TopicWaiting, ID: c.Registrar, Topic: r.topic, Wait: c.Wait})
	case topic.Silent:
		r.e.event(Event{Kind: TopicFailed, ID: c.Registrar, Topic: r.topic, Err: ErrTimeout})
	case topic.GaveUp:
		r.e.event(Event{Kind: TopicFailed, ID: c.Registrar, Topic: r.topic, Err: ErrTopicWait})
	}
}

// Stop ends the run. Requests that are under way are not canceled, and count for nothing.
func (r *TopicRun) Stop() {
	rs := &r.e.topicRuns
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.stopped {
		return
	}
	r.stopped = true
	rs.runs = slices.DeleteFunc(rs.runs, func(o *TopicRun) bool { return o == r })
	rs.count.Store(int32(len(rs.runs)))
}

// Status tells how far an advertiser is.
func (r *TopicRun) Status() topic.Status {
	r.e.topicRuns.mu.Lock()
	defer r.e.topicRuns.mu.Unlock()
	return r.adv.Status()
}

// Stats tells how far a search is.
func (r *TopicRun) Stats() topic.SearchStats {
	r.e.topicRuns.mu.Lock()
	defer r.e.topicRuns.mu.Unlock()
	return r.search.Stats()
}

// Take returns the results of a search that it has not returned before. done reports that there
// will be no more.
func (r *TopicRun) Take() (list []topic.Node, done bool) {
	r.e.topicRuns.mu.Lock()
	defer r.e.topicRuns.mu.Unlock()
	list, r.results = r.results, nil
	return list, r.done
}

// advanceRun makes the requests of a run that are due.
func (w *Worker) advanceRun(r *TopicRun) {
	rs := &w.e.topicRuns
	for {
		var q Request
		var n topic.Node
		ok := false
		rs.mu.Lock()
		switch {
		case r.stopped || r.hold > 0 || len(r.results) >= maxResults:
		case r.adv != nil:
			var a topic.Registration
			if a, ok = r.adv.Next(w.now); ok {
				n = a.Node
				q = Request{
					Type: codec.TypeRegTopic, Topic: a.Topic, Ticket: a.Ticket, Record: a.Record, Distances: a.Distances,
					TicketFirst: a.TicketFirst,
				}
			}
		default:
			var a topic.Question
			if a, ok = r.search.Next(w.now); ok {
				n = a.Node
				q = Request{Type: codec.TypeTopicQuery, Topic: a.Topic, Distances: a.Distances}
			}
		}
		tell := r.harvest()
		var grant *budget.Grant
		if ok {
			grant = rs.grants[n.Record.ID()]
		}
		rs.mu.Unlock()
		if tell {
			r.notify()
		}
		if !ok {
			return
		}
		id, distances := n.Record.ID(), q.Distances
		q.Timeout = r.timeout
		q.Peer, q.NoFallback = lookup.NewPeer(n.Record, n.Addr), true
		q.Done = func(w *Worker, res Result) {
			w.topicAnswer(r, id, n, distances, res)
			w.advanceRun(r)
		}
		switch {
		case len(q.Ticket) > 0 || w.hasAnswered(n):
			w.start(q, budget.Known, nil)
		case grant != nil:
			w.start(q, budget.Named, grant)
		default:
			// Somebody has named the node, and what pays for asking it is forgotten.
			w.counts[BudgetUnfunded]++
			q.Done(w, Result{Err: ErrBudget})
		}
	}
}

// hasAnswered reports whether a node has answered this one at its address.
func (w *Worker) hasAnswered(n topic.Node) bool {
	e := w.e
	if t, s, ok := e.table.Get(n.Record.ID()); ok && s.Live && t.Addr == n.Addr {
		return true
	}
	id := [32]byte(n.Record.ID())
	key := session.MakeKey(n.Addr, &id)
	_, ok := e.sessions.Sender(&key, e.sessions.Hash(&key))
	return ok || e.budget.Proven(w.now, n.Addr)
}

// harvest takes the new results of a search. It reports whether to call notify. topicRuns.mu is
// held.
func (r *TopicRun) harvest() bool {
	if r.search == nil || r.stopped || r.done || r.hold > 0 {
		return false
	}
	list := r.search.Take()
	r.results = append(r.results, list...)
	r.done = r.search.Done()
	for _, n := range list {
		r.e.event(Event{Kind: TopicFound, ID: n.Record.ID(), Addr: n.Addr, Record: n.Record, Topic: r.topic})
	}
	return len(list) > 0 || r.done
}

// topicAnswer reports how a request of a run ended.
func (w *Worker) topicAnswer(r *TopicRun, id enr.ID, n topic.Node, distances []uint, res Result) {
	rs := &w.e.topicRuns
	w.countTopicRequest(r, res.Err)
	if res.Err != nil {
		w.noteFailure(id, n.Addr, res)
		_, s, known := w.e.table.Get(id)
		rs.mu.Lock()
		defer rs.mu.Unlock()
		// A run that was stopped is told too: its requests count in the common pace.
		if r.adv != nil {
			r.adv.Fail(w.now, id, known && s.Live)
		} else {
			r.search.Fail(w.now, id)
		}
		return
	}
	auxiliary := w.topicNodes(n, res.Records)
	// what cannot be contacted from here may be reached otherwise
	ads := make([]topic.Node, len(res.Ads))
	for i, rec := range res.Ads {
		ads[i].Record = rec
		ads[i].Addr, _ = w.e.named(w.now, rec, table.Class(n.Addr.Addr()))
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.grants, id) // its endpoint is proven now
	for _, a := range auxiliary {
		rs.grant(a.Record.ID(), res.grant)
		rs.pool.Add(a, rs.random)
	}
	if r.adv != nil {
		r.adv.Confirm(w.now, id, topic.Confirmation{Ticket: res.Ticket, Wait: res.Wait})
		r.adv.Table().Add(w.now, &topic.Source{ID: id, Distances: distances}, auxiliary...)
	} else {
		r.search.Answer(w.now, id, ads, auxiliary)
	}
}

// countTopicRequest counts a request of a run that has ended.
func (w *Worker) countTopicRequest(r *TopicRun, err error) {
	answered, failed := DiscovererAnswered, DiscovererFailed
	if r.adv != nil {
		answered, failed = AdvertiserAnswered, AdvertiserFailed
	}
	if err != nil {
		answered = failed
	}
	w.counts[answered]++
}

// grant notes what pays for asking a node that an answer has named. topicRuns.mu is held.
func (rs *topicRuns) grant(id enr.ID, g *budget.Grant) {
	if rs.grants == nil || len(rs.grants) >= maxTopicGrants {
		rs.grants = make(map[enr.ID]*budget.Grant)
	}
	rs.grants[id] = g
}

// topicNodes returns the nodes of an answer that can be contacted from here.
func (w *Worker) topicNodes(from topic.Node, list []*enr.Record) (nodes []topic.Node) {
	by := table.Class(from.Addr.Addr())
	for _, rec := range list {
		if addr, ok := w.e.named(w.now, rec, by); ok {
			nodes = append(nodes, topic.Node{Record: rec, Addr: addr})
		}
	}
	return nodes
}

// tickTopics does what time has made due for registrar, advertisers and searches.
func (w *Worker) tickTopics() {
	e := w.e
	if e.registrar != nil {
		e.registrar.Expire(w.now)
	}
	rs := &e.topicRuns
	if rs.count.Load() == 0 {
		return
	}
	rs.mu.Lock()
	w.absorb()
	record := e.Record()
	rs.seen = record
	due := slices.Clone(rs.runs)
	few, look := topic.Topic{}, false
	for _, r := range due {
		if r.adv != nil {
			r.adv.SetRecord(w.now, record)
		}
		if r.candidates() < fewCandidates && !r.done {
			few, look = r.topic, true
		}
	}
	look = look && !rs.looking && w.now >= rs.nextLookup
	if look {
		rs.looking = true
		rs.turn++
		if rs.turn%2 == 0 {
			rs.random.Read(few[:])
		}
	}
	rs.mu.Unlock()
	if look {
		w.lookForCapable(few)
	}
	for _, r := range due {
		w.advanceRun(r)
	}
}

// nextTopics returns the time from which tickTopics has work.
func (e *Engine) nextTopics() time.Duration {
	next := never
	if e.registrar != nil {
		if at, ok := e.registrar.Next(); ok {
			next = at
		}
	}
	rs := &e.topicRuns
	if rs.count.Load() == 0 {
		return next
	}
	rs.freshMu.Lock()
	waiting := len(rs.fresh)+len(rs.live) > 0
	rs.freshMu.Unlock()
	if waiting {
		return 0
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	now := time.Duration(e.ticked.Load())
	record := e.Record()
	for _, r := range rs.runs {
		var at time.Duration
		var ok bool
		if r.adv != nil {
			at, ok = r.adv.NextTime(now)
		} else if !r.done {
			at, ok = r.search.NextTime(now)
		}
		if ok {
			next = min(next, at)
		}
		if r.candidates() < fewCandidates && !r.done && !rs.looking {
			next = min(next, rs.nextLookup)
		}
	}
	if record != rs.seen {
		return now
	}
	return next
}
