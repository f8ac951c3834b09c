package simnet

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5"

	"github.com/fastdisc/discv5/internal/engine"
)

// The tests of this file are small forms of the gates of docs/TOPICS.md. The full forms are runs of
// cmd/sim: make sim-topics.

// topicSchedule is the calm schedule of cmd/sim.
func topicSchedule(c *engine.Config) {
	c.RefreshInterval = 4 * time.Hour
	c.Table.RevalidateSlow = time.Hour
	c.Session.IdleTimeout = 6 * time.Hour
	if c.Session.MaxSessions <= 256 {
		c.Session.MaxSessions = 250
	}
}

// topicRun lets a swarm with topics live for some time and describes it. The audit must find
// nothing.
func topicRun(t *testing.T, seed uint64, audit int, cfg SwarmConfig, d time.Duration) (*Network, Sample) {
	t.Helper()
	return topicRunWith(t, Config{Seed: seed, Audit: audit}, cfg, d)
}

func topicRunWith(t *testing.T, net Config, cfg SwarmConfig, d time.Duration) (*Network, Sample) {
	t.Helper()
	net.InsecureCurve, net.Conditions = true, Conditions{Loss: 0.01, Jitter: 20 * time.Millisecond}
	n := ForTest(t, net)
	cfg.engine = topicSchedule
	s := must(n.NewSwarm(cfg))
	if err := s.Join(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(d); err != nil {
		t.Fatal(err)
	}
	p := s.Whole()
	t.Logf("%+v", *p.Topics)
	return n, p
}

// gate skips a gate under -short and under the race detector. A small network fails it on some
// seeds, and a large one takes minutes under the detector. TestG9 runs the same code.
func gate(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("probed for the race detector: it is on")
	}
	if testing.Short() {
		t.Skip("probed for -short, which has no room for its network; make test runs it")
	}
}

// G1, G2, G9: lookups find 30 advertisers or all, ads are placed, and the rules of registrars hold.
func TestG1Lookups(t *testing.T) {
	gate(t)
	n, p := topicRun(t, 31, 8, SwarmConfig{
		Nodes: 150, Topics: TopicsConfig{Topics: 5, Zipf: 1, Lookups: 600},
	}, 55*time.Minute)
	l, tp := p.Topics.Lookups, p.Topics
	if l.Ended < 100 || l.Complete < 0.95 || l.Recall < 0.99 {
		t.Errorf("%d lookups, %.1f %% found 30 or all others, recall %.4f", l.Ended, 100*l.Complete, l.Recall)
	}
	if l.Queries > 50 || l.TookMedian > 3 || l.TookP95 > 10 {
		t.Errorf("%.1f queries, %.1f s, p95 %.1f s", l.Queries, l.TookMedian, l.TookP95)
	}
	if tp.Placed < 0.4 || tp.PlacedLeast < 0.3 || tp.Without > 0 || tp.FirstMedian > 60 || tp.FirstP95 > 900 {
		t.Errorf("%.2f of the ads are placed, %.2f of one topic; %d advertisers have none; first ad after %.0f s, p95 %.0f s",
			tp.Placed, tp.PlacedLeast, tp.Without, tp.FirstMedian, tp.FirstP95)
	}
	if tp.Seen < 1 {
		t.Errorf("%.3f of the advertisers were found by somebody in time", tp.Seen)
	}
	c := n.Checks()
	t.Logf("%+v", c)
	if c.AdWait < 50 || c.Quote < 100 || c.Ads == 0 || c.AdLife == 0 || c.AdOwner == 0 || c.Capable == 0 {
		t.Errorf("the audit has looked at little: %+v", c)
	}
}

// G4: searches without end find all advertisers, and nobody is hidden from them.
func TestG4Searches(t *testing.T) {
	gate(t)
	_, p := topicRun(t, 34, -1, SwarmConfig{
		Nodes: 100, Topics: TopicsConfig{Topics: 3, Search: true},
	}, 75*time.Minute)
	s := p.Topics.Search
	if s.Searching < 30 || s.Recall < 0.995 || s.Seen < 0.99 || s.All < 0.9 || s.HalfMedian > 60 ||
		s.Unfound > 0 || s.LeastFound < 0.9 {
		t.Errorf("%+v", s)
	}
}

