package lookup

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// id returns an ID whose number is v in its highest 16 bits.
func id(v uint16) enr.ID { return enr.ID{byte(v >> 8), byte(v)} }

func candidates(vs ...uint16) (out []Peer) {
	for _, v := range vs {
		out = append(out, Peer{ID: id(v)})
	}
	return out
}

func ids(cs []Peer) (out []enr.ID) {
	for _, c := range cs {
		out = append(out, c.ID)
	}
	return out
}

func TestDistances(t *testing.T) {
	at := func(d int) enr.ID { // an ID at log distance d from zero
		var id enr.ID
		if d > 0 {
			id[(256-d)/8] = 1 << ((d - 1) % 8)
		}
		return id
	}
	tests := []struct {
		d, n int
		want []uint
	}{
		{250, 3, []uint{250, 251, 249}},
		{250, 5, []uint{250, 251, 249, 252, 248}},
		{250, 1, []uint{250}},
		{250, 0, nil},
		{256, 3, []uint{256, 255, 254}},
		{255, 4, []uint{255, 256, 254, 253}},
		{1, 3, []uint{1, 2, 3}},
		{2, 3, []uint{2, 3, 1}},
		{0, 3, []uint{1, 2, 3}},
	}
	for _, tt := range tests {
		if got := spread(nil, enr.LogDistance(enr.ID{}, at(tt.d)), tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("distance %d, n %d: %v, want %v", tt.d, tt.n, got, tt.want)
		}
	}
	all := spread(nil, enr.LogDistance(enr.ID{}, at(200)), 1000)
	if len(all) != 256 {
		t.Errorf("asked for everything: %d distances", len(all))
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 256 {
		t.Error("a distance twice")
	}
}

func TestNextAsksClosestFirst(t *testing.T) {
	l := New(enr.ID{}, Config{K: 4, Alpha: 2}, id(3), candidates(9, 7, 3, 5, 7))
	if got := l.Stats().Heard; got != 3 {
		t.Errorf("learned %d seeds, want 3: neither self nor one twice", got)
	}
	for _, want := range []uint16{5, 7} {
		if q, ok := l.Next(); !ok || q.Node.ID != id(want) {
			t.Fatalf("Next = %v %v, want %d", q.Node.ID.Short(), ok, want)
		}
	}
	if _, ok := l.Next(); ok {
		t.Fatal("third query although α is 2")
	}
	fresh := l.Answer(id(7), candidates(1, 5, 1, 3, 9, 2))
	if want := []enr.ID{id(1), id(2)}; !slices.Equal(ids(fresh), want) {
		t.Errorf("fresh = %v, want 1 and 2", ids(fresh))
	}
	if q, ok := l.Next(); !ok || q.Node.ID != id(1) {
		t.Errorf("Next = %v %v, want 1", q.Node.ID.Short(), ok)
	}
}

func TestReportsOutOfPlace(t *testing.T) {
	l := New(enr.ID{}, Config{}, id(1000), candidates(5, 7))
	if l.Answer(id(5), candidates(1)) != nil || l.Fail(id(5)) || l.Fail(id(6)) || l.Answer(id(1000), candidates(1)) != nil {
		t.Error("took a report about a node that is not being asked")
	}
	q, _ := l.Next()
	if !l.Fail(q.Node.ID) || l.Fail(q.Node.ID) || l.Answer(q.Node.ID, candidates(1)) != nil {
		t.Error("a query must be reported exactly once")
	}
	q, _ = l.Next()
	l.Answer(q.Node.ID, candidates(5)) // 5 has failed: it must not come back
	if n := len(l.paths[0].list); n != 1 {
		t.Errorf("%d candidates, the failed one among them", n)
	}
	if q, ok := l.Next(); ok {
		t.Errorf("asked failed node %s again", q.Node.ID.Short())
	}
	if !l.Done() || len(l.Results()) != 1 {
		t.Errorf("done %v, results %d", l.Done(), len(l.Results()))
	}
	if s := l.Stats(); s != (Stats{Queries: 2, Answers: 1, Failures: 1, Heard: 2}) {
		t.Errorf("stats %+v", s)
	}
}

func TestDone(t *testing.T) {
	if l := New(enr.ID{}, Config{}, id(1), nil); !l.Done() || len(l.Results()) != 0 {
		t.Error("a lookup without seeds must be done immediately")
	}
	// K is 2: once 1 and 2 have answered, 9 need not be waited for.
	l := New(enr.ID{}, Config{K: 2, Alpha: 2}, id(100), candidates(8, 9))
	l.Next()
	l.Next()
	l.Answer(id(8), candidates(1, 2))
	if l.Done() {
		t.Fatal("done although 1 and 2 have not been asked")
	}
	l.Next()
	if l.Answer(id(1), nil); l.Done() {
		t.Fatal("done although 2 has not answered")
	}
	l.Next()
	l.Answer(id(2), nil)
	if !l.Done() || l.Stats().Outstanding != 1 {
		t.Errorf("done %v, outstanding %d", l.Done(), l.Stats().Outstanding)
	}
	if want := []enr.ID{id(1), id(2)}; !slices.Equal(ids(l.Results()), want) {
		t.Errorf("results %v", ids(l.Results()))
	}
	// A late failure of 9 is still accounted for.
	if !l.Fail(id(9)) || l.Stats().Outstanding != 0 {
		t.Error("late report lost")
	}
}

// The target is asked around the distance of its closest known neighbor, not at 1, 2, 3.
func TestTargetItself(t *testing.T) {
	l := New(id(0x8000), Config{}, id(1), candidates(0x8000, 0x8003))
	q, ok := l.Next()
	if !ok || q.Node.ID != id(0x8000) || !slices.Equal(q.Distances, []uint{242, 243, 241}) {
		t.Errorf("asked %s at %v", q.Node.ID.Short(), q.Distances)
	}
}

// S12: an answer without end, and a flood of nodes close to the target that do not exist.
func TestFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	cfg := Config{}.withDefaults()
	l := New(enr.ID{}, cfg, id(1), candidates(0xff00, 0xff01, 0xff02))
	var first []Query
	for q, ok := l.Next(); ok; q, ok = l.Next() {
		first = append(first, q)
	}
	for _, q := range first {
		flood := make([]Peer, 5000)
		for i := range flood {
			flood[i].ID = randomID(r)
			flood[i].ID[0], flood[i].ID[1] = 0, 0
		}
		if fresh := l.Answer(q.Node.ID, flood); len(fresh) > cfg.MaxFound {
			t.Fatalf("%d nodes taken from one answer", len(fresh))
		}
	}
	for !l.Done() {
		q, ok := l.Next()
		if !ok {
			t.Fatal("nothing to ask, nothing under way, not done")
		}
		l.Fail(q.Node.ID)
	}
	if n := l.Stats().Queries; n > cfg.MaxQueries {
		t.Errorf("%d queries", n)
	}
	if n := len(l.paths[0].list); n > slack*cfg.K+cfg.MaxQueries {
		t.Errorf("%d candidates kept", n)
	}
	if n := len(l.asker); n > 3*cfg.MaxFound+3 {
		t.Errorf("%d IDs remembered", n)
	}
	if n := len(l.Results()); n != 3 {
		t.Errorf("the flood has washed out nodes that did answer: %d left of 3", n)
	}
}

