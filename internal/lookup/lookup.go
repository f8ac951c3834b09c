package lookup

import (
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/table"
)

// Defaults of Config.
const (
	DefaultK          = table.DefaultBucketSize
	DefaultAlpha      = 3
	DefaultMaxQueries = 96
	DefaultDistances  = 3
	DefaultMaxFound   = 48
)

// slack is the number of candidates that a path keeps for each of the k wanted, as replacements for
// failures.
const slack = 8

// spareMost is the number of candidates beyond Config.Limits that a path keeps for each of the k
// wanted.
const spareMost = 2

// Config configures a lookup. The zero value of every field stands for its default.
type Config struct {
	// K is the number of nodes wanted, at most MaxQueries.
	K int
	// Alpha is the number of outstanding queries on one path.
	Alpha int
	// MaxQueries bounds the queries of the whole lookup.
	MaxQueries int
	// Distances is the number of log distances per query.
	Distances int
	// MaxFound is the number of nodes taken from one response.
	MaxFound int
	// Paths is the number of disjoint paths, 1 by default and at most MaxQueries.
	Paths int
	// QueryTimeout is the timeout of a query, for the caller: a lookup has no clock. 0 means the
	// default of the caller.
	QueryTimeout time.Duration
	// Limits bounds the candidates of one network prefix on a path, so that an attacker with a few
	// networks cannot fill a lookup with nodes made for its target. The closest candidates stay.
	// Others are queried only if there are fewer than K nodes without them. The zero value limits
	// nothing. Loopback is exempt, and private networks are if ExemptPrivate is set.
	Limits        prefixquota.Limits
	ExemptPrivate bool
	// Keep, if not nil, decides which nodes may be results. The lookup queries the others all the
	// same.
	Keep func(*Peer) bool
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *int
		def   int
	}{
		{&c.K, DefaultK}, {&c.Alpha, DefaultAlpha}, {&c.MaxQueries, DefaultMaxQueries},
		{&c.Distances, DefaultDistances}, {&c.MaxFound, DefaultMaxFound}, {&c.Paths, 1},
	} {
		if *f.field <= 0 {
			*f.field = f.def
		}
	}
	// Each result and each path takes a query, so more of them would waste memory.
	c.K, c.Paths = min(c.K, c.MaxQueries), min(c.Paths, c.MaxQueries)
	return c
}

// Query asks one node for its records at some log distances.
type Query struct {
	// Node is the node to query.
	Node Peer
	// Distances are log distances from Node, as spread chooses them. If the node is the target
	// itself, they lie around the distance of the closest other candidate, where its neighbors are.
	// The slice belongs to the caller.
	Distances []uint
	// Path is the number of the path, 0 unless Config.Paths is over 1.
	Path int
}

// Stats counts the work of a lookup.
type Stats struct {
	// Queries is the number of queries that Next has returned. Each is in Answers, Failures or
	// Outstanding.
	Queries, Answers, Failures, Outstanding int
	// Heard is the number of different nodes known, seeds included.
	Heard int
}

// Lookup is one iterative query. Make one with New.
type Lookup struct {
	target, self enr.ID
	cfg          Config
	paths        []path
	turn         int            // path that Next tries first
	asker        map[enr.ID]int // every known node, with the path that queried it, or nobody
	fresh        []Peer
	stats        Stats
}

const nobody = -1

// New returns a lookup for target that starts from seeds, in any order: the closest nodes of the
// local table. It copies the nodes. It never queries the node self. Without seeds
// it is done.
func New(target enr.ID, cfg Config, self enr.ID, seeds []Peer) *Lookup {
	l := &Lookup{target: target, self: self, cfg: cfg.withDefaults(), asker: make(map[enr.ID]int)}
	l.paths = make([]path, l.cfg.Paths)
	var start path
	for i := range seeds {
		if c := &seeds[i]; c.ID != self {
			start.insert(&l.cfg, &target, c, 0, slack*l.cfg.K)
		}
	}
	for i, s := range start.list {
		l.asker[s.ID] = nobody
		p := &l.paths[i%len(l.paths)]
		p.list = append(p.list, s)
	}
	for i, s := range start.spare {
		l.asker[s.ID] = nobody
		p := &l.paths[i%len(l.paths)]
		p.spare = append(p.spare, s)
	}
	l.stats.Heard = len(l.asker)
	return l
}

// Target returns the target.
func (l *Lookup) Target() enr.ID { return l.target }

// Next returns the next query to send. ok is false when enough queries are outstanding or no
// candidate is left. The next Answer or Fail may change that.
func (l *Lookup) Next() (q Query, ok bool) {
	for range l.paths {
		i := l.turn
		l.turn = (l.turn + 1) % len(l.paths)
		p := &l.paths[i]
		if l.stats.Queries >= l.cfg.MaxQueries || p.outstanding >= l.cfg.Alpha {
			continue
		}
		p.refill(&l.cfg, &l.target, l.taken)
		s := p.next(l.cfg.K, l.taken)
		if s == nil {
			continue
		}
		s.phase = queried
		l.asker[s.ID] = i
		p.outstanding++
		l.stats.Queries++
		l.stats.Outstanding++
		return Query{Node: *s.Peer, Distances: l.distances(p, s), Path: i}, true
	}
	return Query{}, false
}

