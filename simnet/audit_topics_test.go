package simnet

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/topic"
)

func registrar(c *discv5.Config) { c.Topics.Registrar = true }

// register has one node ask another one for a place.
func (nd *Node) register(t *testing.T, to *Node, name string, ticket []byte) discv5.TopicConfirmation {
	t.Helper()
	c, err := nd.Node().RegisterTopic(context.Background(), to.Contact(), topic.Of(name), ticket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (nd *Node) registerUntilPlaced(t *testing.T, n *Network, to *Node, name string) {
	t.Helper()
	for c := nd.register(t, to, name, nil); !c.Placed; c = nd.register(t, to, name, c.Ticket) {
		n.Run(c.Wait)
	}
}

// Each rule about topics finds what breaks it. A registrar that breaks a rule is one with another
// configuration than the audit believes it has, or one about which the audit is told something
// that is not true.
func TestAuditFindsTopics(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  Rule
		setup func(*topic.Config) // what the registrar is
		tell  func(*topic.Config) // what the audit believes
		spoil func(t *testing.T, n *Network, registrar, a, b *Node)
	}{
		{
			name: "more ads than the capacity", rule: RuleAds,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				b.registerUntilPlaced(t, n, registrar, "two")
				registrar.machine.Load().config.Registrar.Capacity = 1
				n.Run(Housekeeping)
			},
		},
		{
			name: "an ad that lives too long", rule: RuleAdLife,
			setup: func(c *topic.Config) { c.Lifetime = time.Hour },
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				n.Run(Housekeeping)
			},
		},
		{
			name: "an ad that is prolonged", rule: RuleAdLife,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				registrar.audit.ads()
				for k := range registrar.audit.held {
					registrar.audit.held[k] -= time.Second
				}
				registrar.audit.ads()
			},
		},
		{
			name: "an answer that states too long a life", rule: RuleAdLife,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				n.Run(time.Minute)
				for k, ad := range registrar.audit.registrar.ads {
					ad.expires -= time.Second
					registrar.audit.registrar.ads[k] = ad
				}
				a.register(t, registrar, "one", nil)
			},
		},
		{
			name: "the registrar's own ad", rule: RuleAdOwner,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				key := registrar.key
				registrar.key = a.key // as if it were the advertiser
				registrar.audit.ads()
				registrar.key = key
			},
		},
		{
			name: "no wait", rule: RuleAdWait,
			setup: func(c *topic.Config) { c.WaitScale = 1e-6 },
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				b.register(t, registrar, "one", nil)
			},
		},
		{
			name: "a chain that began later", rule: RuleAdWait,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				c := b.register(t, registrar, "two", nil)
				for _, ticket := range registrar.audit.registrar.tickets {
					ticket.first += 5 * time.Second
				}
				n.Run(c.Wait)
				b.register(t, registrar, "two", c.Ticket)
			},
		},
		{
			name: "a decision about another request", rule: RuleAdWait,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				decides := registrar.machine.Load().config.OnRegistration
				for k, r := range registrar.audit.registrar.arrived {
					q := &topic.Request{Topic: r.contents[0].topic, ID: k.id, Source: a.Addr(), Record: a.engine().Record(), Ticket: []byte{1}}
					decides(k.request, q, topic.Verdict{Result: topic.Waiting})
				}
			},
		},
		{
			name: "a quote below the formula", rule: RuleQuote,
			setup: func(c *topic.Config) { c.WaitScale = 0.1 },
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				b.register(t, registrar, "one", nil)
			},
		},
		{
			name: "a quote below the bound of the topic", rule: RuleQuote,
			setup: func(c *topic.Config) { c.WaitScale = 0.1 },
			tell:  func(c *topic.Config) { c.WaitScale = 0.1 },
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				registrar.audit.registrar.topicBounds[topic.Of("one")] = registrar.Clock() + 14*time.Minute
				b.register(t, registrar, "one", nil)
			},
		},
		{
			name: "a quote below the bound of the address", rule: RuleQuote,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				a.register(t, registrar, "one", nil)
				m := registrar.audit.registrar
				_, prefix := m.score(b.Addr().Addr())
				m.addrBounds[prefix] = registrar.Clock() + 14*time.Minute
				b.register(t, registrar, "two", nil)
			},
		},
		{
			name: "a request to a node that is no registrar", rule: RuleCapable,
			spoil: func(t *testing.T, n *Network, registrar, a, b *Node) {
				legacy := addNode(t, n, NodeConfig{})
				registrar.ping(legacy)
				n.Run(2 * settling)
				_, _, _ = registrar.Node().QueryTopic(context.Background(), legacy.Contact(), topic.Of("one"))
			},
		},
	} {
		for _, taskTime := range []time.Duration{0, 10 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, task time %v", c.name, taskTime), func(t *testing.T) {
				n := must(New(Config{Seed: 21, InsecureCurve: true, TaskTime: taskTime, Conditions: Conditions{Delay: Always(20 * time.Millisecond)}}))
				defer n.Close()
				r := addNode(t, n, NodeConfig{Config: registrar, engine: func(e *engine.Config) {
					if c.setup != nil {
						c.setup(e.Registrar)
					}
				}})
				a, b := addNode(t, n, NodeConfig{Config: registrar}), addNode(t, n, NodeConfig{Config: registrar})
				n.Run(2 * settling)
				a.ping(r)
				b.ping(r)
				if err := n.Check(); err != nil {
					t.Fatalf("before: %v", err)
				}
				believed := topic.Config{}
				if c.tell != nil {
					c.tell(&believed)
				}
				r.machine.Load().config.Registrar = &believed
				c.spoil(t, n, r, a, b)
				var v *ViolationError
				if err := n.Check(); !errors.As(err, &v) || v.First[0].Rule != c.rule {
					t.Errorf("found %v, want %s", err, c.rule)
				} else {
					t.Log(v.First[0].Detail)
				}
			})
		}
	}
}

// The rules about waits and quotes are checked as well where handshakes and the records of
// registrations wait in queues, and they find nothing about registrars that keep them.
func TestAuditWithTaskTime(t *testing.T) {
	n, _ := topicRunWith(t, Config{Seed: 41, Audit: 1, TaskTime: 50 * time.Millisecond}, SwarmConfig{
		Nodes: 40, Churn: 1, Return: 0.5, Downtime: time.Minute,
		Topics: TopicsConfig{Topics: 2, Lookups: 300, LeadIn: 5 * time.Minute},
	}, 20*time.Minute)
	if c := n.Checks(); c.AdWait < 100 || c.Quote < 100 {
		t.Errorf("the audit has looked at %d admissions and %d quotes", c.AdWait, c.Quote)
	}
}