// With disjoint paths a node that lies spoils one path only.
func TestDisjointPathsKeepApart(t *testing.T) {
	l := New(enr.ID{}, Config{Paths: 2, K: 2, Alpha: 1}, id(1000), candidates(50, 60))
	a, _ := l.Next()
	b, _ := l.Next()
	if a.Path == b.Path || a.Node.ID == b.Node.ID {
		t.Fatalf("paths %d and %d", a.Path, b.Path)
	}
	l.Answer(a.Node.ID, candidates(1, 2)) // invented
	l.Answer(b.Node.ID, candidates(10))
	for q, ok := l.Next(); ok; q, ok = l.Next() {
		if q.Path == b.Path && (q.Node.ID == id(1) || q.Node.ID == id(2)) {
			t.Error("heard on one path, asked on the other")
		}
		if q.Node.ID == id(10) {
			l.Answer(q.Node.ID, candidates(11))
		} else {
			l.Fail(q.Node.ID)
		}
	}
	if !l.Done() {
		t.Error("not done")
	}
	if got := ids(l.Results()); !slices.Contains(got, id(10)) {
		t.Errorf("results %v lack 10", got)
	}
}

// FuzzLookup feeds arbitrary reports. Whatever comes, no node is asked twice, the counts add up
// and the lookup ends.
func FuzzLookup(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(1))
	f.Add([]byte{0xff, 0, 0x80, 0x81, 0x01, 0x02, 9, 9, 9, 200, 100}, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, paths uint8) {
		take := func() byte {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return b
		}
		cfg := Config{K: int(take()%8) + 1, Alpha: int(take()%3) + 1, MaxQueries: 40, Paths: int(paths%4) + 1}
		self := id(uint16(take()))
		l := New(id(uint16(take())), cfg, self, candidates(uint16(take()), uint16(take()), uint16(take()), uint16(take())))
		asked := map[enr.ID]bool{}
		var flying []enr.ID
		for steps := 0; !l.Done(); steps++ {
			if steps > 200 {
				t.Fatal("does not end")
			}
			for q, ok := l.Next(); ok; q, ok = l.Next() {
				if asked[q.Node.ID] || q.Node.ID == self || len(q.Distances) != DefaultDistances {
					t.Fatalf("bad query %+v", q)
				}
				asked[q.Node.ID] = true
				flying = append(flying, q.Node.ID)
			}
			if len(flying) != l.Stats().Outstanding || len(flying) == 0 {
				t.Fatalf("%d under way, stats %+v", len(flying), l.Stats())
			}
			op := take()
			i := int(op) % len(flying)
			if op&0x80 != 0 {
				l.Fail(flying[i])
			} else {
				l.Answer(flying[i], candidates(uint16(take()), uint16(take()), uint16(take())))
			}
			flying = slices.Delete(flying, i, i+1)
			l.Fail(id(uint16(op))) // mostly out of place
			if j := slices.Index(flying, id(uint16(op))); j >= 0 {
				flying = slices.Delete(flying, j, j+1)
			}
		}
		for _, c := range l.Results() {
			if !asked[c.ID] {
				t.Fatal("a result that was never asked")
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	nw := newNetwork(r, 300)
	self, target := nw.ids[1], randomID(r)
	seeds := nw.seeds(self, target, 16)
	b.ReportAllocs()
	for b.Loop() {
		l := New(target, Config{}, self, seeds)
		for !l.Done() {
			q, ok := l.Next()
			switch {
			case !ok:
				b.Fatal("stuck")
			case nw.dead[q.Node.ID]:
				l.Fail(q.Node.ID)
			default:
				l.Answer(q.Node.ID, nw.answer(q))
			}
		}
	}
}

// Hops is the length of the chain of answers that led to the closest node.
func TestHops(t *testing.T) {
	l := New(enr.ID{}, Config{K: 4, Alpha: 1}, id(1000), candidates(90, 80))
	if n := l.Hops(); n != 0 {
		t.Errorf("%d hops before anybody has answered", n)
	}
	for i, step := range []struct {
		asks    uint16
		answers []uint16
		hops    int
	}{
		{80, []uint16{70}, 1},
		{70, []uint16{60, 85}, 2},
		{60, []uint16{70, 80}, 3},
		{85, []uint16{50}, 3}, // farther than 60: the way to that still counts
		{50, nil, 4},          // by way of 80, 70 and 85
	} {
		q, ok := l.Next()
		if !ok || q.Node.ID != id(step.asks) {
			t.Fatalf("step %d: asks %v, want %d", i, q.Node.ID.Short(), step.asks)
		}
		l.Answer(q.Node.ID, candidates(step.answers...))
		if n := l.Hops(); n != step.hops {
			t.Errorf("step %d: %d hops, want %d", i, n, step.hops)
		}
	}
}

// Numbers that a program takes from its user do not cost memory: a lookup has no use for more paths
// or results than queries.
func TestHugeNumbers(t *testing.T) {
	l := New(id(0), Config{K: math.MaxInt, Alpha: math.MaxInt, Paths: math.MaxInt / 4, MaxQueries: 10}, id(0xffff), candidates(1, 2, 3))
	if len(l.paths) != 10 {
		t.Fatalf("%d paths for 10 queries", len(l.paths))
	}
	for !l.Done() {
		q, ok := l.Next()
		if !ok {
			t.Fatal("neither done nor a query")
		}
		l.Answer(q.Node.ID, nil)
	}
	if got := l.Results(); len(got) != 3 {
		t.Errorf("%d results, want 3", len(got))
	}
}
