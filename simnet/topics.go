package simnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/topic"
)

// TopicsConfig says what the nodes of a Swarm do about topics. Shares are 0 to 1. A node that has
// the capability is a registrar. Unless it is behind a NAT it advertises one topic. The others, and
// bootnodes, know nothing of topics.
type TopicsConfig struct {
	// Topics is the number of topics. 0: no node has the capability.
	Topics int
	// Zipf is the exponent of their popularity: topic i has a share in proportion to i^-Zipf of the
	// advertisers. With 0 all are alike.
	Zipf float64
	// Capable is the share of the nodes that has the capability; default 1.
	Capable float64
	// Lookups is how many lookups for 30 advertisers are made in an hour by random advertisers, for
	// their own topics. Before LeadIn they count only for who was found.
	Lookups float64
	// Search has each advertiser search for its topic, adaptively and without end, from LeadIn on.
	Search bool
	// LeadIn is the time after the nodes have joined from which on lookups and searches are
	// measured; default 30 minutes.
	LeadIn time.Duration
	// Hostile is the share of the advertisers of topic 0 that are attackers. They keep ten times as
	// many ads as others, share an address by fives, name only each other in NODES, and return only
	// each other for topic 0.
	Hostile float64
	// WaitScale multiplies the waiting times that registrars quote; default 1.
	WaitScale float64
}

// Figures of attackers.
const (
	hostilePerAddr = 5
	hostileRate    = 10
)

// topicSwarm is what a swarm knows about its topics.
type topicSwarm struct {
	s         *Swarm
	cfg       TopicsConfig
	points    []topic.Topic
	sums      []float64 // of the popularity of topics
	lists     [][]*member
	byNode    map[*Node]*member
	byID      map[enr.ID]*member
	liars     []*member // hostile ones
	addr      netip.Addr
	port      uint16
	measuring bool
	found     topicFindings // in the present sample
	all       topicFindings // before it
	firsts    []time.Duration
	past      topicWindow // the present sample
	joined    topicWindow // all of them
	rate      float64     // of requests of a search, in the last sample
}

// member is an advertiser of a topic, through all its lives.
type member struct {
	nd      *Node
	topic   int
	index   int // in the list of the topic
	hostile bool
	ad      *discv5.TopicAd
	began   time.Duration // of this life
	seen    time.Duration // first result with it in this life; 0 for none
	died    time.Duration // when it was gone last
	stream  *stream
}

// running reports whether the member is up.
func (m *member) running() bool { return m.nd.Running() }

// settled reports whether the member has been advertising for one lifetime of an ad.
func (m *member) settled(now time.Duration) bool {
	return m.running() && now-m.began >= topic.DefaultLifetime
}

func newTopicSwarm(s *Swarm) *topicSwarm {
	cfg := s.cfg.Topics
	if cfg.Topics == 0 {
		return nil
	}
	if cfg.Capable == 0 {
		cfg.Capable = 1
	}
	if cfg.LeadIn == 0 {
		cfg.LeadIn = 30 * time.Minute
	}
	t := &topicSwarm{s: s, cfg: cfg, lists: make([][]*member, cfg.Topics), byNode: make(map[*Node]*member),
		byID: make(map[enr.ID]*member)}
	sum := 0.0
	for i := range cfg.Topics {
		sum += math.Pow(float64(i+1), -cfg.Zipf)
		t.sums = append(t.sums, sum)
		t.points = append(t.points, topic.Of(fmt.Sprintf("simulated topic %d", i)))
	}
	return t
}

// configure decides what a node that is about to be added will do. The function that is returned is
// to be called with the node when it is running.
func (t *topicSwarm) configure(cfg *NodeConfig) (added func(*Node)) {
	added = func(*Node) {}
	if t != nil && cfg.NAT == nil && !cfg.IPv6 {
		cfg.Addrs = []netip.AddrPort{netip.AddrPortFrom(t.address(), nodePort)}
	}
	if t == nil || !t.s.n.chance(t.cfg.Capable) && t.cfg.Capable < 1 {
		return added
	}
	before := cfg.Config
	cfg.Config = func(c *discv5.Config) {
		c.Topics.Registrar, c.Topics.WaitScale = true, t.cfg.WaitScale
		if before != nil {
			before(c)
		}
	}
	if cfg.NAT != nil {
		return added
	}
	i := sort.SearchFloat64s(t.sums, t.s.n.rng.Float64()*t.sums[len(t.sums)-1])
	i = min(i, len(t.sums)-1)
	m := &member{topic: i, index: len(t.lists[i]), hostile: i == 0 && t.s.n.chance(t.cfg.Hostile)}
	if m.hostile {
		t.lie(cfg)
	}
	return func(nd *Node) {
		m.nd = nd
		t.lists[i] = append(t.lists[i], m)
		t.byNode[nd], t.byID[nd.ID()] = m, m
		if m.hostile {
			t.liars = append(t.liars, m)
		}
		t.advertise(m)
	}
}

