package table

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestDueSchedule(t *testing.T) {
	tab := newTable(nil)
	n := node(256, 1)
	tab.Add(10*s, n)
	due := func(now time.Duration) int { return len(tab.Due(now, nil, 10)) }
	if due(10*s+FirstCheckDelay-1) != 0 {
		t.Fatal("checked too early")
	}
	now := 10*s + FirstCheckDelay
	if got := tab.Due(now, nil, 10); len(got) != 1 || got[0].ID != n.ID || got[0].Addr != n.Addr {
		t.Fatalf("Due = %v", got)
	}
	if due(now) != 0 || due(now+CheckTimeout-1) != 0 {
		t.Error("returned again while being checked")
	}
	if due(now+CheckTimeout) != 1 {
		t.Error("a check that nobody reports must be due again")
	}
	for k := 1; k <= 15; k++ { // pauses grow with success up to ten times
		mustLive(t, tab, now, n)
		pause := state(t, tab, n.ID).NextCheck - now
		mean := DefaultRevalidateSlow * time.Duration(min(k, slowGrowth))
		if pause < mean*3/4 || pause >= mean*5/4 {
			t.Errorf("pause after %d answers: %v", k, pause)
		}
	}
	now += time.Hour
	for k := 1; k <= 2; k++ { // and shrink with failure, then double
		tab.MarkFailed(now, n.ID)
		pause := state(t, tab, n.ID).NextCheck - now
		mean := DefaultRevalidateFast << (k - 1)
		if pause < mean*3/4 || pause >= mean*5/4 {
			t.Errorf("pause after %d failures: %v", k, pause)
		}
		now += 10 * s
	}
}

// S26: after a suspension everything is due. Each call is bounded and none is starved.
func TestDueTakesTurns(t *testing.T) {
	tab := newTable(nil)
	total := 0
	for d := 250; d <= 256; d++ {
		fill(tab, d, uint32(d)*20)
		total += DefaultBucketSize
	}
	seen := map[string]bool{}
	now := 24 * time.Hour
	calls := 0
	for len(seen) < total && calls < 100 {
		got := tab.Due(now, nil, 5)
		if len(got) > 5 {
			t.Fatalf("%d nodes", len(got))
		}
		for _, n := range got {
			if seen[n.ID.String()] {
				t.Fatal("twice")
			}
			seen[n.ID.String()] = true
		}
		now += 10 * ms
		calls++
	}
	if want := (total + 4) / 5; calls != want {
		t.Errorf("%d calls for %d nodes, want %d", calls, total, want)
	}
	if got := tab.Due(now, nil, 0); len(got) != 0 {
		t.Error("max 0")
	}
	if dst := tab.Due(now+time.Hour, make([]Node, 3, 10), 4); len(dst) != 7 {
		t.Errorf("appended to %d", len(dst))
	}
}

// When checks come due faster than they are made, every node still gets its turn.
func TestDueStarvesNobody(t *testing.T) {
	tab := newTable(nil)
	for d := 250; d <= 256; d++ {
		tab.Add(0, node(d, uint32(d)))
	}
	seen := map[int]bool{}
	now := time.Hour
	for range 7 {
		for _, n := range tab.Due(now, nil, 1) {
			seen[distance(n.ID)] = true
		}
		now += CheckTimeout
	}
	if len(seen) != 7 {
		t.Errorf("only the buckets %v were served", seen)
	}
}

func TestDueIsDeterministic(t *testing.T) {
	next := func(seed uint64) time.Duration {
		tab := newTable(func(c *Config) { c.Seed = seed })
		n := node(256, 1)
		tab.Add(0, n)
		tab.MarkLive(0, n.ID, n.Addr)
		return state(t, tab, n.ID).NextCheck
	}
	if first, second := next(1), next(1); first != second || first == next(2) {
		t.Error("the schedule must depend on the seed, and on nothing else")
	}
}

func TestRefresh(t *testing.T) {
	tab := newTable(nil)
	var random [32]byte
	for i := range random {
		random[i] = byte(i * 37)
	}
	for d := 256; d >= minRefreshDistance; d-- {
		target, ok := tab.RefreshTarget(1*s, random)
		if !ok || distance(target) != d {
			t.Fatalf("target at distance %d, %v; want %d", distance(target), ok, d)
		}
		tab.MarkRefreshed(time.Duration(257-d)*s, target)
	}
	if _, ok := tab.RefreshTarget(20*s, random); ok {
		t.Error("nothing is stale")
	}
	target, ok := tab.RefreshTarget(1*s+DefaultBucketRefresh, random)
	if !ok || distance(target) != 256 {
		t.Errorf("oldest is 256, got %d, %v", distance(target), ok)
	}
	tab.MarkRefreshed(0, self) // a lookup for the own ID refreshes no bucket
	for d := 1; d <= 256; d++ {
		if id := tab.atDistance(d, random); distance(id) != d {
			t.Fatalf("atDistance(%d) is at %d", d, distance(id))
		}
	}
}

// NextDue is exactly when Due has something, whatever has happened to the table.
func TestNextDue(t *testing.T) {
	tab := newTable(nil)
	if at := tab.NextDue(); at != never {
		t.Fatalf("an empty table has something to do at %v", at)
	}
	now := time.Duration(0)
	r := rand.New(rand.NewPCG(1, 2))
	seen := 0
	for i := range 4000 {
		now += time.Duration(r.IntN(2000)) * time.Millisecond
		n := node(250+r.IntN(7), uint32(r.IntN(30)))
		switch i % 4 {
		case 0, 1:
			tab.Add(now, n)
		case 2:
			tab.MarkFailed(now, n.ID)
		case 3:
			tab.Remove(now, n.ID)
		}
		at := tab.NextDue()
		if at == never {
			continue
		}
		if got := tab.Due(min(at, now)-1, nil, 100); len(got) != 0 && at > now {
			t.Fatalf("step %d: %d nodes are due before %v", i, len(got), at)
		}
		due := tab.Due(max(at, now), nil, 100)
		if len(due) == 0 {
			t.Fatalf("step %d: nothing is due at %v", i, at)
		}
		for _, n := range due {
			seen++
			tab.MarkLive(max(at, now), n.ID, n.Addr)
		}
		now = max(now, at)
	}
	if seen < 1000 {
		t.Errorf("%d checks", seen)
	}
}
