package topic

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// inBucket returns records of capable nodes of one bucket of a topic, each in a network of its own.
func inBucket(t testing.TB, topic Topic, bucket, count int) (list []Node) {
	for n := 5000; len(list) < count; n++ {
		key := keyOfNode(t, n)
		if bucketOf(topic.Distance(key.ID())) == bucket {
			list = append(list, nodeOf(capable(t, n, 1, netip.AddrFrom4([4]byte{byte(60 + bucket), byte(len(list) >> 8), byte(len(list)), 1}))))
		}
	}
	return list
}

// netOf returns a network of the given nodes, which know each other.
func netOf(t testing.TB, nodes []Node) *fakeNet {
	net := newFakeNet(t, 1, 0) // node 0 is the one that asks
	for _, n := range nodes {
		f := &fakeNode{net: net, node: n, id: n.Record.ID(),
			registrar: mustRegistrar(t, Config{Self: n.Record.ID(), Random: seeded(uint64(len(net.nodes)))})}
		net.nodes = append(net.nodes, f)
		net.byID[f.id] = f
		d := enr.LogDistance(net.nodes[0].id, f.id)
		net.nodes[0].buckets[d] = append(net.nodes[0].buckets[d], f)
	}
	return net
}

// Registrars that lie about waits cost time and no place: in the end all places are with honest
// ones.
func TestT11LyingRegistrars(t *testing.T) {
	topic := Of("x")
	net := netOf(t, inBucket(t, topic, 0, 10))
	ticket := Confirmation{Ticket: []byte("ticket")}
	asked := map[int]int{}
	for i, lie := range []func(Registration) (Confirmation, bool){
		// a wait of nothing, forever
		func(Registration) (Confirmation, bool) { return ticket, true },
		func(Registration) (Confirmation, bool) { c := ticket; c.Wait = DefaultLifetime; return c, true },
		func(Registration) (Confirmation, bool) { c := ticket; c.Wait = 1 << 62; return c, true },
		// an ad that lives no time
		func(Registration) (Confirmation, bool) { return Confirmation{}, true },
		func(Registration) (Confirmation, bool) { return Confirmation{Ticket: make([]byte, 300)}, true },
	} {
		net.nodes[1+i].confirm = func(r Registration) (Confirmation, bool) {
			asked[i]++
			return lie(r)
		}
	}
	a := net.nodes[0].advertise(topic, AdvertiserConfig{})
	net.run(5*DefaultLifetime - 2*time.Second)
	honest := 0
	for _, e := range a.table.all() {
		if f := net.byID[e.id()]; f.confirm == nil && e.phase == placed {
			honest++
		}
	}
	if honest != DefaultPerBucket {
		t.Errorf("%d honest registrars hold the ad, want %d: %+v", honest, DefaultPerBucket, a.Status().Buckets[0])
	}
	for i, n := range asked {
		if n > 90 { // once a minute at most
			t.Errorf("liar %d was asked %d times", i, n)
		}
	}
	if len(asked) < 4 {
		t.Errorf("only %d liars were asked", len(asked))
	}
	t.Run("no loop", func(t *testing.T) {
		// A registrar that admits for a moment is the only one.
		net := netOf(t, inBucket(t, topic, 0, 1))
		asked := 0
		net.nodes[1].confirm = func(Registration) (Confirmation, bool) {
			asked++
			return Confirmation{}, true
		}
		net.nodes[0].advertise(topic, AdvertiserConfig{})
		net.run(time.Hour)
		if asked < 50 || asked > 61 {
			t.Errorf("asked %d times in an hour", asked)
		}
	})
}

// A third of the registrars claim to have admitted and have not. Nobody can tell, and lookups find
// everybody, because each ad is at many registrars.
func TestT12RegistrarsThatForget(t *testing.T) {
	net := newFakeNet(t, 200, 0)
	for i, n := range net.nodes[50:] {
		if i%3 == 0 {
			n.confirm = func(Registration) (Confirmation, bool) { return Confirmation{Wait: DefaultLifetime}, true }
		}
	}
	for i := range 48 {
		net.nodes[i].advertise(topicNumber(i%4), AdvertiserConfig{})
	}
	net.run(40 * time.Minute)
	found, want := 0, 0
	for i := range 50 {
		s := net.nodes[199-i].search(topicNumber(i%4), SearchConfig{})
		net.run(net.now + 20*time.Second)
		found += len(s.found)
		want += 12
	}
	if found < want*99/100 {
		t.Errorf("lookups found %d of %d members", found, want)
	}
	t.Logf("lookups found %d of %d members", found, want)
}

