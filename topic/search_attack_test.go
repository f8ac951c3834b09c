package topic

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// One registrar that answers first, with colluders only, gives a tenth of a lookup's results until
// nine others have given some, or nobody is left to ask.
func TestT13OneLiar(t *testing.T) {
	topic := Of("x")
	candidates := append(inBucket(t, topic, 0, 1), inBucket(t, topic, 1, 12)...)
	colluders := inBucket(t, topic, 5, 16)
	honest := inBucket(t, topic, 6, 40)
	s := NewSearch(SearchConfig{Topic: topic, Count: 20, PerBucket: 12, Parallel: 1}, mustRandom(t, 1))
	s.Add(0, candidates...)
	ask := func(ads []Node) int {
		t.Helper()
		q, ok := s.Next(0)
		if !ok {
			t.Fatal("no request")
		}
		s.Answer(0, q.Node.Record.ID(), ads, nil)
		return len(s.Take())
	}
	if n := ask(colluders); n != 2 || s.Done() {
		t.Fatalf("%d results of one registrar, done %v", n, s.Done())
	}
	if n := ask(nil); n != 0 { // says nothing
		t.Fatalf("%d results of no ads", n)
	}
	for i := range 8 {
		if n := ask(honest[4*i:][:4]); n != 2 || s.Done() {
			t.Fatalf("%d results of registrar %d, done %v", n, i+2, s.Done())
		}
	}
	// The tenth releases what the others have given beside.
	if n := ask(honest[32:36]); n != 4+8*2+14 || !s.Done() {
		t.Fatalf("%d results of the tenth registrar, done %v", n, s.Done())
	}
	t.Run("alone", func(t *testing.T) {
		s := NewSearch(SearchConfig{Topic: topic, Count: 5}, mustRandom(t, 1))
		s.Add(0, candidates[0])
		q, _ := s.Next(0)
		s.Answer(0, q.Node.Record.ID(), colluders[:9], nil)
		for range 3 {
			s.Next(0)
		}
		if !s.Done() || len(s.Results()) != 9 {
			t.Errorf("done %v with %d results; there is nobody else to ask", s.Done(), len(s.Results()))
		}
	})
}

// Attackers are a part of the members and lie as registrars: they return colluders only, as ads and
// as auxiliary records. No lookup sees attackers alone.
func TestT13Eclipse(t *testing.T) {
	for _, tt := range []struct {
		name string
		part int // of a hundred members
	}{{"20 %", 20}, {"33 %", 33}, {"50 %", 50}} {
		t.Run(tt.name, func(t *testing.T) {
			if (testing.Short() || raceEnabled) && tt.part != 50 {
				t.Skip("probed for -short and the race detector, under which one is enough; make test runs all")
			}
			net := newFakeNet(t, 250, 0)
			hostile := map[enr.ID]bool{}
			var colluders []Node
			const members = 60
			for i := range members * tt.part / 100 {
				n := net.nodes[i]
				hostile[n.id] = true
				colluders = append(colluders, n.node)
			}
			for id := range hostile {
				net.byID[id].answer = func(q Question) (ads, auxiliary []Node, ok bool) {
					return colluders, colluders, true
				}
				net.byID[id].confirm = func(Registration) (Confirmation, bool) { return Confirmation{Wait: DefaultLifetime}, true }
			}
			for i := range members {
				net.nodes[i].advertise(Of("x"), AdvertiserConfig{})
			}
			for i := range 90 { // other topics
				net.nodes[100+i].advertise(topicNumber(i%5), AdvertiserConfig{})
			}
			net.run(40 * time.Minute)
			eclipsed, bad, all := 0, 0, 0
			for i := range 60 {
				s := net.nodes[249-i].search(Of("x"), SearchConfig{})
				net.run(net.now + 20*time.Second)
				honest := 0
				for id := range s.found {
					if !hostile[id] {
						honest++
					}
				}
				bad += len(s.found) - honest
				all += len(s.found)
				if honest == 0 {
					eclipsed++
				}
			}
			part := float64(bad) / float64(all)
			t.Logf("%d of 60 lookups eclipsed, %.0f %% of the results hostile", eclipsed, 100*part)
			if eclipsed > 0 || part > float64(tt.part)/100+0.2 {
				t.Errorf("%d lookups eclipsed, %.2f of the results hostile", eclipsed, part)
			}
		})
	}
}

