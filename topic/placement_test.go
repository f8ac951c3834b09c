package topic

import (
	"testing"
	"time"
)

// Members of topics of different sizes place their ads, and lookups of others find them.
func TestPlacementAndLookup(t *testing.T) {
	size, minutes := 300, 40
	net := newFakeNet(t, size, 0.01)
	members := []int{100, 20, 5}
	var ads [][]*fakeAdvertiser
	next := 0
	for i, n := range members {
		ads = append(ads, nil)
		for range n {
			ads[i] = append(ads[i], net.nodes[next].advertise(topicNumber(i), AdvertiserConfig{Pace: new(Pace)}))
			next++
		}
	}
	net.run(time.Duration(minutes) * time.Minute)
	for i := range members {
		placed, wanted, never := 0, 0, 0
		var firsts []time.Duration
		for _, a := range ads[i] {
			s := a.Status()
			for _, b := range s.Buckets {
				wanted += min(DefaultPerBucket, b.Placed+b.Pending+b.Standby)
			}
			placed += s.Placed
			if s.First == 0 {
				never++
			}
			firsts = append(firsts, s.First)
		}
		t.Logf("topic of %d: %.1f of %.1f ads placed per advertiser, first after %v", members[i],
			float64(placed)/float64(len(ads[i])), float64(wanted)/float64(len(ads[i])), percentile(firsts, 0.5))
		if never > 0 || placed < wanted/4 {
			t.Errorf("%d of %d ads are placed, and %d advertisers have none", placed, wanted, never)
		}
		if f := percentile(firsts, 0.5); f > time.Minute {
			t.Errorf("first ad after %v", f)
		}
	}
	for i := range members {
		var searches []*fakeSearch
		for j := range 40 {
			searches = append(searches, net.nodes[size-1-j].search(topicNumber(i), SearchConfig{Pace: new(Pace)}))
		}
		net.run(net.now + time.Minute)
		good, queries := 0, 0
		var times []time.Duration
		for _, s := range searches {
			if len(s.found) >= min(DefaultCount, members[i]-1) {
				good++
			}
			if !s.Done() {
				t.Error("a lookup has not ended")
			}
			queries += s.Stats().Queries
			times = append(times, s.ended-s.began)
		}
		t.Logf("topic of %d: %d of %d lookups find all that they want, %.1f queries, %v, 95 %% in %v", members[i], good, len(searches),
			float64(queries)/float64(len(searches)), percentile(times, 0.5), percentile(times, 0.95))
		if good < len(searches)*95/100 {
			t.Errorf("%d of %d lookups find all that they want", good, len(searches))
		}
	}
}

func TestStream(t *testing.T) {
	for _, adaptive := range []bool{false, true} {
		net := newFakeNet(t, 200, 0.01)
		var ads []*fakeAdvertiser
		for i := range 40 {
			ads = append(ads, net.nodes[i].advertise(Of("x"), AdvertiserConfig{}))
		}
		net.run(40 * time.Minute)
		var searches []*fakeSearch
		for i := range 20 {
			searches = append(searches, net.nodes[199-i].search(Of("x"), SearchConfig{Stream: true, Adaptive: adaptive}))
		}
		net.run(net.now + 30*time.Minute)
		before := net.sent["TOPICQUERY"]
		all, seen := 0, 0
		var last []time.Duration
		for _, s := range searches {
			if len(s.found) == len(ads) {
				all++
			}
			seen += len(s.found)
			latest := time.Duration(0)
			for _, at := range s.found {
				latest = max(latest, at)
			}
			last = append(last, latest)
		}
		net.run(net.now + 30*time.Minute)
		perMinute := float64(net.sent["TOPICQUERY"]-before) / 30 / float64(len(searches))
		most := 0
		for _, n := range net.nodes {
			most = max(most, n.queries)
		}
		t.Logf("adaptive %v: %.4f of the members seen, %d of %d searches found all, half in %v; %.2f queries a minute later, busiest registrar %d, mean %d",
			adaptive, float64(seen)/float64(len(ads)*len(searches)), all, len(searches), percentile(last, 0.5), perMinute, most, net.sent["TOPICQUERY"]/len(net.nodes))
		if perMinute > 3 {
			t.Errorf("%.2f queries a minute of a search that has found all", perMinute)
		}
		if want := len(ads) * len(searches); seen < want*99/100 {
			t.Errorf("adaptive %v: %d of %d members seen", adaptive, seen, want)
		}
	}
}