// address returns a random public IPv4 address. Waiting times depend on how the addresses of
// advertisers are spread, and those that the network gives out by default are all below 84.0.0.0.
func (t *topicSwarm) address() netip.Addr {
	n := t.s.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], n.rng.Uint32())
		if a := netip.AddrFrom4(b); netaddr.ClassOf(a) == netaddr.Global && !n.used(a) {
			return a
		}
	}
}

// lie makes a node hostile.
func (t *topicSwarm) lie(cfg *NodeConfig) {
	if t.port -= 1; !t.addr.IsValid() || t.port < nodePort {
		t.addr, t.port = t.address(), nodePort+hostilePerAddr-1
	}
	cfg.IPv4, cfg.IPv6, cfg.Addrs = false, false, []netip.AddrPort{netip.AddrPortFrom(t.addr, t.port)}
	cfg.hostile = true
	before := cfg.engine
	cfg.engine = func(c *engine.Config) {
		if before != nil {
			before(c)
		}
		c.Answer = t.answer
	}
}

// answer is what hostile nodes answer: hostile nodes, if any fit.
func (t *topicSwarm) answer(kind codec.MessageType, from enr.ID, distances []uint, honest [][]byte) (list [][]byte) {
	if kind == codec.TypeTopicNodes {
		if from != enr.ID(t.points[0]) {
			return honest
		}
		for range topic.DefaultReturn {
			m := t.liars[t.s.n.Rand(len(t.liars))]
			if b := m.nd.Record().Bytes(); m.running() && !slices.ContainsFunc(list, func(o []byte) bool { return &o[0] == &b[0] }) {
				list = append(list, b)
			}
		}
		return list
	}
	first := t.s.n.Rand(len(t.liars))
	for i := range t.liars {
		m := t.liars[(first+i)%len(t.liars)]
		if m.running() && slices.Contains(distances, uint(enr.LogDistance(from, m.nd.ID()))) {
			if list = append(list, m.nd.Record().Bytes()); len(list) == 16 {
				break
			}
		}
	}
	return list
}

// advertise has a member that has just been started advertise its topic.
func (t *topicSwarm) advertise(m *member) {
	now := t.s.n.Now()
	m.began, m.seen, m.stream = now, 0, nil
	if m.hostile {
		m.ad = nil
		m.nd.machine.Load().node.Do(func(w *engine.Worker) {
			_, err := w.StartAdvertiser(topic.AdvertiserConfig{
				Topic: t.points[m.topic], PerBucket: hostileRate * topic.DefaultPerBucket, Parallel: topic.DefaultUnderWay,
			}, 0)
			t.s.fail(err)
		})
		return
	}
	var err error
	m.ad, err = m.nd.Node().AdvertiseTopic(context.Background(), t.points[m.topic])
	t.s.fail(err)
	if t.measuring && t.cfg.Search {
		t.search(m)
	}
}

// left notes that a node has crashed or was removed. It is called before.
func (t *topicSwarm) left(nd *Node) {
	if t == nil {
		return
	}
	delete(t.past.counts, nd) // its counters start again
	delete(t.joined.counts, nd)
	if m := t.byNode[nd]; m != nil {
		t.noteFirst(m)
		m.died = t.s.n.Now()
	}
}

// removed forgets a node that will not come back. Its member stays in the list of its topic, as
// others may have its record.
func (t *topicSwarm) removed(nd *Node) {
	if t != nil {
		delete(t.byNode, nd)
	}
}

// returned notes that a node has been started again.
func (t *topicSwarm) returned(nd *Node) {
	if t == nil {
		return
	}
	if m := t.byNode[nd]; m != nil {
		t.advertise(m)
	}
}

