package simnet

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
)

func calmTopics(c *engine.Config) {
	c.RefreshInterval = 4 * time.Hour
	c.Table.RevalidateSlow = time.Hour
	c.Session.IdleTimeout = 6 * time.Hour
	if c.Session.MaxSessions <= 256 {
		c.Session.MaxSessions = 250
	}
}

func TestG1Small(t *testing.T) {
	n := ForTest(t, Config{Seed: 31, InsecureCurve: true, Audit: 10, Conditions: Conditions{Loss: 0.01, Jitter: 20 * time.Millisecond}})
	s := n.NewSwarm(SwarmConfig{Nodes: 200, Engine: calmTopics, Topics: TopicsConfig{Topics: 5, Zipf: 1, Lookups: 600}})
	if err := s.Join(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(60 * time.Minute); err != nil {
		t.Fatal(err)
	}
	p := s.Whole()
	t.Logf("%+v", *p.Topics)
	t.Logf("%+v", n.Checks())
}
