package topic

import (
	"slices"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/ranges"
	"github.com/fastdisc/discv5/table"
)

// Defaults and bounds of a Search.
const (
	DefaultCount = 30 // F_lookup
	// DefaultLookupParallel is how many requests of a lookup are under way. A Stream, which has
	// time, has DefaultParallel.
	DefaultLookupParallel = 5
	DefaultRemembered     = 5000 // nodes asked, and results given
	MaxRemembered         = 50_000
	searchBucket          = table.DefaultBucketSize // candidates
	maxTaken              = 16                      // ads, and auxiliary records, of one answer

	maxRounds     = 4  // of one walk
	freshWindow   = 10 // answers that decide about another round
	recentAnswers = 1<<freshWindow - 1
	pathWindow    = 16 // answers with nothing new that end an adaptive walk: all bits of fresh

	minPause = 2 * time.Second // between two walks
	maxPause = time.Minute
	// pauseParts makes the pause a twentieth longer with each walk that has found nothing new: from
	// minPause it takes 70 of them, and 19 minutes, to reach maxPause. A search that finds an
	// advertiser among so many requests still lacks a few of them.
	pauseParts = 20
	// restAfterAnswer is how long a node rests at least before it is asked again for want of
	// others.
	restAfterAnswer = 30 * time.Second
	// pathProbes in a row go where answers hold most ads, before one goes to whatever distance.
	pathProbes = 3
)

// SearchConfig configures a Search. The zero value of a field stands for its default.
type SearchConfig struct {
	Topic Topic
	// Self is the own node ID. It is never a result.
	Self enr.ID
	// Count is F_lookup: with that many advertisers a walk has found enough. It does not end a
	// Stream.
	Count int
	// PerBucket is K_lookup: how many nodes of a bucket a plain walk asks.
	PerBucket int
	// Parallel is the number of requests under way; default DefaultLookupParallel, and
	// DefaultParallel for a Stream.
	Parallel int
	// Lifetime is E: how long a node that was asked is left alone, and how long a result is not
	// given a second time.
	Lifetime time.Duration
	// Stream searches forever: walk after walk, with pauses that grow while nothing new is found.
	Stream bool
	// Adaptive chooses the distance at which to ask by what the last answers held, instead of
	// walking from the farthest bucket to the closest. It needs Stream. It spares the nodes
	// closest to the topic, where plain walks of all searchers would end.
	Adaptive bool
	// Remembered bounds the nodes asked and the results that are remembered.
	Remembered int
	// Pace, if not nil, bounds the requests together with those of others.
	Pace *Pace
}

// Validate reports whether NewSearch accepts the configuration. The error is a *RangeError and
// wraps ErrConfig.
func (c *SearchConfig) Validate() error {
	return ranges.First(
		ranges.Check(ErrConfig, "Count", c.Count, 1, MaxRemembered, ranges.Default),
		ranges.Check(ErrConfig, "PerBucket", c.PerBucket, 1, maxRequests, ranges.Default),
		ranges.Check(ErrConfig, "Parallel", c.Parallel, 1, maxRequests, ranges.Default),
		ranges.Check(ErrConfig, "Lifetime", c.Lifetime, time.Second, MaxLifetime, ranges.Default),
		ranges.Check(ErrConfig, "Remembered", c.Remembered, 1, MaxRemembered, ranges.Default))
}

// Question is a request to make, TOPICQUERY.
type Question struct {
	Node      Node
	Topic     Topic
	Distances []uint // the caller's
}

