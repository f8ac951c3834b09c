package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// topicNetwork is a network of nodes that know each other. The capable ones are registrars. They
// have short waiting times, as a network with few topics would otherwise take hours.
func topicNetwork(t *testing.T, size int, capable func(i int) bool) *network {
	nw := newNetwork(t)
	boot := nw.registrar("20.0.0.1:9000", func(c *Config) { c.Registrar.WaitScale = 0.001 })
	for i := range size - 1 {
		addr := fmt.Sprintf("%d.%d.0.2:9000", 21+i/200, i%200)
		change := func(c *Config) {
			c.RefreshInterval = 10 * time.Second
			if c.Registrar != nil {
				c.Registrar.WaitScale = 0.001
			}
		}
		add := nw.add
		if capable(i + 1) {
			add = nw.registrar
		}
		add(addr, change, boot.peer())
	}
	nw.run(time.Minute)
	return nw
}

func (n *node) advertise(t topic.Topic) *TopicRun {
	n.w.Begin(n.net.now)
	r, err := n.w.StartAdvertiser(topic.AdvertiserConfig{Topic: t}, 0)
	if err != nil {
		n.net.t.Fatal(err)
	}
	n.net.deliver()
	return r
}

// searchTopic looks for advertisers and returns all that it finds in a time.
func (n *node) searchTopic(cfg topic.SearchConfig, d time.Duration) map[enr.ID]bool {
	n.w.Begin(n.net.now)
	calls := 0
	r, err := n.w.StartSearch(cfg, 0, func() { calls++ })
	if err != nil {
		n.net.t.Fatal(err)
	}
	n.net.deliver()
	found := map[enr.ID]bool{}
	for end := n.net.now + d; n.net.now < end; {
		n.net.run(time.Second)
		list, done := r.Take()
		for _, x := range list {
			found[x.Record.ID()] = true
		}
		if done {
			if calls == 0 {
				n.net.t.Error("the end was not announced")
			}
			break
		}
	}
	r.Stop()
	return found
}

// Nodes that advertise a topic are found, each search finds all of them, and nodes without the
// capability get no topic message (T26).
func TestAdvertiseAndSearch(t *testing.T) {
	for _, c := range []struct {
		name    string
		capable func(int) bool
	}{
		{"all capable", func(int) bool { return true }},
		{"T26 a third capable", func(i int) bool { return i%3 == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := topicNetwork(t, 40, c.capable)
			top := topic.Of("service")
			var members []*node
			for i, n := range nw.order {
				if c.capable(i) && len(members) < 4 {
					members = append(members, n)
				}
			}
			runs := make([]*TopicRun, len(members))
			for i, n := range members {
				runs[i] = n.advertise(top)
				nw.run(time.Second)
			}
			nw.run(2 * time.Minute)
			for i, r := range runs {
				if s := r.Status(); s.Placed == 0 || s.First == 0 {
					t.Errorf("advertiser %d: %+v", i, s)
				}
			}
			asker := nw.order[len(nw.order)-1]
			for _, c := range []struct {
				name string
				cfg  topic.SearchConfig
			}{
				{"walk", topic.SearchConfig{Topic: top}}, {"stream", topic.SearchConfig{Topic: top, Stream: true}},
				{"adaptive stream", topic.SearchConfig{Topic: top, Stream: true, Adaptive: true}},
			} {
				found := asker.searchTopic(c.cfg, time.Minute)
				for i, n := range members {
					if !found[n.e.ID()] {
						t.Errorf("%s: member %d was not found", c.name, i)
					}
				}
				if len(found) > len(members) {
					t.Errorf("%s: %d nodes found, %d are members", c.name, len(found), len(members))
				}
			}
			for i, n := range nw.order {
				if k := n.e.Counters(); !c.capable(i) && k[InRegTopic]+k[InTopicQuery] != 0 {
					t.Errorf("node %d is not capable and got %d topic requests", i, k[InRegTopic]+k[InTopicQuery])
				}
			}
		})
	}
}