// taken reports whether any path has queried a node.
func (l *Lookup) taken(id *enr.ID) bool {
	path, known := l.asker[*id]
	return known && path != nobody
}

func (l *Lookup) distances(p *path, s *slot) []uint {
	d := enr.LogDistance(s.ID, l.target)
	if d == 0 && len(p.list) > 1 {
		d = enr.LogDistance(p.list[1].ID, l.target) // the target itself is always first
	}
	return spread(make([]uint, 0, l.cfg.Distances), d, l.cfg.Distances)
}

// Answer reports that node id has answered its query with the nodes found, which the caller has
// checked. It returns the nodes that are new to the lookup, in the order of found, for callers that
// stream results. The slice is valid until the next call of Answer. Answer ignores a node that is
// not being queried. It copies the nodes that it keeps.
func (l *Lookup) Answer(id enr.ID, found []Peer) (fresh []Peer) {
	p, i, ok := l.report(&id)
	if !ok {
		return nil
	}
	p.list[i].phase = answered
	l.stats.Answers++
	hops := min(p.list[i].hops, maxHops-1) + 1
	l.fresh = l.fresh[:0]
	found = found[:min(len(found), l.cfg.MaxFound)]
	for i := range found {
		c := &found[i]
		if c.ID == l.self {
			continue
		}
		path, known := l.asker[c.ID]
		if !known {
			l.asker[c.ID] = nobody
			l.stats.Heard++
			l.fresh = append(l.fresh, *c)
		}
		if !known || path == nobody {
			p.insert(&l.cfg, &l.target, c, hops, slack*l.cfg.K)
		}
	}
	return l.fresh
}

// Fail reports that node id has not answered its query. The next closest candidate takes its
// position. Fail reports whether the node was being queried.
func (l *Lookup) Fail(id enr.ID) bool {
	p, i, ok := l.report(&id)
	if !ok {
		return false
	}
	p.list = slices.Delete(p.list, i, i+1)
	l.stats.Failures++
	return true
}

// report finds the outstanding query to id and ends it.
func (l *Lookup) report(id *enr.ID) (p *path, i int, ok bool) {
	n, known := l.asker[*id]
	if !known || n == nobody {
		return nil, 0, false
	}
	p = &l.paths[n]
	i, found := p.search(&l.target, id)
	if !found || p.list[i].phase != queried {
		return nil, 0, false
	}
	p.outstanding--
	l.stats.Outstanding--
	return p, i, true
}

// Done reports whether the lookup has ended: on every path the k closest known nodes have all
// answered (the next closest replace failed ones), or no query is left to make or to wait for. Done
// does not wait for nodes that closer ones have displaced from the k closest, but their reports
// still count.
func (l *Lookup) Done() bool {
	if l.stats.Queries >= l.cfg.MaxQueries && l.stats.Outstanding == 0 {
		return true
	}
	for i := range l.paths {
		l.paths[i].refill(&l.cfg, &l.target, l.taken)
		if !l.paths[i].settled(l.cfg.K, l.taken) {
			return false
		}
	}
	return true
}

// Results returns the k closest nodes that have answered, of all paths, closest first. It may be
// called at any time. The slice belongs to the caller.
func (l *Lookup) Results() []Peer { return l.Pick(l.Answered()) }

// Answered returns all nodes that have answered, of all paths, closest first, whatever Config.Keep
// says. The slice belongs to the caller.
func (l *Lookup) Answered() []Peer {
	var all []Peer
	for i := range l.paths {
		for _, s := range l.paths[i].list {
			if s.phase == answered {
				all = append(all, *s.Peer)
			}
		}
	}
	slices.SortFunc(all, func(a, b Peer) int { return enr.CompareDistance(l.target, a.ID, b.ID) })
	return all
}

// Pick returns the first K nodes of a list that Config.Keep accepts. It reads nothing that changes,
// so it needs no lock and calls Config.Keep without one. It overwrites the list.
func (l *Lookup) Pick(list []Peer) []Peer {
	picked := list[:0]
	for i := range list {
		if len(picked) == l.cfg.K {
			break
		}
		if l.cfg.Keep == nil || l.cfg.Keep(&list[i]) {
			picked = append(picked, list[i])
		}
	}
	return picked
}

// maxHops is the largest number of hops that is counted.
const maxHops = 255

// Hops returns the number of nodes queried one after another up to the closest node that has
// answered: 1 if that is a seed, 0 while none has answered.
func (l *Lookup) Hops() int {
	var best *slot
	for i := range l.paths {
		for j := range l.paths[i].list { // closest first
			s := &l.paths[i].list[j]
			if s.phase != answered {
				continue
			}
			if best == nil || enr.CompareDistance(l.target, s.ID, best.ID) < 0 {
				best = s
			}
			break
		}
	}
	if best == nil {
		return 0
	}
	return int(best.hops) + 1
}

// Stats returns the counts so far.
func (l *Lookup) Stats() Stats { return l.stats }