// Search looks for advertisers of a topic (discv5-theory.md, Discoverer Behavior). It is a state
// machine: it names the next node to ask, and the caller reports the responses.
//
//	for q, ok := s.Next(now); ok; q, ok = s.Next(now) {
//		// send TOPICQUERY
//	}
//	fresh := s.Take()
//	// later, exactly one of these for each request:
//	s.Answer(now, id, ads, auxiliary)
//	s.Fail(now, id)
//	// and until Done call Next again then, or at the time that NextTime returns
type Search struct {
	cfg   SearchConfig
	rnd   *aead.Random
	table Table

	asked    memory
	given    memory
	underWay map[enr.ID][]uint // distances asked for
	blocked  bool              // nobody is left to ask until something is reported

	results []Node
	taken   int    // of results, by Take
	held    []Node // of registrars that have contributed their part already
	mates   networkMates
	sources map[enr.ID]int
	diverse bool // enough registrars have contributed

	perWalk  [NumBuckets]int // answers and requests under way, of this walk
	adaptive adaptive
	rounds   int           // more rounds of this walk, each of PerBucket nodes
	fresh    uint16        // the last answers, newest in bit 0: set if it held something new
	asks     int           // of this walk
	found    int           // by this walk, for the first time
	resume   time.Duration // when the next walk begins
	pause    time.Duration
	ended    bool
	stats    SearchStats
}

// SearchStats counts what a Search did.
type SearchStats struct {
	Queries, Answers, Failures, UnderWay int
	Walks                                int // that have ended
	Found                                int // different advertisers, and newer records of them
	Contributors                         int // answers with ads
}

// NewSearch returns a Search without candidates. Unless it is a Stream, add some before the first
// call of Next: with nobody to ask a lookup is at its end. rnd belongs to the goroutine that uses
// the Search.
// It panics if cfg is not valid; see SearchConfig.Validate.
func NewSearch(cfg SearchConfig, rnd *aead.Random) *Search {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = DefaultLifetime
	}
	cfg.Count = orDefault(cfg.Count, DefaultCount)
	cfg.PerBucket = orDefault(cfg.PerBucket, DefaultPerBucket)
	parallel := DefaultLookupParallel
	if cfg.Stream {
		parallel = DefaultParallel
	}
	cfg.Parallel = orDefault(cfg.Parallel, parallel)
	cfg.Remembered = orDefault(cfg.Remembered, DefaultRemembered)
	cfg.Adaptive = cfg.Adaptive && cfg.Stream
	return &Search{
		cfg: cfg, rnd: rnd, table: newTable(cfg.Topic, cfg.Self, searchBucket, cfg.Lifetime), pause: minPause,
		asked: newMemory(cfg.Remembered), given: newMemory(cfg.Remembered),
		sources: make(map[enr.ID]int), underWay: make(map[enr.ID][]uint),
	}
}

// Stream reports whether the search makes walk after walk.
func (s *Search) Stream() bool { return s.cfg.Stream }

// Add offers candidates from the node table, where they are live, and returns how many were taken.
func (s *Search) Add(now time.Duration, nodes ...Node) (taken int) {
	taken = s.table.Add(now, nil, s.unasked(now, nodes)...)
	s.blocked = s.blocked && taken == 0
	if taken > 0 && s.stats.Queries == 0 { // the walks so far had nobody to ask
		s.resume, s.pause = min(s.resume, now), minPause
	}
	return taken
}

// Candidates returns how many nodes the search table holds. With fewer than eight the caller should
// look for more, by lookups.
func (s *Search) Candidates() int { return s.table.Len() }

// Remove forgets a node, for instance because it was banned. A request to it is not waited for.
func (s *Search) Remove(id enr.ID) {
	s.end(id)
	if e := s.table.find(id); e != nil {
		s.table.remove(e)
	}
}

// Next returns the next request to make. ok is false when there is none for now.
func (s *Search) Next(now time.Duration) (q Question, ok bool) {
	if s.Done() || now < s.resume || len(s.underWay) >= s.cfg.Parallel || now < s.cfg.Pace.notBefore(now) {
		return q, false
	}
	e := s.choose(now)
	if e == nil {
		if s.blocked = len(s.underWay) > 0; !s.blocked {
			s.endWalk(now)
		}
		return q, false
	}
	if !s.cfg.Pace.take(now) {
		return q, false
	}
	distances := s.distances(int(e.bucket))
	e.phase, e.asked = asking, max(now, 1)
	s.asked.put(e.id(), 0, s.until(now))
	s.underWay[e.id()] = distances
	s.perWalk[e.bucket]++
	s.asks++
	s.stats.Queries++
	return Question{e.node, s.cfg.Topic, slices.Clone(distances)}, true
}

