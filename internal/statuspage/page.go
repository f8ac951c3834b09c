package statuspage

import (
	"context"
	"iter"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// Times between two samples, and between two looks at the conditions.
const (
	sampleInterval    = time.Second
	conditionInterval = 15 * time.Second
)

// Node is the part of *discv5.Node that the page needs.
type Node interface {
	// Stats returns the counters.
	Stats() discv5.Stats
	// Latency returns how long operations took since the start.
	Latency() discv5.Latencies
	// LocalRecord returns the record of the node.
	LocalRecord() *enr.Record
	// AddressStates returns the states of the node's own addresses.
	AddressStates() []discv5.AddressState
	// AllNodes iterates over the table.
	AllNodes() iter.Seq[discv5.KnownNode]
	// Sessions iterates over the sessions.
	Sessions() iter.Seq[discv5.Session]
	// LimitedSources returns sources that are at a rate limit.
	LimitedSources(most int) []discv5.LimitedSource
	// TopicStats is zero if the node is not a registrar of topics.
	TopicStats() discv5.TopicStats
	// LargestTopics returns the topics with the most ads.
	LargestTopics(most int) []discv5.TopicCount
	// Subscribe delivers events.
	Subscribe(size int, kinds ...discv5.EventKind) *discv5.Subscription
	// Diagnose says why the node knows nobody.
	Diagnose() discv5.Diagnosis
	// Done is closed when the node closes.
	Done() <-chan struct{}
	// Err returns why a socket has failed.
	Err() error
}

// Limits are the limits of the node, which the page shows beside what reaches them.
type Limits struct {
	Sessions, Challenges, Tasks, OwnRequests int
	Unverified, Handshake, Requests          limits.Rates
}

// Config configures a Page.
type Config struct {
	Node    Node
	Version string
	Limits  Limits
	// Name is the network of the node, for the title; empty for none.
	Name string
	// Fork names the fork of a record; default ForkOf.
	Fork func(*enr.Record) string
	// Forks describes the chain that the node serves; nil, or a nil result, for none. The page
	// shows at most shownGroups of its refused groups.
	Forks func(now time.Time) *Forks
	// Fleet describes the fleet that the node belongs to; nil for none. The page shows at most
	// shownMembers members.
	Fleet func() *Fleet
	// Conditions returns what the program around the node has to report; nil for nothing.
	Conditions func() []Condition
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Page collects the figures of a node and serves them. Its methods are safe for concurrent use.
type Page struct {
	cfg     Config
	node    Node
	started time.Time
	events  eventLog
	streams streams

	// The goroutine that calls Advance owns these: the conditions of the last watchConditions, and
	// when things were done last.
	known                         map[string]Condition
	lookedAt, turnedAt, watchedAt time.Time

	mu        sync.Mutex
	hour      ring
	day       ring
	peers     *peerCounter
	sources   *sourceCounter
	uncounted uint64 // events of sessions that were lost

	stats     discv5.Stats // the newest, and when it was read
	statsAt   time.Time
	cpu       time.Duration
	now       [numSeries]float64
	latency   discv5.Latencies // when the last point of hour ended
	minutes   [12]counts       // every 5 s; minuteAt is the oldest and the next to replace
	minuteAt  int
	hours     [hourSlices]snapshot // every 5 min; hourAt is the oldest and the next to replace
	hourAt    int
	refusedAt time.Time // when a session was refused last

	rendered rendered
}

// snapshot is the state at the beginning of a slice.
type snapshot struct {
	counts  counts
	latency discv5.Latencies
}

// New returns a page. It shows figures once Run runs.
func New(cfg Config) *Page {
	if cfg.Fork == nil {
		cfg.Fork = ForkOf
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	now := cfg.Now()
	p := &Page{
		cfg: cfg, node: cfg.Node, started: now, peers: newPeerCounter(), sources: newSourceCounter(),
		lookedAt: now, turnedAt: now, watchedAt: now,
	}
	p.hour.step, p.day.step = hourStep, dayStep
	p.streams.init()
	p.stats, p.statsAt = p.node.Stats(), p.started
	p.cpu, _ = cpuTime()
	for i := range p.now {
		p.now[i] = -1
	}
	return p
}

// Note adds an event of the program around the node.
func (p *Page) Note(level Level, text string) { p.events.add(p.cfg.Now(), level, text) }

// Run collects figures and feeds the streams until ctx ends. Then all streams end.
func (p *Page) Run(ctx context.Context) {
	rare := p.node.Subscribe(64, eventKinds...)
	defer rare.Close()
	met := p.node.Subscribe(1024, discv5.EventSession, discv5.EventUnverifiable) // new sessions
	defer met.Close()
	defer p.streams.close()
	sample, update := time.NewTicker(sampleInterval), time.NewTicker(updateInterval)
	defer sample.Stop()
	defer update.Stop()
	rareC, metC := rare.C, met.C
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-rareC:
			if !ok { // the node is closed
				rareC = nil
				continue
			}
			level, text := describe(e)
			p.events.add(p.cfg.Now(), level, text)
		case e, ok := <-metC:
			if !ok {
				metC = nil
				continue
			}
			p.mu.Lock()
			p.peers.add(e.ID, e.Addr.Addr())
			p.uncounted = met.Lost()
			p.mu.Unlock()
		case <-sample.C:
			p.Advance(p.cfg.Now())
		case <-update.C:
			p.streams.update(p.cfg.Now(), p.sections)
		}
	}
}

// Advance does all work that is due at a time. Run calls it once a second. A program with a clock
// of its own, such as a simulation, calls it instead of Run.
func (p *Page) Advance(now time.Time) {
	p.sample(now)
	due := func(at *time.Time, interval time.Duration) bool {
		if now.Sub(*at) < interval {
			return false
		}
		*at = now
		return true
	}
	if due(&p.lookedAt, sourceInterval) {
		p.look()
	}
	if due(&p.turnedAt, sliceTime) {
		p.turn(now)
	}
	if due(&p.watchedAt, conditionInterval) {
		p.watchConditions(now)
	}
}

// sample reads the counters, and adds them to the rings.
func (p *Page) sample(now time.Time) {
	stats, latency := p.node.Stats(), p.node.Latency()
	used, known := cpuTime()
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := now.Sub(p.statsAt).Seconds()
	if seconds <= 0 {
		return
	}
	before, after := countsOf(&p.stats), countsOf(&stats)
	rate := func(c discv5.Counter) float64 {
		return float64(stats.Counters[c]-p.stats.Counters[c]) / seconds
	}
	v := &p.now
	v[packetsIn], v[packetsOut], v[handshakes] = rate(counterIn), rate(counterOut), rate(counterHandshakes)
	v[drops] = float64(after.dropped()-before.dropped()) / seconds
	v[sessions], v[liveNodes], v[memory] = float64(stats.Sessions.Sessions), float64(stats.Live), goMemory()
	if v[cpu] = -1; known {
		v[cpu] = (used - p.cpu).Seconds() / seconds
	}
	p.cpu = used
	if stats.Sessions.Refused > p.stats.Sessions.Refused {
		p.refusedAt = now
	}
	v[latencyMid], v[latencyTop] = -1, -1
	if now.Sub(p.hour.since) >= hourStep && !p.hour.since.IsZero() {
		ids, _ := p.peers.count()
		v[peers] = float64(ids)
		h := since(latency[discv5.LatencyAccepted], p.latency[discv5.LatencyAccepted])
		v[latencyMid], v[latencyTop] = quantile(h, 0.5), quantile(h, 0.99)
	}
	if p.hour.add(now, v) {
		p.latency = latency
	}
	p.day.add(now, v)
	p.stats, p.statsAt = stats, now
}

// look counts the sources that are at a limit, and remembers the drops.
func (p *Page) look() {
	list := p.node.LimitedSources(maxLimited)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources.add(list)
	p.minutes[p.minuteAt] = countsOf(&p.stats)
	p.minutes[p.minuteAt].at = p.statsAt
	p.minuteAt = (p.minuteAt + 1) % len(p.minutes)
}

// turn ends a slice of the hour. Peers whose sessions last longer than a slice are counted in each
// slice in which they sent something.
func (p *Page) turn(now time.Time) {
	latency := p.node.Latency()
	for s := range p.node.Sessions() {
		if now.Sub(s.Used) <= sliceTime {
			p.mu.Lock()
			p.peers.add(s.ID, s.Addr.Addr())
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers.turn()
	p.sources.turn()
	p.hours[p.hourAt] = snapshot{countsOf(&p.stats), latency}
	p.hourAt = (p.hourAt + 1) % len(p.hours)
}

// goMemory returns the memory that the Go program has from the system, in bytes.
func goMemory() float64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return float64(s[0].Value.Uint64() - s[1].Value.Uint64())
}