// An ad lives on as long as its advertiser, and ends with it.
func TestAdvertisementIsRenewed(t *testing.T) {
	nw := topicNetwork(t, 12, func(int) bool { return true })
	top := topic.Of("service")
	r := nw.order[3].advertise(top)
	held := func() (n int) {
		for _, o := range nw.order {
			if o.holds(top, nw.order[3].e.ID()) {
				n++
			}
		}
		return n
	}
	nw.run(2 * time.Minute)
	if held() == 0 {
		t.Fatal("nobody has the ad")
	}
	nw.run(20 * time.Minute)
	if held() == 0 {
		t.Error("nobody has the ad after its first life")
	}
	r.Stop()
	nw.run(topic.DefaultLifetime + time.Minute)
	if n := held(); n != 0 {
		t.Errorf("%d nodes have the ad after its advertiser stopped", n)
	}
	lost := 0
	for _, e := range nw.order[3].events {
		if e.Kind == TopicLost && e.Topic == top {
			lost++
		}
	}
	if lost == 0 {
		t.Error("no event for the end of an ad")
	}
}

func TestTopicRunsAreBounded(t *testing.T) {
	nw := newNetwork(t)
	n := nw.registrar("20.0.0.1:9000", nil)
	for i := range MaxAdvertised {
		n.advertise(topic.Of(fmt.Sprint(i)))
	}
	if _, err := n.w.StartAdvertiser(topic.AdvertiserConfig{}, 0); err != ErrBusy {
		t.Errorf("advertiser: %v", err)
	}
	var last *TopicRun
	for range MaxSearches {
		var err error
		if last, err = n.w.StartSearch(topic.SearchConfig{Stream: true}, 0, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.w.StartSearch(topic.SearchConfig{Stream: true}, 0, func() {}); err != ErrBusy {
		t.Errorf("search: %v", err)
	}
	last.Stop()
	if _, err := n.w.StartSearch(topic.SearchConfig{Stream: true}, 0, func() {}); err != nil {
		t.Errorf("search after one has ended: %v", err)
	}
}

// A clock that jumps, as after a suspension, causes no storm of requests (T24).
func TestT24ClockJump(t *testing.T) {
	nw := topicNetwork(t, 12, func(int) bool { return true })
	n := nw.order[3]
	for i := range 10 {
		n.advertise(topic.Of(fmt.Sprint(i)))
	}
	nw.run(2 * time.Minute)
	before := n.e.Counters()[OutRegTopic]
	nw.now += 3 * time.Hour
	nw.run(time.Second)
	if got := n.e.Counters()[OutRegTopic] - before; got > 25 {
		t.Errorf("%d REGTOPIC in the second after the jump", got)
	}
}

// A search that ends while its requests are under way leaves room for those of others: they share
// one bound.
func TestStoppedSearchesLeaveRoom(t *testing.T) {
	for _, c := range []struct {
		name string
		lost bool
	}{{"answered", false}, {"unanswered", true}} {
		t.Run(c.name, func(t *testing.T) {
			nw := topicNetwork(t, 20, func(int) bool { return true })
			n, top := nw.order[5], topic.Of("service")
			nw.order[3].advertise(top)
			nw.run(2 * time.Minute)
			nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return c.lost && to == n.addr }
			asked := n.e.Counters()[OutTopicQuery]
			for range 20 {
				nw.now += time.Second
				n.w.Begin(nw.now)
				r, err := n.w.StartSearch(topic.SearchConfig{Topic: top}, 0, func() {})
				if err != nil {
					t.Fatal(err)
				}
				r.Stop() // its first request is on the way
				nw.deliver()
			}
			if got := n.e.Counters()[OutTopicQuery] - asked; got <= topic.DefaultUnderWay/2 {
				t.Fatalf("the searches have asked only %d nodes before they were stopped", got)
			}
			nw.run(5 * time.Second)
			nw.Drop = nil
			if found := n.searchTopic(topic.SearchConfig{Topic: top}, 2*time.Minute); !found[nw.order[3].e.ID()] {
				t.Error("a later search finds nothing")
			}
		})
	}
}

// A node that was named is not asked without something that pays for it: nobody can have this node
// forget who paid, and so aim it at a victim.
func TestNamedRegistrarNeedsGrant(t *testing.T) {
	nw := newNetwork(t)
	n := nw.registrar("20.0.0.1:9000", nil)
	victim := nw.registrar("21.0.0.1:9000", nil)
	n.w.Begin(nw.now)
	if _, err := n.w.StartSearch(topic.SearchConfig{Stream: true}, 0, func() {}); err != nil {
		t.Fatal(err)
	}
	rs := &n.e.topicRuns
	rs.fresh = append(rs.fresh, topic.Node{Record: victim.rec, Addr: victim.addr})
	nw.run(30 * time.Second)
	if c := victim.e.Counters(); c[PacketsIn] != 0 {
		t.Errorf("the victim got %d packets", c[PacketsIn])
	}
	if c := n.e.Counters(); c[BudgetUnfunded] == 0 {
		t.Error("the refusal was not counted")
	}
}

// A search whose results nobody takes pauses, so they are bounded.
func TestUntakenResultsPauseSearch(t *testing.T) {
	nw := topicNetwork(t, 12, func(int) bool { return true })
	n := nw.order[5]
	n.w.Begin(nw.now)
	r, err := n.w.StartSearch(topic.SearchConfig{Stream: true}, 0, func() {})
	if err != nil {
		t.Fatal(err)
	}
	nw.run(time.Second)
	r.results = make([]topic.Node, maxResults)
	asked := n.e.Counters()[OutTopicQuery]
	nw.run(3 * time.Minute)
	if got := n.e.Counters()[OutTopicQuery] - asked; got != 0 {
		t.Errorf("%d queries although the results are full", got)
	}
	r.Take()
	nw.run(3 * time.Minute)
	if n.e.Counters()[OutTopicQuery] == asked {
		t.Error("no query after the results were taken")
	}
}

// An advertiser reports quoted waits, ads that were placed, and registrars
// that do not answer.
func TestAdvertiserEvents(t *testing.T) {
	nw := topicNetwork(t, 3, func(int) bool { return true })
	top := topic.Of("service")
	a, b, c := nw.order[0], nw.order[1], nw.order[2]
	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == c.addr }
	a.advertise(top)
	nw.run(2 * time.Minute)
	seen := map[EventKind]Event{}
	for _, e := range a.events {
		if e.Topic == top {
			seen[e.Kind] = e
		}
	}
	if e := seen[TopicPlaced]; e.ID != b.e.ID() || e.Wait != topic.DefaultLifetime {
		t.Errorf("placed: %+v", e)
	}
	if e := seen[TopicFailed]; e.ID != c.e.ID() || e.Err != ErrTimeout {
		t.Errorf("failed: %+v", e)
	}
}

// With few candidates, a single walk waits for lookups that look for more, and a stream does not: a
// lookup takes long where nodes do not answer.
func TestStreamStartsWithFewCandidates(t *testing.T) {
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprint("stream ", stream), func(t *testing.T) {
			nw := topicNetwork(t, 3, func(int) bool { return true })
			nw.order[0].advertise(topic.Of("service"))
			nw.run(time.Minute)
			a := nw.order[1]
			before := a.e.Counters()[OutTopicQuery]
			a.w.Begin(nw.now)
			r, err := a.w.StartSearch(topic.SearchConfig{Topic: topic.Of("service"), Stream: stream}, 0, func() {})
			if err != nil {
				t.Fatal(err)
			}
			nw.deliver()
			if asked := a.e.Counters()[OutTopicQuery] - before; (asked > 0) != stream {
				t.Errorf("%d queries at the start", asked)
			}
			if list, _ := r.Take(); (len(list) > 0) != stream {
				t.Errorf("%d results at the start", len(list))
			}
			r.Stop()
		})
	}
}