// choose returns the node to ask next, nil if the walk has nobody left.
func (s *Search) choose(now time.Duration) *entry {
	if s.cfg.Stream && s.pause > minPause {
		return s.probe(now)
	}
	if s.cfg.Adaptive {
		if e := s.onPath(now); e != nil || len(s.underWay) > 0 {
			return e
		}
		return s.repeat()
	}
	if e := s.farthest(now); e != nil || s.cfg.Stream || len(s.underWay) > 0 {
		return e
	}
	// The walk is at its end and has found too few. Registrars whose answers were full have more:
	// they are asked once more, closest first.
	for i := NumBuckets - 1; i >= 0; i-- {
		if e := s.table.pick(i, s.rnd, func(e *entry) bool { return e.phase == idle && e.full && !e.repeated }); e != nil {
			e.repeated = true
			return e
		}
	}
	// Where a network has few topics, each registrar holds few ads, and one of the last answers has
	// still brought something new: ask as many of each bucket again.
	if s.rounds < maxRounds-1 && s.fresh&recentAnswers != 0 {
		s.rounds++
		return s.farthest(now)
	}
	return nil
}

// farthest returns a node of the farthest bucket in which nobody has been asked. When all buckets
// have had one, it returns a node of the farthest bucket in which not enough have been asked. So a
// lookup has results of registrars at many distances: far ones mostly hold the ads of those who
// register most, and the closest ones hold those of everybody.
func (s *Search) farthest(now time.Duration) *entry {
	for _, most := range [...]int{1, s.cfg.PerBucket * (1 + s.rounds)} {
		for i := range NumBuckets {
			if s.perWalk[i] < most {
				if e := s.askable(now, i); e != nil {
					return e
				}
			}
		}
	}
	return nil
}

// onPath returns the node that an adaptive walk asks next: one of the bucket that it has come to,
// of a closer one when nobody is left there, and then of one farther than the one it began in.
// Where a topic has more members than registrars hold ads, the close registrars do not know them
// all. It returns nil when nobody is left, or when the last answers held nothing new.
func (s *Search) onPath(now time.Duration) *entry {
	if s.stats.Answers >= pathWindow && s.fresh == 0 {
		return nil
	}
	for ; s.adaptive.bucket < NumBuckets; s.adaptive.leave() {
		if e := s.askable(now, s.adaptive.bucket); e != nil {
			return e
		}
	}
	for i := s.adaptive.home - 1; i >= 0; i-- {
		if e := s.askable(now, i); e != nil {
			return e
		}
	}
	return nil
}

// askable returns a random node of a bucket that may be asked.
func (s *Search) askable(now time.Duration, bucket int) *entry {
	return s.table.pick(bucket, s.rnd, func(e *entry) bool {
		return e.phase == idle && now >= e.rest && !s.asked.has(now, e.id(), 0)
	})
}

// distances returns the log distances for which a request from a bucket asks for auxiliary records.
func (s *Search) distances(bucket int) []uint {
	unasked := func(e *entry) bool { return e.asked == 0 }
	list := s.table.appendDistances(nil, bucket, searchBucket/2, unasked)
	if s.cfg.Adaptive {
		list = slices.DeleteFunc(list, func(d uint) bool {
			b := bucketOf(int(d))
			return b < bucket-1 || b > bucket+1
		})
	}
	return list
}

// endWalk ends a walk that has nobody left to ask.
func (s *Search) endWalk(now time.Duration) {
	s.release(now)
	for _, n := range s.mates.take() {
		if !s.cfg.Stream && len(s.results) >= s.cfg.Count { // without them
			break
		}
		if !s.given.has(now, n.Record.ID(), n.Record.Seq()) {
			s.give(now, n)
		}
	}
	s.stats.Walks++
	if !s.cfg.Stream {
		s.ended = true
		return
	}
	if s.found > 0 {
		s.pause = minPause
	} else {
		s.pause = min(s.pause+s.pause/pauseParts, maxPause)
	}
	s.resume = now + s.pause
	s.perWalk, s.asks, s.found = [NumBuckets]int{}, 0, 0
	s.adaptive.restart()
}