// Auxiliary records of a liar: one for each bucket at most, at distances that were asked for, of
// capable nodes in networks of their own, and gone after three failures.
func TestT14PoisonedTable(t *testing.T) {
	topic := Of("x")
	liar := inBucket(t, topic, 3, 1)[0]
	var offered []Node
	for bucket := range 5 {
		offered = append(offered, inBucket(t, topic, bucket, 8)[1:]...)
	}
	tb := newTable(topic, enr.ID{}, 16, DefaultLifetime)
	tb.Add(0, nil, liar)
	from := &Source{liar.Record.ID(), []uint{256, 255, 254, 252}} // not 253
	if n := tb.Add(0, from, offered...); n != 4 {
		t.Errorf("took %d records of one answer, want one for each of four buckets", n)
	}
	slices.Reverse(offered)
	if n := tb.Add(0, from, offered...); n != 0 {
		t.Errorf("took %d records of a second answer", n)
	}
	if sizes := tb.Sizes(); sizes != [NumBuckets]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 1} {
		t.Errorf("buckets %v", sizes)
	}
	t.Run("one for each reply", func(t *testing.T) {
		tb := newTable(topic, enr.ID{}, 16, DefaultLifetime)
		tb.Add(0, nil, liar, offered[0])
		near := inBucket(t, topic, bucketOf(topic.Distance(offered[0].Record.ID())), 8)
		if n := tb.Add(0, &Source{liar.Record.ID(), allDistances()}, append([]Node{offered[0]}, near...)...); n != 0 {
			t.Errorf("took %d records behind one that the table has", n)
		}
	})
	t.Run("one for each network", func(t *testing.T) {
		tb := newTable(topic, enr.ID{}, 16, DefaultLifetime)
		var same []Node
		for i, n := range inBucket(t, topic, 0, 10) {
			n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, 1, 1, byte(i + 1)}), 30303)
			same = append(same, n)
		}
		if n := tb.Add(0, nil, same...); n != 1 {
			t.Errorf("took %d nodes of one network", n)
		}
	})
	t.Run("gone after failures", func(t *testing.T) {
		tb := newTable(topic, enr.ID{}, 16, DefaultLifetime)
		tb.Add(0, nil, liar)
		e := tb.find(liar.Record.ID())
		for range maxFailures {
			tb.fail(0, e)
		}
		if tb.Len() != 0 || tb.Add(DefaultLifetime-1, nil, liar) != 0 {
			t.Error("a node that failed three times is there")
		}
		if tb.Add(DefaultLifetime, nil, liar) != 1 {
			t.Error("the exclusion does not end")
		}
	})
	t.Run("a live node takes the place of an unverified one", func(t *testing.T) {
		tb := newTable(topic, enr.ID{}, 2, DefaultLifetime)
		nodes := inBucket(t, topic, 0, 4)
		tb.Add(0, &Source{liar.Record.ID(), []uint{256}}, nodes[0])
		tb.Add(0, nil, nodes[1])
		if tb.Add(0, nil, nodes[2]) != 1 || tb.find(nodes[0].Record.ID()) != nil {
			t.Error("the unverified node has kept its place")
		}
		if tb.Add(0, nil, nodes[3]) != 0 {
			t.Error("a live node was evicted")
		}
	})
}

// Answers and confirmations that nobody asked for, or that come twice, change nothing.
func TestT16Unsolicited(t *testing.T) {
	topic := Of("x")
	nodes := inBucket(t, topic, 0, 8)
	own := capable(t, 1, 1, netip.MustParseAddr("9.9.9.9"))
	t.Run("advertiser", func(t *testing.T) {
		a := NewAdvertiser(AdvertiserConfig{Topic: topic, Self: own.ID()}, mustRandom(t, 1))
		a.SetRecord(0, own)
		a.Table().Add(0, nil, nodes...)
		now := startSpread
		r, ok := a.Next(now)
		if !ok {
			t.Fatal("no request")
		}
		id := r.Node.Record.ID()
		for _, n := range nodes {
			if o := n.Record.ID(); o != id && (a.Confirm(now, o, Confirmation{}) || a.Fail(now, o, true)) {
				t.Fatal("took the answer of a node that was not asked")
			}
		}
		if a.Confirm(now, own.ID(), Confirmation{}) || a.Status().Placed != 0 {
			t.Fatal("took an answer of nobody")
		}
		if !a.Confirm(now, id, Confirmation{Wait: time.Minute}) {
			t.Fatal("the answer is not taken")
		}
		if a.Confirm(now, id, Confirmation{Ticket: []byte{1}}) || a.Status().Placed != 1 {
			t.Error("took a second answer")
		}
	})
	t.Run("search", func(t *testing.T) {
		s := NewSearch(SearchConfig{Topic: topic, Self: own.ID()}, mustRandom(t, 1))
		s.Add(0, nodes[:4]...)
		q, ok := s.Next(0)
		if !ok {
			t.Fatal("no request")
		}
		id := q.Node.Record.ID()
		for _, n := range nodes {
			if o := n.Record.ID(); o != id && (s.Answer(0, o, nodes[4:], nil) || s.Fail(0, o)) {
				t.Fatal("took the answer of a node that was not asked")
			}
		}
		many := inBucket(t, topic, 0, 40)
		s.diverse = true
		if !s.Answer(0, id, many, nil) || s.Answer(0, id, many[20:], nil) || len(s.Take()) != maxTaken {
			t.Errorf("%d results", len(s.Results()))
		}
	})
}

