package topic

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// askAll makes all requests that a search has until end, answers each with what answer returns, and
// returns how many there were in each minute and bucket.
func askAll(s *Search, now, end time.Duration, answer func() []Node) (minutes []int, buckets [NumBuckets]int) {
	minutes = make([]int, (end-now)/time.Minute+1)
	for began := now; now < end; {
		for q, ok := s.Next(now); ok; q, ok = s.Next(now) {
			if minutes[(now-began)/time.Minute]++; s.Stats().Queries > 2000 {
				return minutes, buckets
			}
			buckets[s.table.find(q.Node.Record.ID()).bucket]++
			s.Answer(now, q.Node.Record.ID(), answer(), nil)
			s.Take()
		}
		at, ok := s.NextTime(now)
		if !ok {
			break
		}
		now = max(at, now+time.Millisecond)
	}
	return minutes, buckets
}

// A search that finds nothing new asks less and less, and once a minute in the end. It takes its
// time about it: one that has found most advertisers still lacks some.
func TestSearchSlowsDown(t *testing.T) {
	ads := inBucket(t, Of("y"), 0, 5)
	for _, adaptive := range []bool{false, true} {
		// The lifetime leaves nobody to ask a second time; there is always somebody new.
		s := NewSearch(SearchConfig{Topic: Of("x"), Stream: true, Adaptive: adaptive, Lifetime: MaxLifetime}, mustRandom(t, 1))
		known := 0
		learn := func() []Node {
			for range 2 {
				s.Add(0, nodeOf(capable(t, 20_000+known, 1, netip.AddrFrom4([4]byte{byte(20 + known%100), byte(known / 100), 1, 1}))))
				known++
			}
			return ads
		}
		for known < 40 {
			learn()
		}
		minutes, _ := askAll(s, 0, 40*time.Minute, learn)
		sum := 0
		for i, n := range minutes {
			if sum += n; i >= 22 && n > 1 {
				t.Errorf("adaptive %v: %d requests in minute %d", adaptive, n, i)
			}
		}
		early := minutes[1] + minutes[2] + minutes[3]
		t.Logf("adaptive %v: %v", adaptive, minutes)
		if early < 20 || sum > 400 {
			t.Errorf("adaptive %v: %d requests in three minutes, %d in all: %v", adaptive, early, sum, minutes)
		}
	}
}

// While nothing new is found, an adaptive search mostly asks where answers are just full, and
// farther when all there were asked. One request in four goes anywhere.
func TestProbesGoWhereAdsAre(t *testing.T) {
	s := NewSearch(SearchConfig{Topic: Of("x"), Stream: true, Adaptive: true, Lifetime: MaxLifetime}, mustRandom(t, 3))
	far := make(map[enr.ID]bool)
	for b, n := range []int{16, 16, 16, 8, 16} {
		s.Add(0, inBucket(t, Of("x"), b, n)...)
	}
	s.adaptive.home, s.pause = 3, 2*minPause
	order := []int{}
	var now time.Duration
	for range 24 {
		q, ok := s.Next(now)
		for ; !ok; q, ok = s.Next(now) {
			at, more := s.NextTime(now)
			if !more {
				t.Fatal("nothing to wait for")
			}
			now = max(at, now+time.Millisecond)
		}
		id := q.Node.Record.ID()
		if far[id] {
			t.Error("a node is asked twice")
		}
		far[id] = true
		order = append(order, int(s.table.find(id).bucket))
		s.Answer(now, id, nil, nil)
		s.adaptive.home = 3
	}
	var count [NumBuckets]int
	for _, b := range order[:8] {
		count[b]++
	}
	if count[3] < 3 {
		t.Errorf("%d of the first 8 requests in the bucket whose answers are just full: %v", count[3], order)
	}
	count = [NumBuckets]int{}
	for _, b := range order[12:] {
		count[b]++
	}
	if count[2] < 5 || count[2] == 12 {
		t.Errorf("%d of the last 12 requests in the next bucket: %v", count[2], order)
	}
}

// In a small network a search asks the nodes that it knows again and again, with pauses, and so
// finds an advertiser that comes later.
func TestSearchOfSmallNetwork(t *testing.T) {
	for _, adaptive := range []bool{false, true} {
		for _, nodes := range []int{1, 5} {
			s := NewSearch(SearchConfig{Topic: Of("x"), Stream: true, Adaptive: adaptive}, mustRandom(t, 1))
			s.Add(0, inBucket(t, Of("x"), 0, nodes)...)
			ads := inBucket(t, Of("y"), 0, 1)
			const appears = 4 * time.Minute
			asked := map[enr.ID]time.Duration{}
			var now, found time.Duration
			for k := 0; now < DefaultLifetime && found == 0; k++ {
				q, ok := s.Next(now)
				if !ok {
					at, more := s.NextTime(now)
					if !more {
						t.Fatal("nothing to wait for")
					}
					now = max(at, now+time.Millisecond)
					continue
				}
				id := q.Node.Record.ID()
				if last, again := asked[id]; again && k > 4*nodes && now-last < restAfterAnswer {
					t.Errorf("adaptive %v: a node is asked after %v", adaptive, now-last)
				}
				asked[id] = now
				if now < appears {
					s.Answer(now, id, nil, nil)
				} else {
					s.Answer(now, id, ads, nil)
				}
				if len(s.Take()) > 0 {
					found = now
				}
			}
			if found == 0 || found > appears+90*time.Second {
				t.Errorf("adaptive %v, %d nodes: found after %v", adaptive, nodes, found)
			}
		}
	}
}
