package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/bench/internal/serve"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/load"
)

const (
	// topicMembers is how many sessions share a topic, so that a query finds more ads than it gets.
	topicMembers = 50
	// topicAds is how many ads an answer has.
	topicAds = 10
)

// startRegistrars starts registrars of topics, with and without GSO, and registers all sessions.
// They are servers of their own: nodes whose records name an endpoint enter the table.
func (b *bench) startRegistrars(room serve.Spec) error {
	room.Bootnodes, room.Registrar = nil, true
	single := room
	single.Single = true
	for _, s := range []struct {
		name string
		spec serve.Spec
	}{{results.Own, room}, {results.Single, single}, {results.Echo, serve.Spec{Kind: serve.KindEcho}}} {
		child, err := serve.Start(s.spec, b.serverCPU)
		if err != nil {
			return err
		}
		t := &target{name: s.name, child: child, sessions: b.few}
		b.registrars = append(b.registrars, t)
		if err := b.register(t); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// register makes the sessions of a registrar and registers each twice, as fast as it can.
func (b *bench) register(t *target) error {
	c := load.Config{Mix: load.Only(load.RegTopic), Identities: b.few, Topics: max(1, b.few/topicMembers), Tickets: load.EarlyTickets}
	record := b.registrars[0].child.Ready.Records[0]
	if t.name == results.Echo {
		c.Echo, t.sessions = []int{codec.MinPacketSize}, 0
	} else {
		record = t.child.Ready.Records[0]
	}
	var err error
	if c.Target, err = load.ParseTarget(record, false); err != nil {
		return err
	}
	// Registering nodes have records that name their endpoint, which the server tries with PING,
	// also while nobody reads. Long answers go only to endpoints that answer, so others make the
	// queries.
	asking := *t
	for _, g := range []struct {
		to  *target
		mix load.Kind
	}{{t, load.RegTopic}, {&asking, load.TopicQuery}} {
		c.Mix = load.Only(g.mix)
		if g.to.gen, err = b.generator(t.child, c); err != nil {
			return err
		}
		if g.to == &asking {
			b.queries = append(b.queries, g.to)
		}
		if _, err = g.to.gen.Prepare(context.Background(), nil); err != nil {
			return err
		}
	}
	if t.name == results.Echo {
		return nil
	}
	r, err := t.gen.Run(context.Background(), load.Plan{Mix: load.Only(load.RegTopic), Window: 64, Requests: uint64(2 * b.few), For: time.Minute})
	if err != nil {
		return err
	}
	if r.Total.Answered == 0 || r.Topics.Admitted < topicMembers || r.Topics.Bad() > 0 {
		return fmt.Errorf("%w to registrations: %+v", errSilent, r.Topics)
	}
	b.logf("%s: %d of %d registrations were admitted", t.name, r.Topics.Admitted, r.Total.Answered)
	return nil
}

// planTopics adds the workloads of topics.
func (b *bench) planTopics() error {
	for _, m := range []struct {
		name    string
		kind    load.Kind
		targets []*target
	}{{"regtopic", load.RegTopic, b.registrars}, {"topicquery", load.TopicQuery, b.queries}} {
		if !b.wanted(m.name) {
			continue
		}
		w := &workload{name: m.name}
		for _, t := range m.targets[:2] {
			e := &entry{target: t, mix: load.Only(m.kind), size: t.gen.PacketSize(m.kind)}
			if err := e.settleTopics(m.kind); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			w.entries = append(w.entries, e)
		}
		b.addEcho(w, m.targets[2])
	}
	return nil
}

// settleTopics notes the form of an answer. Those to registrations differ: with a ticket or
// without. The form is that of the longest; the generator opens all of them.
func (e *entry) settleTopics(kind load.Kind) error {
	const tries = 64
	for range tries {
		var sizes []int
		r, err := e.gen.Run(context.Background(), load.Plan{
			Mix: e.mix, Window: 1, Requests: 1, For: 2 * time.Second, OnDatagram: func(n int) { sizes = append(sizes, n) },
		})
		switch {
		case err != nil:
			return err
		case r.Total.Answered == 0:
			return errSilent
		case r.Topics.Bad() > 0:
			return fmt.Errorf("%w as it should: %+v", errSilent, r.Topics)
		case r.Events.Asked > 0: // one of the datagrams is a request of the server's own
			continue
		}
		if kind == load.TopicQuery && r.Topics.Ads == topicAds {
			e.answers, e.records = sizes, topicAds
			return nil
		}
		if kind == load.RegTopic && (len(e.answers) == 0 || sizes[0] > e.answers[0]) {
			e.answers = sizes
		}
	}
	if len(e.answers) == 0 {
		return fmt.Errorf("no answer with %d ads", topicAds)
	}
	e.opens = kind == load.RegTopic
	return nil
}
