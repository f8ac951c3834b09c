package topic

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// fuzzNodes are candidates: of several buckets, some in one network, some without the capability
// entry, and the node itself.
func fuzzNodes(t testing.TB) (list []Node) {
	for i := range 40 {
		addr := netip.AddrFrom4([4]byte{60, byte(i / 3), 1, byte(i + 1)})
		if i%10 == 9 {
			addr = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		}
		r := capable(t, i, 1, addr)
		if i%7 == 6 {
			legacy, err := enr.NewBuilder().SetIP(addr).SetUDP(1).Sign(keyOfNode(t, i))
			if err != nil {
				t.Fatal(err)
			}
			r = legacy
		}
		list = append(list, nodeOf(r))
	}
	return list
}

// seedScripts adds scripts of random bytes.
func seedScripts(f *testing.F) {
	rnd := rand.New(seeded(9))
	for range 8 {
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
}

func allDistances() (list []uint) {
	for i := range NumBuckets {
		list = append(list, uint(maxDistance-i))
	}
	return list
}

// FuzzAdvertiser drives an Advertiser by a script and checks what it must hold to whatever happens.
func FuzzAdvertiser(f *testing.F) {
	seedScripts(f)
	nodes := fuzzNodes(f)
	records := []*enr.Record{capable(f, 0, 1, netip.MustParseAddr("9.9.9.9")), capable(f, 0, 2, netip.MustParseAddr("9.9.9.9")),
		capable(f, 0, 3, netip.MustParseAddr("9.9.9.8"))}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 900 {
			return
		}
		pace := new(Pace)
		a := NewAdvertiser(AdvertiserConfig{Topic: Of("x"), Self: records[0].ID(), Pace: pace, LegacyOrder: true}, mustRandom(t, 1))
		asking := map[enr.ID]Registration{}
		given := map[enr.ID]string{} // the last ticket of each registrar
		var order []enr.ID
		var now time.Duration
		next := func() {
			for range 50 {
				r, ok := a.Next(now)
				if !ok {
					return
				}
				id := r.Node.Record.ID()
				if _, twice := asking[id]; twice || id == records[0].ID() || !r.Node.Record.SupportsTopics() {
					t.Fatal("a request to a node that is asked, legacy, or the node itself")
				}
				if len(r.Ticket) > 0 && string(r.Ticket) != given[id] {
					t.Fatalf("ticket %q, the last one was %q", r.Ticket, given[id])
				}
				asking[id] = r
				order = append(order, id)
			}
			t.Fatal("requests without end")
		}
		for s := script; len(s) >= 2; s = s[2:] {
			op, v := s[0]%10, s[1]
			n := nodes[int(v)%len(nodes)]
			id := n.Record.ID()
			if len(order) > 0 && op < 6 {
				id = order[int(v)%len(order)]
			}
			_, was := asking[id]
			switch op {
			case 0, 1:
				c := Confirmation{[]byte{v, op}, time.Duration(v) * time.Second}
				if a.Confirm(now, id, c) != was {
					t.Fatalf("taken %v, asked %v", !was, was)
				}
				if was {
					given[id] = string(c.Ticket)
				}
				delete(asking, id)
			case 2:
				if a.Confirm(now, id, Confirmation{Wait: time.Duration(v) * time.Minute}) != was {
					t.Fatal("admitted by a node that was not asked, or not taken")
				}
				delete(asking, id)
			case 3:
				if a.Fail(now, id, v&1 != 0) != was {
					t.Fatal("failure of a node that was not asked, or not taken")
				}
				delete(asking, id)
			case 4:
				a.Remove(id)
				delete(asking, id)
			case 5, 6:
				now += time.Duration(v) * time.Duration(v) * 100 * time.Millisecond
			case 7:
				a.Table().Add(now, nil, n)
			case 8:
				a.Table().Add(now, &Source{nodes[int(v>>3)%len(nodes)].Record.ID(), allDistances()}, n, nodes[int(v+1)%len(nodes)])
			case 9:
				a.SetRecord(now, records[int(v)%len(records)])
			}
			next()
			checkAdvertiser(t, a, pace, len(asking), now)
		}
	})
}

