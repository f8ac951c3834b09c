package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// identify gives a peer a key, a record that the engine knows, and an address of its own.
func (f *benchEngine) identify(p *benchPeer, i int) {
	key, err := enr.GenerateKey(f.source)
	if err != nil {
		f.tb.Fatal(err)
	}
	p.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i>>10), byte(i >> 2), byte(i), 7}), 9000)
	p.rec, err = enr.NewBuilder().SetSeq(40).SetIP(p.addr.Addr()).SetUDP(9000).SetTCP(9000).
		SetBytes("eth2", make([]byte, 16)).SetBytes("attnets", make([]byte, 8)).SetTopicVersion(enr.TopicVersion).Sign(key)
	if err != nil {
		f.tb.Fatal(err)
	}
	p.id = p.rec.ID()
	if _, err := f.e.records.Verify(p.rec.View()); err != nil {
		f.tb.Fatal(err)
	}
}

var benchDistances = []uint{256, 255, 254}

// regTopic makes a REGTOPIC of peer i for one of a few topics.
func (f *benchEngine) regTopic(i, topics int, distances ...uint) request {
	list, _, err := codec.NewDistances(nil, distances)
	if err != nil {
		f.tb.Fatal(err)
	}
	m := codec.RegTopic{RequestID: benchID(i), Topic: topic.Of(fmt.Sprint(i % topics)), Record: f.peers[i].rec.Bytes(), Distances: list}
	return f.seal(i, m.Append(nil))
}

// withTicket makes a REGTOPIC of peer i with the ticket that the engine issues for it.
func (f *benchEngine) withTicket(i, topics int) request {
	f.out.at = 0
	f.give([]request{f.regTopic(i, topics)}, 0, 1)
	var p codec.Packet
	if err := codec.NewDecoder(&f.peers[i].id, codec.DefaultProtocol).Decode(f.out.slab[0][:f.out.sizes[0]], &p); err != nil {
		f.tb.Fatal(err)
	}
	plain, err := f.peers[i].keys.Open(&p.Nonce, p.Message, p.AD)
	if err != nil {
		f.tb.Fatal(err)
	}
	var c codec.RegConfirmation
	if err := c.Decode(plain[1:]); err != nil {
		f.tb.Fatal(err)
	}
	if len(c.Ticket) == 0 { // its ad is in the cache
		return f.regTopic(i, topics)
	}
	m := codec.RegTopic{RequestID: benchID(i), Topic: topic.Of(fmt.Sprint(i % topics)), Record: f.peers[i].rec.Bytes(), Ticket: c.Ticket}
	return f.seal(i, m.Append(nil))
}

func (f *benchEngine) topicQuery(i, topics int) request {
	list, _, err := codec.NewDistances(nil, benchDistances)
	if err != nil {
		f.tb.Fatal(err)
	}
	m := codec.TopicQuery{RequestID: benchID(i), Topic: topic.Of(fmt.Sprint(i % topics)), Distances: list}
	return f.seal(i, m.Append(nil))
}

// Registrars of the benchmarks: one admits each ad as soon as it comes, the other has waiting times
// as the specification says.
func eagerRegistrar() *topic.Config { return &topic.Config{Capacity: 10_000, WaitScale: 1e-9} }

// shortRegistrar admits each ad as soon as it comes, for a short time.
func shortRegistrar() *topic.Config {
	return &topic.Config{Capacity: 10_000, WaitScale: 1e-9, Lifetime: shortLife, Window: time.Nanosecond}
}

const shortLife = time.Second

// topicStage is a datagram with a topic request, or one that it is compared with.
type topicStage struct {
	name      string
	registrar func() *topic.Config
	list      func(f *benchEngine) []request
	counter   Counter
	pass      time.Duration // between two rounds of the list
}

var topicStages = []topicStage{
	{"ping", eagerRegistrar, func(f *benchEngine) []request { return f.many(f.ping) }, OutPong, 0},
	{"findnode", eagerRegistrar, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.findNode(i, 256) })
	}, OutNodes, 0},
	{"regtopic/known", eagerRegistrar, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.regTopic(i, 20) })
	}, OutRegConfirmation, 0},
	{"regtopic/admitted", shortRegistrar, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.regTopic(i, 20) })
	}, OutRegConfirmation, 2 * shortLife},
	{"regtopic/ticket", func() *topic.Config { return &topic.Config{} }, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.regTopic(i, 20) })
	}, OutRegConfirmation, 0},
	{"regtopic/again", func() *topic.Config { return &topic.Config{} }, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.withTicket(i, 20) })
	}, OutRegConfirmation, 0},
	{"regtopic/auxiliary=3", eagerRegistrar, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.regTopic(i, 20, benchDistances...) })
	}, OutRegConfirmation, 0},
	{"topicquery", eagerRegistrar, func(f *benchEngine) []request {
		return f.many(func(i int) request { return f.topicQuery(i, 20) })
	}, OutTopicNodes, 0},
}

// engine makes the engine of a stage, which has ads in its cache, and its requests.
func (c *topicStage) engine(b *testing.B) (*benchEngine, []request) {
	f := newBenchEngineWith(b, 1000, c.registrar())
	ads := f.many(func(i int) request { return f.regTopic(i, 20) })
	f.give(ads, 0, len(ads))
	list := c.list(f)
	f.give(list, 0, len(list))
	return f, list
}

// BenchmarkTopics is the cost of one datagram with a topic request, from its bytes to those of its
// answer: a REGTOPIC whose ad is in the cache, one that is admitted, one that gets a ticket, one
// that comes with a ticket and gets another, one that gets three auxiliary records, and a
// TOPICQUERY that gets 10 ads and three auxiliary records.
func BenchmarkTopics(b *testing.B) {
	for i := range topicStages {
		c := &topicStages[i]
		b.Run(c.name, func(b *testing.B) {
			f, list := c.engine(b)
			before := f.w.counts[c.counter]
			f.measure(b, list, c.pass)
			if admitted := f.e.registrar.Stats().Results[topic.Admitted]; c.pass > 0 && admitted < uint64(b.N) {
				b.Fatalf("%d of %d were admitted", admitted, b.N)
			}
			if got := f.w.counts[c.counter] - before; got < uint64(b.N) {
				b.Fatalf("%d datagrams: %d answers", b.N, got)
			}
		})
	}
}

// Topic requests with known records take nothing from the heap.
func TestTopicAllocations(t *testing.T) {
	for name, registrar := range map[string]*topic.Config{"known": eagerRegistrar(), "admitted": shortRegistrar(), "waiting": {}} {
		t.Run(name, func(t *testing.T) {
			f := newBenchEngineWith(t, 256, registrar)
			var mix []request
			for i := range 256 {
				mix = append(mix, f.regTopic(i, 5, benchDistances...), f.topicQuery(i, 5))
			}
			const datagrams = 50_000
			give := func(n int) {
				for ; n > 0; n -= len(mix) {
					f.give(mix, 0, len(mix))
					if name == "admitted" {
						f.now += 2 * shortLife
					}
				}
			}
			give(datagrams / 4)
			for _, c := range []Counter{OutRegConfirmation, OutTopicNodes, OutNodes} {
				if f.w.counts[c] == 0 {
					t.Errorf("the mix does not reach counter %v", c.Info())
				}
			}
			if n := f.objects(t, func() { give(datagrams) }); n > 0 {
				t.Errorf("%d objects allocated for %d datagrams, want 0", n, datagrams)
			}
		})
	}
}
