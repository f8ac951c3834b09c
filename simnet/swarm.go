package simnet

import (
	"fmt"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// SwarmConfig describes a population. Shares are 0 to 1.
type SwarmConfig struct {
	// Nodes is how many nodes there are, bootnodes included.
	Nodes int
	// Bootnodes is how many of them all others start from; default 3. They are public, never leave,
	// and have room for sessions with a good part of the swarm.
	Bootnodes int
	// Join is the time over which the nodes arrive; default 1 minute.
	Join time.Duration
	// Churn is the share of the nodes that leaves in an hour. The share Return of them comes back
	// after Downtime. A new node takes the place of each of the others immediately.
	Churn, Return float64
	Downtime      time.Duration
	// NAT is the share behind NATs, one each, of all four kinds alike. IPv6 and DualStack are the
	// shares with an IPv6 address alone and with both, of those that are not behind NATs.
	NAT, IPv6, DualStack float64
	// Config changes the configuration of each node, bootnodes included; see NodeConfig.
	Config func(*discv5.Config)
	// Tuning changes settings of each node that discv5.Config does not have.
	Tuning Tuning
	// Lookups is how many lookups are made and measured in an hour, by random nodes for random
	// targets.
	Lookups float64
	// Settled is the age from which others must be able to find a node; default 10 minutes.
	Settled time.Duration
	// Topics says what the nodes do about topics.
	Topics TopicsConfig

	engine func(*engine.Config) // changes the configuration of each engine, at last
}

// Swarm is a population of nodes on a network. Make one with NewSwarm; its methods let time pass.
type Swarm struct {
	n     *Network
	cfg   SwarmConfig
	boot  []*Node
	kinds int // NATs so far
	begun time.Duration
	found findings // of lookups in the present sample
	all   findings // and before it

	// what had been counted when the present sample began, and when all had joined
	past, joined window
	err          error // why a node could not be added
	topics       *topicSwarm

	// Left and Returned count the nodes that have left and those that have come back.
	Left, Returned int
}

// NewSwarm returns a swarm without nodes. The error is a *RangeError.
func (n *Network) NewSwarm(cfg SwarmConfig) (*Swarm, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Bootnodes == 0 {
		cfg.Bootnodes = 3
	}
	if cfg.Join == 0 {
		cfg.Join = time.Minute
	}
	if cfg.Settled == 0 {
		cfg.Settled = 10 * time.Minute
	}
	s := &Swarm{n: n, cfg: cfg}
	s.topics = newTopicSwarm(s)
	return s, nil
}

// Join lets the nodes arrive, evenly over the time that the configuration gives. Churn and lookups
// begin afterwards.
func (s *Swarm) Join() error {
	for range s.cfg.Bootnodes {
		cfg := NodeConfig{IPv4: true, IPv6: s.cfg.IPv6 > 0 || s.cfg.DualStack > 0, Config: s.cfg.Config, Tuning: s.cfg.Tuning, engine: s.bootEngine}
		nd, err := s.n.Add(cfg)
		if err != nil {
			return err
		}
		s.boot = append(s.boot, nd)
	}
	rest := max(s.cfg.Nodes-s.cfg.Bootnodes, 0)
	begun := s.n.Now()
	for i := range rest {
		s.n.Run(begun + s.cfg.Join*time.Duration(i)/time.Duration(rest) - s.n.Now())
		if err := s.arrive(); err != nil {
			return err
		}
	}
	s.n.Run(begun + s.cfg.Join - s.n.Now())
	s.repeat(s.cfg.Churn*float64(rest), s.leave)
	s.repeat(s.cfg.Lookups, s.lookUp)
	s.topics.begin()
	s.begun = s.n.Now()
	s.past = s.n.window()
	s.joined = s.past
	return nil
}

// Run lets time pass. It fails if a node could not be added.
func (s *Swarm) Run(d time.Duration) error {
	s.n.Run(d)
	return s.err
}

// repeat has f called so many times an hour, at random.
func (s *Swarm) repeat(perHour float64, f func()) {
	if perHour <= 0 {
		return
	}
	s.n.After(time.Duration(s.n.rng.ExpFloat64()/perHour*float64(time.Hour)), func() {
		f()
		s.repeat(perHour, f)
	})
}

// bootEngine makes a bootnode larger than the nodes that it serves.
func (s *Swarm) bootEngine(c *engine.Config) {
	c.Session.MaxSessions = max(1024, s.cfg.Nodes/4)
	c.Session.MaxChallenges = max(1024, s.cfg.Nodes/4)
	c.MaxTasks = 1024
	if s.cfg.engine != nil {
		s.cfg.engine(c)
	}
}

// arrive adds a node.
func (s *Swarm) arrive() error {
	cfg := NodeConfig{Bootnodes: s.boot, Config: s.cfg.Config, Tuning: s.cfg.Tuning, engine: s.cfg.engine}
	switch r := s.n.rng.Float64(); {
	case r < s.cfg.NAT:
		nat, err := s.n.NewNAT(NATConfig{Kind: NATKind(s.kinds % 4)})
		if err != nil {
			return err
		}
		s.kinds++
		cfg.NAT = nat
	case r < s.cfg.NAT+(1-s.cfg.NAT)*s.cfg.IPv6:
		cfg.IPv6 = true
	case r < s.cfg.NAT+(1-s.cfg.NAT)*(s.cfg.IPv6+s.cfg.DualStack):
		cfg.IPv4, cfg.IPv6 = true, true
	}
	added := s.topics.configure(&cfg)
	nd, err := s.n.Add(cfg)
	if err == nil {
		added(nd)
	}
	return err
}

// leave ends a node and sees to its successor.
func (s *Swarm) leave() {
	nd := s.any(0)
	if nd == nil || nd.born < s.cfg.Bootnodes {
		return
	}
	s.Left++
	s.topics.left(nd)
	if s.n.chance(s.cfg.Return) {
		nd.Crash()
		s.n.After(s.cfg.Downtime, func() {
			if nd.index < 0 || nd.engine() != nil { // the test has had a hand in it
				return
			}
			s.Returned++
			if err := nd.Restart(true); err != nil {
				s.fail(err)
				return
			}
			s.topics.returned(nd)
		})
		return
	}
	nat := nd.NAT()
	nd.Remove()
	s.topics.removed(nd)
	if nat != nil {
		s.n.removeNAT(nat)
	}
	s.fail(s.arrive())
}

func (s *Swarm) fail(err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("simnet: swarm: %w", err)
	}
}

// any picks a node that has been running for some time, or nil.
func (s *Swarm) any(uptime time.Duration) *Node {
	for range 64 {
		if len(s.n.nodes) == 0 {
			break
		}
		if nd := s.n.nodes[s.n.Rand(len(s.n.nodes))]; nd.Running() && nd.Uptime() >= uptime {
			return nd
		}
	}
	return nil
}

// lookUp makes a lookup and measures it.
func (s *Swarm) lookUp() {
	nd := s.any(s.cfg.Settled)
	if nd == nil {
		return
	}
	target := s.n.randomID()
	s.found.begun++
	err := nd.lookup(target, func(l foundNodes) {
		s.found.add(s.n, nd, target, l, s.cfg.Settled)
	})
	s.fail(err)
}