// first returns how long after its start a member had its first ad. ok is false if it has none.
func (t *topicSwarm) first(m *member) (d time.Duration, ok bool) {
	if m.ad == nil {
		return 0, false
	}
	at := m.ad.Status().FirstPlaced
	if at.IsZero() {
		return 0, false
	}
	return at.Sub(time.UnixMilli(wallStart).Add(m.began)), true
}

// noteFirst keeps the time of the first ad of a member that leaves.
func (t *topicSwarm) noteFirst(m *member) {
	if d, ok := t.first(m); ok {
		t.firsts = append(t.firsts, d)
	}
}

// begin begins lookups, and searches after LeadIn.
func (t *topicSwarm) begin() {
	if t == nil {
		return
	}
	t.mark()
	t.joined = t.window()
	t.s.repeat(t.cfg.Lookups, t.lookUp)
	t.s.n.After(t.cfg.LeadIn, func() {
		t.measuring = true
		for _, list := range t.lists {
			for _, m := range list {
				if t.cfg.Search && m.running() && !m.hostile {
					t.search(m)
				}
			}
		}
	})
}

// lookUp has a random honest advertiser look for others of its topic.
func (t *topicSwarm) lookUp() {
	var m *member
	for range 64 {
		nd := t.s.any(0)
		if nd == nil {
			return
		}
		if m = t.byNode[nd]; m != nil && !m.hostile && (t.cfg.Hostile == 0 || m.topic == 0) {
			break
		}
		m = nil
	}
	if m == nil {
		return
	}
	l := &topicLookup{t: t, m: m, began: t.s.n.Now(), measured: t.measuring}
	l.ended = m.nd.expectEnd("topic lookup", topicLookupLimit)
	m.nd.machine.Load().node.Do(func(w *engine.Worker) {
		var err error
		if l.run, err = w.StartSearch(topic.SearchConfig{Topic: t.points[m.topic]}, 0, l.take); err != nil {
			t.s.fail(err)
			return
		}
		l.take()
	})
}

// topicLookupLimit is the longest time that a lookup of advertisers can take.
const topicLookupLimit = 5 * time.Minute

// topicLookup is a lookup under way.
type topicLookup struct {
	t        *topicSwarm
	m        *member
	run      *engine.TopicRun
	began    time.Duration
	measured bool
	results  []*enr.Record
	ended    func()
}

// take takes the results so far. At the end it measures them.
func (l *topicLookup) take() {
	if l.run == nil || l.ended == nil {
		return // not started, or ended
	}
	list, done := l.run.Take()
	for _, n := range list {
		l.t.see(n.Record.ID())
		l.results = append(l.results, n.Record)
	}
	if !done {
		return
	}
	l.ended()
	l.ended = nil
	if l.measured {
		l.t.found.lookup(l, l.run.Stats())
	}
	l.run.Stop()
}

// see notes that somebody has found a node.
func (t *topicSwarm) see(id enr.ID) *member {
	m := t.byID[id]
	if m != nil && m.seen == 0 {
		m.seen = t.s.n.Now()
	}
	return m
}

// stream is a search without end.
type stream struct {
	t       *topicSwarm
	m       *member
	run     *engine.TopicRun
	began   time.Duration
	times   []time.Duration // by member of the topic: when it was found first; 0 for never
	queries int             // at the end of the last sample
}

func (t *topicSwarm) search(m *member) {
	s := &stream{t: t, m: m, began: t.s.n.Now()}
	m.stream = s
	m.nd.machine.Load().node.Do(func(w *engine.Worker) {
		var err error
		s.run, err = w.StartSearch(topic.SearchConfig{Topic: t.points[m.topic], Stream: true, Adaptive: true}, 0, s.take)
		t.s.fail(err)
		s.take()
	})
}

func (s *stream) take() {
	if s.run == nil {
		return
	}
	list, _ := s.run.Take()
	now := s.t.s.n.Now()
	for _, n := range list {
		m := s.t.see(n.Record.ID())
		s.t.found.result(m, now)
		if m == nil || m.topic != s.m.topic {
			continue
		}
		if m.index >= len(s.times) {
			s.times = append(s.times, make([]time.Duration, m.index+1-len(s.times))...)
		}
		if s.times[m.index] == 0 {
			s.times[m.index] = max(now-s.began, 1)
		}
	}
}