// The clock jumps by an hour, as after a suspend. All tickets are void then; the chains begin
// again, spread over time and within the pace.
func TestT24ClockJump(t *testing.T) {
	net := newFakeNet(t, 200, 0)
	pace := new(Pace)
	var ads []*fakeAdvertiser
	for i := range 10 {
		ads = append(ads, net.nodes[0].advertise(topicNumber(i), AdvertiserConfig{Pace: pace}))
	}
	for _, n := range net.nodes[1:] {
		n.confirm = func(Registration) (Confirmation, bool) {
			return Confirmation{Ticket: []byte("t"), Wait: 10 * time.Minute}, true
		}
	}
	net.run(2 * time.Minute)
	pending := 0
	for _, a := range ads {
		pending += a.Status().Pending
	}
	net.now += time.Hour
	start := net.now
	var at []time.Duration
	for _, n := range net.nodes[1:] {
		n.confirm = func(r Registration) (Confirmation, bool) {
			at = append(at, net.now)
			if len(r.Ticket) > 0 {
				t.Error("a ticket is presented an hour late")
			}
			return Confirmation{Wait: DefaultLifetime}, true
		}
	}
	for _, a := range ads {
		a.pump()
	}
	net.run(start + time.Minute)
	if pending < 200 || len(at) < pending {
		t.Fatalf("%d chains were pending, %d requests after the jump", pending, len(at))
	}
	for i := range at {
		if j := i + DefaultPerSecond + 3; j < len(at) && at[j]-at[i] < time.Second {
			t.Fatalf("more than %d requests in a second", DefaultPerSecond)
		}
	}
	if at[len(at)-1]-start < 5*time.Second {
		t.Errorf("all %d requests within %v", len(at), at[len(at)-1]-start)
	}
}

// Nodes without the entry, or with another version, are in no service table and in no pool.
func TestT26LegacyNodes(t *testing.T) {
	topic := Of("x")
	sign := func(n int, set func(*enr.Builder)) Node {
		b := enr.NewBuilder().SetIP(netip.MustParseAddr("9.9.9.9")).SetUDP(1)
		set(b)
		r, err := b.Sign(keyOfNode(t, n))
		if err != nil {
			t.Fatal(err)
		}
		return nodeOf(r)
	}
	for _, tt := range []struct {
		name string
		set  func(*enr.Builder)
		want bool
	}{
		{"no entry", func(*enr.Builder) {}, false},
		{"version 0", func(b *enr.Builder) { b.SetTopicVersion(0) }, false},
		{"version 1", func(b *enr.Builder) { b.SetTopicVersion(1) }, true},
		{"version 2", func(b *enr.Builder) { b.SetTopicVersion(2) }, false},
		{"old spelling", func(b *enr.Builder) { b.SetUint("topic-discovery", 1) }, true},
		{"text", func(b *enr.Builder) { b.SetString("ng", "yes") }, false},
		{"list", func(b *enr.Builder) { b.Set("ng", []byte{0xc1, 1}) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := sign(1, tt.set)
			tb := newTable(topic, enr.ID{}, 16, DefaultLifetime)
			s := NewSearch(SearchConfig{Topic: topic}, mustRandom(t, 1))
			for _, from := range []*Source{nil, {enr.ID{1}, []uint{uint(topic.Distance(n.Record.ID()))}}} {
				tb = newTable(topic, enr.ID{}, 16, DefaultLifetime)
				if got := tb.Add(0, from, n) == 1; got != tt.want {
					t.Errorf("from %v: taken %v", from, got)
				}
			}
			if got := s.Add(0, n) == 1; got != tt.want {
				t.Errorf("search: taken %v", got)
			}
			if got := new(Pool).Add(n, mustRandom(t, 1)); got != tt.want {
				t.Errorf("pool: taken %v", got)
			}
		})
	}
}
