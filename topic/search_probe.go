package topic

import "time"

// probe returns a node to ask when the last walk found nothing new: one for each walk. If its
// answer holds something new, the next walk is a whole one. An adaptive search mostly asks in the
// bucket in which answers are just full or, when all of that bucket have been asked, in the next
// one farther. It is one bucket after the other where an advertiser that all of one bucket miss is
// likely to have an ad. Now and then it asks at whatever distance, as a plain one always does.
func (s *Search) probe(now time.Duration) *entry {
	if s.asks > 0 {
		return nil
	}
	first, step := int(s.rnd.Uint32n(NumBuckets)), 1
	if s.cfg.Adaptive && s.rnd.Uint32n(pathProbes+1) != 0 {
		first, step = s.adaptive.home, NumBuckets-1
	}
	for i := range NumBuckets {
		if e := s.askable(now, (first+i*step)%NumBuckets); e != nil {
			return e
		}
	}
	if e := s.repeat(); e != nil {
		return e
	}
	return s.longestAgo(now)
}

// longestAgo returns the node that was asked longest ago, for when all others were asked within a
// lifetime. In a small network a search would learn nothing for so long.
func (s *Search) longestAgo(now time.Duration) (oldest *entry) {
	for i := range s.table.buckets {
		for _, e := range s.table.buckets[i] {
			switch {
			case e.phase != idle || e.asked == 0 || e.failures > 0 || now < e.asked+restAfterAnswer:
			case oldest == nil || e.asked < oldest.asked:
				oldest = e
			}
		}
	}
	return oldest
}

// repeat returns a node to ask a second time, for its auxiliary records: one in a walk that had
// nobody to ask, and each node once.
func (s *Search) repeat() (e *entry) {
	if s.asks > 0 {
		return nil
	}
	for i := range NumBuckets {
		bucket := (s.adaptive.home + i) % NumBuckets
		e = s.table.pick(bucket, s.rnd, func(e *entry) bool { return e.phase == idle && e.asked != 0 && !e.repeated && e.failures == 0 })
		if e != nil {
			e.repeated = true
			return e
		}
	}
	return nil
}