// The nodes closest to the topic are hostile: they admit nothing and return nothing. Topics that
// are held far from there too are found all the same.
func TestT15ClosestNodesHostile(t *testing.T) {
	net := newFakeNet(t, 300, 0)
	topic := Of("x")
	for _, n := range net.nodes[60:] {
		if bucketOf(topic.Distance(n.id)) >= 3 {
			n.answer = func(Question) (ads, auxiliary []Node, ok bool) { return nil, nil, true }
			n.confirm = func(Registration) (Confirmation, bool) { return Confirmation{Wait: DefaultLifetime}, true }
		}
	}
	for i := range 60 {
		net.nodes[i].advertise(topic, AdvertiserConfig{})
		net.nodes[100+i].advertise(topicNumber(i%5), AdvertiserConfig{})
	}
	net.run(40 * time.Minute)
	complete := 0
	for i := range 20 {
		s := net.nodes[299-i].search(topic, SearchConfig{})
		net.run(net.now + 20*time.Second)
		if len(s.found) >= DefaultCount {
			complete++
		} else if len(s.found) < DefaultCount*3/4 {
			t.Errorf("found %d, in %d queries", len(s.found), s.Stats().Queries)
		}
	}
	if complete < 18 {
		t.Errorf("%d of 20 lookups found enough", complete)
	}
}

// Dead members are in no result when their ads have ended, and new ads take no longer than that.
func TestT22DeadMembers(t *testing.T) {
	net := newFakeNet(t, 200, 0)
	var ads []*fakeAdvertiser
	for i := range 40 {
		ads = append(ads, net.nodes[i].advertise(topicNumber(i%4), AdvertiserConfig{}))
	}
	net.run(30 * time.Minute)
	for _, a := range ads[:20] {
		a.stopped, a.on.down = true, true
	}
	died := net.now
	net.run(died + DefaultLifetime + time.Second)
	for i := range 20 {
		s := net.nodes[199-i].search(topicNumber(i%4), SearchConfig{})
		net.run(net.now + 30*time.Second)
		for _, a := range ads[:20] {
			if s.found[a.on.id] != 0 {
				t.Error("a member that has been dead for longer than a lifetime was found")
			}
		}
		if len(s.found) < 4 {
			t.Errorf("found %d of 5 members that live", len(s.found))
		}
	}
}

// Half of the registrars stop. The ads are at as many registrars as before within two lifetimes,
// without a storm of requests.
func TestT23RegistrarsStop(t *testing.T) {
	net := newFakeNet(t, 200, 0)
	var ads []*fakeAdvertiser
	for i := range 40 {
		ads = append(ads, net.nodes[i].advertise(topicNumber(i%4), AdvertiserConfig{Pace: new(Pace)}))
	}
	held := func() (n int) {
		for _, a := range ads {
			for _, e := range a.table.all() {
				if e.phase == placed && !net.byID[e.id()].down {
					n++
				}
			}
		}
		return n
	}
	net.run(30 * time.Minute)
	before := held()
	for i, n := range net.nodes[40:] {
		if n.down = i%2 == 0; n.down {
			n.registrar = mustRegistrar(t, Config{Random: seeded(uint64(i))})
		}
	}
	sent := net.sent["REGTOPIC"]
	net.run(net.now + 2*DefaultLifetime)
	// Fewer registrars are left for each bucket, and their waits are longer.
	if after := held(); after < before*6/10 {
		t.Errorf("%d ads at registrars that are up, %d before", after, before)
	}
	if perSecond := float64(net.sent["REGTOPIC"]-sent) / (2 * DefaultLifetime.Seconds()) / float64(len(ads)); perSecond > 0.5 {
		t.Errorf("%.2f requests a second of each advertiser", perSecond)
	}
}

// The memory of a search is bounded, whatever it hears.
func TestSearchMemory(t *testing.T) {
	m := newMemory(100)
	for i := range 10_000 {
		var id enr.ID
		id[0], id[1] = byte(i), byte(i>>8%16)
		m.put(id, uint64(i), time.Duration(i))
		if len(m.notes) > 100 || len(m.order) > 100 {
			t.Fatalf("%d notes, %d in order", len(m.notes), len(m.order))
		}
		if !m.has(time.Duration(i)-1, id, uint64(i)) || m.has(time.Duration(i), id, 0) {
			t.Fatal("the newest is not remembered for its time")
		}
	}
	p := new(Pool)
	rnd := mustRandom(t, 1)
	for i := range PoolSize + 50 {
		p.Add(nodeOf(capable(t, i, 1, netip.MustParseAddr("9.9.9.9"))), rnd)
	}
	for i := range 300 {
		p.Remove(capable(t, i, 1, netip.MustParseAddr("9.9.9.9")).ID())
	}
	if len(p.Nodes()) != len(p.at) || len(p.Nodes()) > PoolSize-200 {
		t.Errorf("%d nodes, %d in the index", len(p.Nodes()), len(p.at))
	}
	for i, n := range p.Nodes() {
		if p.at[n.Record.ID()] != i {
			t.Error("the index is wrong")
		}
	}
}

