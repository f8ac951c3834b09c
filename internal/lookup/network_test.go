package lookup

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// network is a simulated network: who is alive, and what each node's buckets hold.
type network struct {
	ids     []enr.ID
	dead    map[enr.ID]bool
	buckets map[enr.ID]*[maxDistance + 1][]enr.ID
}

func randomID(r *rand.Rand) (id enr.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.BigEndian.PutUint64(id[i:], r.Uint64())
	}
	return id
}

// newNetwork makes n nodes whose buckets of 16 are filled in random order with everybody, the dead
// included: of each five entries one is dead.
func newNetwork(r *rand.Rand, n int) *network {
	nw := &network{dead: map[enr.ID]bool{}, buckets: map[enr.ID]*[maxDistance + 1][]enr.ID{}}
	for i := range n {
		id := randomID(r)
		nw.ids = append(nw.ids, id)
		nw.dead[id] = i%5 == 0
	}
	for _, self := range nw.ids {
		b := new([maxDistance + 1][]enr.ID)
		from := r.IntN(n) // the IDs are random: any rotation is a random order
		for i := range n {
			id := nw.ids[(from+i)%n]
			if d := enr.LogDistance(self, id); d > 0 && len(b[d]) < 16 {
				b[d] = append(b[d], id)
			}
		}
		nw.buckets[self] = b
	}
	return nw
}

// answer is what a node returns for the distances: 16 records at most, in the order asked.
func (nw *network) answer(q Query) (found []Peer) {
	for _, d := range q.Distances {
		for _, id := range nw.buckets[q.Node.ID][d] {
			if len(found) < 16 {
				found = append(found, Peer{ID: id})
			}
		}
	}
	return found
}

// closestLive returns the true k closest live nodes but self.
func (nw *network) closestLive(target, self enr.ID, k int) []enr.ID {
	var live []enr.ID
	for _, id := range nw.ids {
		if !nw.dead[id] && id != self {
			live = append(live, id)
		}
	}
	slices.SortFunc(live, func(a, b enr.ID) int { return enr.CompareDistance(target, a, b) })
	return live[:min(k, len(live))]
}

// seeds returns the k closest to the target from a node's own buckets.
func (nw *network) seeds(self, target enr.ID, k int) (out []Peer) {
	for _, b := range nw.buckets[self] {
		for _, id := range b {
			out = append(out, Peer{ID: id})
		}
	}
	slices.SortFunc(out, func(a, b Peer) int { return enr.CompareDistance(target, a.ID, b.ID) })
	return out[:min(k, len(out))]
}

// run drives the lookup to its end; reports come back in random order. It checks the rules that
// hold at every step.
func (nw *network) run(t *testing.T, r *rand.Rand, l *Lookup) (rounds int) {
	t.Helper()
	var flying []Query
	asked := map[enr.ID]bool{}
	for !l.Done() {
		for q, ok := l.Next(); ok; q, ok = l.Next() {
			if asked[q.Node.ID] || q.Node.ID == l.self {
				t.Fatal("asked a node twice, or itself")
			}
			asked[q.Node.ID] = true
			flying = append(flying, q)
		}
		if len(flying) > l.cfg.Alpha*l.cfg.Paths {
			t.Fatalf("%d queries under way", len(flying))
		}
		if len(flying) == 0 {
			t.Fatal("not done, and nothing under way")
		}
		i := r.IntN(len(flying))
		q := flying[i]
		flying = slices.Delete(flying, i, i+1)
		if nw.dead[q.Node.ID] {
			l.Fail(q.Node.ID)
		} else {
			l.Answer(q.Node.ID, nw.answer(q))
		}
		rounds++
	}
	s := l.Stats()
	if s.Queries != s.Answers+s.Failures+s.Outstanding || s.Queries > l.cfg.MaxQueries {
		t.Fatalf("stats do not add up: %+v", s)
	}
	return rounds
}

func recall(got []Peer, want []enr.ID) float64 {
	n := 0
	for _, c := range got {
		if slices.Contains(want, c.ID) {
			n++
		}
	}
	return float64(n) / float64(len(want))
}

func TestRecall(t *testing.T) {
	const lookups = 100
	tests := []struct {
		name  string
		cfg   Config
		onID  bool // the target is the ID of a node
		floor float64
	}{
		{"random target", Config{}, false, 0.98},
		{"target is a node", Config{}, true, 0.98},
		{"three disjoint paths", Config{Paths: 3}, false, 0.98},
		{"one distance", Config{Distances: 1}, false, 0.85},
	}
	r := rand.New(rand.NewPCG(1, 2))
	nw := newNetwork(r, 1000)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var sum float64
			var queries, failures, worst int
			for range lookups {
				self, target := nw.ids[r.IntN(len(nw.ids))], randomID(r)
				if tt.onID {
					target = nw.ids[r.IntN(len(nw.ids))]
				}
				l := New(target, tt.cfg, self, nw.seeds(self, target, 16))
				nw.run(t, r, l)
				res := l.Results()
				if !slices.IsSortedFunc(res, func(a, b Peer) int { return enr.CompareDistance(target, a.ID, b.ID) }) {
					t.Fatal("results not sorted")
				}
				sum += recall(res, nw.closestLive(target, self, 16))
				queries += l.Stats().Queries
				failures += l.Stats().Failures
				worst = max(worst, l.Stats().Queries)
			}
			t.Logf("recall %.4f; per lookup %.1f queries (at most %d), %.1f failed", sum/lookups,
				float64(queries)/lookups, worst, float64(failures)/lookups)
			if sum/lookups < tt.floor {
				t.Errorf("recall %.4f, want %.2f", sum/lookups, tt.floor)
			}
		})
	}
}