// end takes a request off the list of those under way.
func (s *Search) end(id enr.ID) (e *entry, distances []uint, ok bool) {
	distances, ok = s.underWay[id]
	if !ok {
		return nil, nil, false
	}
	delete(s.underWay, id)
	s.blocked = false
	s.cfg.Pace.done()
	if e = s.table.find(id); e != nil {
		e.phase = idle
	}
	return e, distances, true
}

// Answer reports what a node has answered: verified records of advertisers, and auxiliary ones; it
// uses at most 16 of the latter. It reports whether the node was being asked: anything else is
// ignored.
func (s *Search) Answer(now time.Duration, id enr.ID, ads, auxiliary []Node) bool {
	e, distances, ok := s.end(id)
	if !ok {
		return false
	}
	s.stats.Answers++
	ads, auxiliary = ads[:min(len(ads), maxTaken)], auxiliary[:min(len(auxiliary), maxTaken)]
	before := s.stats.Found + len(s.held) + len(s.mates.held)
	s.contribute(now, id, ads)
	s.fresh <<= 1
	if s.stats.Found+len(s.held)+len(s.mates.held) > before {
		s.fresh |= 1
	}
	if e != nil {
		s.table.answered(e)
		e.full = len(ads) >= DefaultReturn
		s.adaptive.note(int(e.bucket), len(ads))
	}
	s.table.Add(now, &Source{id, distances}, s.unasked(now, auxiliary)...)
	return true
}

// Fail reports that a node has not answered. It reports whether the node was being asked.
func (s *Search) Fail(now time.Duration, id enr.ID) bool {
	e, _, ok := s.end(id)
	if !ok {
		return false
	}
	s.stats.Failures++
	if e != nil {
		s.perWalk[e.bucket] = max(s.perWalk[e.bucket]-1, 0) // another one of the bucket is asked
		s.table.fail(now, e)
	}
	return true
}

// unasked drops nodes that were asked within a lifetime.
func (s *Search) unasked(now time.Duration, nodes []Node) (list []Node) {
	for _, n := range nodes {
		if n.Record != nil && !s.asked.has(now, n.Record.ID(), 0) {
			list = append(list, n)
		}
	}
	return list
}

func (s *Search) give(now time.Duration, n Node) {
	id := n.Record.ID()
	if !s.given.ever(id) {
		s.found++ // one that is given once more is nothing new: it does not keep the walks coming
	}
	s.given.put(id, n.Record.Seq(), s.until(now))
	if !s.cfg.Stream {
		s.mates.note(n)
	}
	s.results = append(s.results, n)
	s.stats.Found++
}

// until is how long a node that was asked or given is remembered: a lookup does either once.
func (s *Search) until(now time.Duration) time.Duration {
	if s.cfg.Stream {
		return now + s.cfg.Lifetime
	}
	return never
}

// Take returns the results that it has not returned before. Call it after Next and after Answer.
func (s *Search) Take() []Node {
	fresh := slices.Clone(s.results[s.taken:])
	s.taken = len(s.results)
	if s.cfg.Stream {
		s.results, s.taken = nil, 0
	}
	return fresh
}

// Results returns all results. A Stream has those only that Take has not returned.
func (s *Search) Results() []Node { return slices.Clone(s.results) }

// Done reports whether the search has ended: nobody is left to ask, or enough advertisers were
// found at ten registrars or more. A Stream does not end.
func (s *Search) Done() bool {
	return s.ended || !s.cfg.Stream && s.diverse && len(s.results) >= s.cfg.Count
}

// NextTime returns when to call Next again if nothing is reported before. ok is false if there is
// nothing to wait for but a report.
func (s *Search) NextTime(now time.Duration) (at time.Duration, ok bool) {
	if s.Done() || s.blocked || len(s.underWay) >= s.cfg.Parallel {
		return 0, false
	}
	return max(now, s.resume, s.cfg.Pace.notBefore(now)), true
}

// Stats returns the counts so far.
func (s *Search) Stats() SearchStats {
	s.stats.UnderWay = len(s.underWay)
	return s.stats
}