// A stream that begins without candidates asks the first one without delay.
func TestStreamWithoutCandidates(t *testing.T) {
	for _, adaptive := range []bool{false, true} {
		s := NewSearch(SearchConfig{Topic: Of("x"), Stream: true, Adaptive: adaptive}, mustRandom(t, 1))
		var now time.Duration
		for range 12 { // the pauses grow
			if _, ok := s.Next(now); ok {
				t.Fatal("a request to nobody")
			}
			at, ok := s.NextTime(now)
			if !ok || at <= now {
				t.Fatalf("next time %v at %v, %v", at, now, ok)
			}
			now = at
		}
		s.Next(now)
		now += time.Second
		s.Add(now, inBucket(t, Of("x"), 3, 1)...)
		if at, ok := s.NextTime(now); !ok || at != now {
			t.Errorf("next time %v at %v, %v", at, now, ok)
		}
		if _, ok := s.Next(now); !ok {
			t.Error("the first candidate is not asked")
		}
	}
	s := NewSearch(SearchConfig{Topic: Of("x")}, mustRandom(t, 1))
	if _, ok := s.Next(0); ok || !s.Done() {
		t.Error("a lookup without candidates does not end")
	}
}

// An adaptive walk that has asked everybody near its distance continues with farther nodes, as long
// as answers hold something new.
func TestAdaptiveTurnsFarther(t *testing.T) {
	far := append(inBucket(t, Of("x"), 0, 12), inBucket(t, Of("x"), 1, 12)...)
	ads := inBucket(t, Of("y"), 0, 30)
	for _, fresh := range []bool{true, false} {
		s := NewSearch(SearchConfig{Topic: Of("x"), Stream: true, Adaptive: true}, mustRandom(t, 1))
		s.Add(0, far...)
		s.adaptive.home, s.adaptive.bucket = 3, 3
		asked := 0
		for q, ok := s.Next(0); ok; q, ok = s.Next(0) {
			var answer []Node
			if fresh {
				answer = ads[asked : asked+1]
			}
			s.Answer(0, q.Node.Record.ID(), answer, nil)
			asked++
		}
		if want := len(far); fresh && asked != want || !fresh && asked != pathWindow {
			t.Errorf("something new %v: %d of %d nodes asked", fresh, asked, want)
		}
	}
}

// Identities of one network are one result, however many registrars name them, until the walk has
// ended with nobody else.
func TestT13OneNetwork(t *testing.T) {
	topic := Of("x")
	registrars := inBucket(t, topic, 0, 5)
	honest := inBucket(t, topic, 4, 5)
	var colluders []Node
	for i := range 10 {
		colluders = append(colluders, nodeOf(capable(t, 9000+i, 1, netip.AddrFrom4([4]byte{100, 200, 1, byte(i)}))))
	}
	for _, alone := range []bool{false, true} {
		s := NewSearch(SearchConfig{Topic: topic, Count: 5, Parallel: 1}, mustRandom(t, 1))
		s.Add(0, registrars...)
		for i := range registrars {
			q, ok := s.Next(0)
			if !ok {
				t.Fatal("no request")
			}
			ads := colluders
			if i == 4 && !alone {
				ads = honest
			}
			s.Answer(0, q.Node.Record.ID(), ads, nil)
			if i < 4 && (len(s.Results()) != 1 || s.Done()) {
				t.Fatalf("%d results of one network, done %v", len(s.Results()), s.Done())
			}
		}
		// registrars whose answers were full are asked once more
		for q, ok := s.Next(0); ok; q, ok = s.Next(0) {
			s.Answer(0, q.Node.Record.ID(), colluders, nil)
		}
		if !s.Done() {
			t.Error("the lookup does not end")
		}
		if want := map[bool]int{false: 6, true: 5}[alone]; len(s.Results()) != want {
			t.Errorf("alone %v: %d results, want %d", alone, len(s.Results()), want)
		}
	}
}

// A lookup asks one node of each bucket, the farthest first, before it asks a second one anywhere:
// in the far buckets an attacker who registers with more registrars than others has most ads.
func TestT13EachDistanceFirst(t *testing.T) {
	topic := Of("x")
	s := NewSearch(SearchConfig{Topic: topic, Parallel: 1}, mustRandom(t, 1))
	for i := range 4 {
		s.Add(0, inBucket(t, topic, i, 3)...)
	}
	var order []int
	for q, ok := s.Next(0); ok && len(order) < 12; q, ok = s.Next(0) {
		order = append(order, bucketOf(enr.LogDistance(enr.ID(topic), q.Node.Record.ID())))
		s.Answer(0, q.Node.Record.ID(), nil, nil)
	}
	if want := []int{0, 1, 2, 3, 0, 0, 1, 1, 2, 2, 3, 3}; !slices.Equal(order, want) {
		t.Errorf("buckets %v, want %v", order, want)
	}
}