func checkAdvertiser(t *testing.T, a *Advertiser, pace *Pace, underWay int, now time.Duration) {
	t.Helper()
	n := 0
	for i := range a.table.buckets {
		active := 0
		if len(a.table.buckets[i]) > a.table.most {
			t.Fatalf("bucket %d has %d nodes", i, len(a.table.buckets[i]))
		}
		for _, e := range a.table.buckets[i] {
			if a.table.find(e.id()) != e || int(e.bucket) != i {
				t.Fatal("the table is broken")
			}
			if e.phase != idle {
				active++
			}
			if e.phase == asking {
				n++
			}
			if e.chain != nil && e.chain.tickets >= maxTickets {
				t.Fatal("too many tickets")
			}
		}
		if active != a.buckets[i].active || active > DefaultPerBucket {
			t.Fatalf("bucket %d: %d in use, counted %d", i, active, a.buckets[i].active)
		}
	}
	if n != underWay || n != a.underWay || n != pace.underWay || n > DefaultParallel {
		t.Fatalf("%d are asked: %d, %d, %d", underWay, n, a.underWay, pace.underWay)
	}
	if at, ok := a.NextTime(now); ok && at <= now {
		t.Fatal("Next has nothing, and is to be called now")
	}
}

// FuzzSearch drives a Search by a script and checks what it must hold to whatever happens.
func FuzzSearch(f *testing.F) {
	seedScripts(f)
	nodes := fuzzNodes(f)
	self := nodes[0].Record.ID()
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 900 {
			return
		}
		mode := script[0]
		pace := &Pace{PerSecond: 1000}
		s := NewSearch(SearchConfig{Topic: Of("x"), Self: self, Count: 10, Stream: mode&1 != 0, Adaptive: mode&2 != 0, Pace: pace}, mustRandom(t, 1))
		asking := map[enr.ID]bool{}
		asked := map[enr.ID]int{}
		results := map[enr.ID]time.Duration{}
		var order []enr.ID
		var now time.Duration
		done := false
		step := func() {
			for i := 0; ; i++ {
				q, ok := s.Next(now)
				if !ok {
					break
				}
				id := q.Node.Record.ID()
				if asking[id] || id == self || !q.Node.Record.SupportsTopics() || done || i > 50 {
					t.Fatal("a request to a node that is asked, legacy or the node itself, after the end, or without end")
				}
				if asked[id]++; mode&1 == 0 && asked[id] > 2 {
					t.Fatal("a node is asked a third time")
				}
				asking[id] = true
				order = append(order, id)
			}
			for _, n := range s.Take() {
				id := n.Record.ID()
				if at, twice := results[id]; id == self || twice && (mode&1 == 0 || now < at+DefaultLifetime) {
					t.Fatal("a result twice, or the node itself")
				}
				results[id] = now
			}
			if done && !s.Done() {
				t.Fatal("done, and then not")
			}
			done = s.Done()
			if len(asking) > s.cfg.Parallel || len(asking) != len(s.underWay) || pace.underWay != len(asking) {
				t.Fatalf("%d asked, %d under way, %d in the pace", len(asking), len(s.underWay), pace.underWay)
			}
			if at, ok := s.NextTime(now); ok && at <= now {
				if _, more := s.Next(now); !more && !s.Done() {
					if again, ok := s.NextTime(now); ok && again <= now {
						t.Fatal("Next has nothing, and is to be called now")
					}
				} else if more {
					t.Fatal("Next had nothing, and then something")
				}
				done = s.Done()
			}
		}
		for script := script[1:]; len(script) >= 2; script = script[2:] {
			op, v := script[0]%7, script[1]
			id := nodes[int(v)%len(nodes)].Record.ID()
			if len(order) > 0 && op < 3 {
				id = order[int(v)%len(order)]
			}
			was := asking[id]
			from := int(v) % len(nodes)
			some := nodes[from:min(from+int(v%18), len(nodes))]
			switch op {
			case 0:
				if s.Answer(now, id, some, nodes[from/2:from]) != was {
					t.Fatal("an answer of a node that was not asked, or not taken")
				}
				delete(asking, id)
			case 1:
				if s.Fail(now, id) != was {
					t.Fatal("a failure of a node that was not asked, or not taken")
				}
				delete(asking, id)
			case 2:
				if v&7 == 0 {
					s.Remove(id)
					delete(asking, id)
				}
			case 3, 4:
				now += time.Duration(v) * time.Duration(v) * 50 * time.Millisecond
			case 5, 6:
				s.Add(now, some...)
			}
			step()
			for i := range s.table.buckets {
				if len(s.table.buckets[i]) > searchBucket {
					t.Fatalf("bucket %d has %d nodes", i, len(s.table.buckets[i]))
				}
			}
		}
	})
}
