package topic

import (
	"cmp"
	"slices"
	"time"
)

// Stats counts what a registrar has done, and says what it holds.
type Stats struct {
	Results [NumResults]uint64 // of Register
	Waited  WaitHistogram      // how long the ads that were admitted had waited
	Quoted  WaitHistogram      // how long the ads that were not admitted have to wait
	// Occupancy says how full the cache was when ads were admitted or had to wait.
	Occupancy OccupancyHistogram
	Expired   uint64 // ads that reached the end of their lives
	Removed   uint64 // ads that Remove has ended
	Queries   uint64 // calls of Sample
	Returned  uint64 // ads that Sample returned
	// BoundsEvicted counts lower bounds of addresses that still had time left when their place was
	// needed, or for which there was no place.
	BoundsEvicted uint64

	Ads      int // in the cache
	Topics   int // that have ads
	Capacity int

	KeyFailures uint64 // times that Config.Random failed to give a key
}

// Stats returns the counts so far.
func (r *Registrar) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Ads, s.Topics, s.Capacity, s.KeyFailures = r.cache.ads, r.cache.groups, r.cfg.Capacity, r.keys.failed
	s.BoundsEvicted = r.bounds.evicted
	return s
}

// TopicCount is a topic with the number of its ads.
type TopicCount struct {
	Topic Topic
	Ads   int
}

// Topics returns the topics with the most ads, at most most of them, largest first. It takes time
// in proportion to the number of topics, and copies them all.
func (r *Registrar) Topics(now time.Duration, most int) []TopicCount {
	r.mu.Lock()
	r.advance(now)
	list := make([]TopicCount, 0, r.cache.groups)
	for _, e := range r.cache.byTopic.entries {
		if e != 0 {
			if g := r.cache.topics.at(e&r.cache.byTopic.numbers - 1); g.size() > 0 {
				list = append(list, TopicCount{g.topic, int(g.size())})
			}
		}
	}
	r.mu.Unlock()
	slices.SortFunc(list, func(a, b TopicCount) int {
		return cmp.Or(cmp.Compare(b.Ads, a.Ads), slices.Compare(a.Topic[:], b.Topic[:]))
	})
	return list[:min(len(list), max(most, 0))]
}
