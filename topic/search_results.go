package topic

import (
	"time"

	"github.com/fastdisc/discv5/enr"
)

// One registrar that lies must not be all of a result. Until enough registrars have returned ads, a
// quota of the results of each counts; the others are held.
const (
	streamQuota        = 6
	streamContributors = 3

	// Each of this many registrars gives its part of a lookup's Count.
	lookupContributors = 10
)

// contributors returns how many registrars must have returned ads before more than quota of one
// count.
func (s *Search) contributors() int {
	if s.cfg.Stream {
		return streamContributors
	}
	return min(max(s.cfg.Count, streamContributors), lookupContributors)
}

// quota returns how many results of one registrar count until then.
func (s *Search) quota() int {
	if s.cfg.Stream {
		return streamQuota
	}
	return max(s.cfg.Count/lookupContributors, 1)
}

// contribute takes the ads of a registrar.
func (s *Search) contribute(now time.Duration, id enr.ID, ads []Node) {
	if len(ads) == 0 {
		return
	}
	s.stats.Contributors++
	if !s.diverse {
		s.sources[id] += 0
		s.diverse = len(s.sources) >= s.contributors()
	}
	for _, n := range ads {
		switch {
		case n.Record == nil || n.Record.ID() == s.cfg.Self || s.given.has(now, n.Record.ID(), n.Record.Seq()):
		case !s.cfg.Stream && s.mates.hold(n, s.cfg.Remembered):
		case s.diverse:
			s.give(now, n)
		case s.sources[id] < s.quota():
			s.sources[id]++
			s.give(now, n)
		default:
			s.held = append(s.held, n)
		}
	}
	if s.diverse {
		s.release(now)
		clear(s.sources)
	}
}

// release gives the results that were held.
func (s *Search) release(now time.Duration) {
	for _, n := range s.held {
		if !s.given.has(now, n.Record.ID(), n.Record.Seq()) && (s.cfg.Stream || !s.mates.hold(n, s.cfg.Remembered)) {
			s.give(now, n)
		}
	}
	s.held = nil
}