// G5: with churn no result is dead for longer than an ad lives, and those that are up are found.
func TestG5Churn(t *testing.T) {
	gate(t)
	_, p := topicRun(t, 35, -1, SwarmConfig{
		Nodes: 120, Churn: 0.3, Return: 0.3, Downtime: 5 * time.Minute,
		Topics: TopicsConfig{Topics: 3, Zipf: 1, Lookups: 600},
	}, 60*time.Minute)
	tp := p.Topics
	if p.Left < 10 || tp.Results < 500 {
		t.Fatalf("%d nodes have left, %d results: this tests nothing", p.Left, tp.Results)
	}
	if tp.DeadMost > 900 || tp.Dead > 0.09 || tp.Lookups.Recall < 0.98 {
		t.Errorf("%.3f of the results are dead, for %.0f s at most; recall %.3f", tp.Dead, tp.DeadMost, tp.Lookups.Recall)
	}
}

// G6: attackers among the advertisers, which lie as nodes and registrars, eclipse no lookup.
func TestG6Attack(t *testing.T) {
	gate(t)
	_, p := topicRun(t, 36, -1, SwarmConfig{
		Nodes: 150, Topics: TopicsConfig{Topics: 3, Lookups: 600, Hostile: 0.5},
	}, 50*time.Minute)
	tp := p.Topics
	part := float64(tp.Attackers) / float64(tp.Topics[0].Members)
	if tp.Lookups.Ended < 50 || part < 0.2 || tp.Hostile == 0 {
		t.Fatalf("%d lookups, %.2f of the advertisers and %.2f of the results are attackers: this tests nothing",
			tp.Lookups.Ended, part, tp.Hostile)
	}
	if tp.Lookups.Eclipsed > 0 || tp.Hostile > part+0.15 {
		t.Errorf("%d lookups found attackers alone; %.2f of the results are attackers, and %.2f of the advertisers",
			tp.Lookups.Eclipsed, tp.Hostile, part)
	}
}

// G7: where one node in five is capable, the others get no topic message, and the capable ones find
// each other.
func TestG7LegacyNodes(t *testing.T) {
	gate(t)
	n, p := topicRun(t, 37, 1, SwarmConfig{
		Nodes: 150, Topics: TopicsConfig{Topics: 1, Capable: 0.2, Search: true},
	}, 50*time.Minute)
	s := p.Topics.Search
	if s.Searching < 8 || s.Minute < 0.92 || s.Recall < 0.99 {
		t.Errorf("%+v", s)
	}
	if p.Topics.Registrars > p.Running/2 || n.Checks().Capable < 1000 {
		t.Errorf("%d registrars of %d nodes, %d topic requests: this tests nothing", p.Topics.Registrars, p.Running, n.Checks().Capable)
	}
}

// G9: a seed repeats, with advertisers, searches, attackers and churn.
func TestG9SeedReproducesTopics(t *testing.T) {
	run := func(seed uint64) (uint64, Traffic) {
		n, _ := topicRun(t, seed, 4, SwarmConfig{
			Nodes: 40, Churn: 1, Return: 0.5, Downtime: time.Minute,
			Topics: TopicsConfig{Topics: 2, Lookups: 300, Search: true, Hostile: 0.3, Capable: 0.8, LeadIn: 5 * time.Minute},
		}, 20*time.Minute)
		return n.Trace(), n.Traffic()
	}
	a, sent := run(1)
	b, sentAgain := run(1)
	if a != b || sent != sentAgain {
		t.Errorf("traces %x and %x of one seed", a, b)
	}
	if c, _ := run(2); c == a {
		t.Error("two seeds, one trace")
	}
}

// Shorter waiting times place more ads; the rules of registrars hold for them too.
func TestSwarmWaitScale(t *testing.T) {
	gate(t)
	placed := func(scale float64) float64 {
		_, p := topicRun(t, 38, 8, SwarmConfig{Nodes: 60, Topics: TopicsConfig{Topics: 1, WaitScale: scale}}, 50*time.Minute)
		return p.Topics.Placed
	}
	if whole, tenth := placed(0), placed(0.1); tenth < whole+0.1 {
		t.Errorf("%.2f of the ads are placed, with a tenth of the waiting times %.2f", whole, tenth)
	}
}

// A registrar with little room evicts bounds, and may have no place for the one that it has just
// computed. The audit does not hold it to those.
func TestAuditOfEvictedBounds(t *testing.T) {
	gate(t)
	for _, seed := range []uint64{51, 56} {
		n, _ := topicRun(t, seed, 1, SwarmConfig{
			Nodes: 150, Topics: TopicsConfig{Topics: 2},
			Config: func(c *discv5.Config) { c.Topics.Capacity = 30 },
		}, 75*time.Minute)
		evicted, checked := uint64(0), n.Checks().AdWait
		for _, nd := range n.Nodes() {
			if r := nd.engine().Registrar(); r != nil {
				evicted += r.Stats().BoundsEvicted
			}
		}
		if evicted < 50 || checked < 500 {
			t.Errorf("seed %d: %d bounds evicted, %d admissions checked: this tests nothing", seed, evicted, checked)
		}
	}
}
