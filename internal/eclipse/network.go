package eclipse

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// Order says when the attacker comes.
type Order int

// Orders.
const (
	// Before: the attacker contacts the bootnodes and has them for itself for five minutes before
	// honest nodes join.
	Before Order = iota
	// With: both come at the same time.
	With
	// After: the attacker comes five minutes after the last honest node.
	After
)

// String returns "before", "with" or "after".
func (o Order) String() string { return [...]string{"before", "with", "after"}[o] }

// Config says what is simulated. Zero values give the defaults that are named.
type Config struct {
	// Rules of the tables of all honest nodes.
	Rules Rules
	// Prefixes is the number of /24s of the attacker, at most 65536; 0 for no attacker.
	Prefixes int
	// Order says when the attacker comes.
	Order Order
	// Nodes is the number of honest nodes; default 1000.
	Nodes int
	// Settle is how long the network lives after the last has come; default 10 minutes.
	Settle time.Duration
	// Contacts is how often the attacker contacts each honest node, per second; default 0.5.
	Contacts float64
	// Table changes the configuration of tables under the rules of this module.
	Table func(*table.Config)
	// Seed decides everything random.
	Seed uint64
}

func (c Config) withDefaults() Config {
	if c.Nodes <= 0 {
		c.Nodes = 1000
	}
	if c.Settle <= 0 {
		c.Settle = 10 * time.Minute
	}
	if c.Contacts <= 0 {
		c.Contacts = 0.5
	}
	return c
}

const (
	bootnodes   = 3
	joinTime    = 5 * time.Minute
	headStart   = 5 * time.Minute // between the attacker and the honest nodes
	lookupEvery = time.Minute
	eagerFor    = time.Minute // a node that has just joined makes more lookups
	eagerEvery  = 15 * time.Second
	maxRecords  = table.DefaultBucketSize // of a response
	maxQueries  = 60                      // of a lookup: an attacker could make it endless
	knownPeers  = 1000
)

// node is an honest node.
type node struct {
	*peer
	table    nodeTable
	sessions map[*peer]struct{}
	joined   time.Duration
	lookupAt time.Duration
}

// network is one run.
type network struct {
	ctx  context.Context
	cfg  Config
	rnd  *rand.Rand
	now  time.Duration
	pop  population
	all  []*node
	pool []*peer // hostile nodes that others name
	// attackFrom is when the attacker begins.
	attackFrom time.Duration
}

func newNetwork(ctx context.Context, cfg Config) *network {
	cfg = cfg.withDefaults()
	w := &network{ctx: ctx, cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x65636c69707365))}
	w.pop = population{rnd: w.rnd, byID: make(map[enr.ID]*peer), prefixes: cfg.Prefixes}
	if cfg.Prefixes > 0 {
		for range knownPeers {
			w.pool = append(w.pool, w.pop.newHostile(w.pop.randomID()))
		}
	}
	return w
}

// join starts an honest node.
func (w *network) join() {
	p := w.pop.newHonest()
	n := &node{peer: p, joined: w.now, lookupAt: w.now + time.Second, sessions: make(map[*peer]struct{})}
	n.table = newTable(w.cfg.Rules, p.id, w.pop.byID, w.rnd, w.cfg.Table)
	p.node = n
	w.all = append(w.all, n)
	for _, b := range w.all[:min(bootnodes, len(w.all))] {
		if b != n {
			w.contact(n, b.peer)
		}
	}
}

// contact has n talk to p, which answers.
func (w *network) contact(n *node, p *peer) {
	n.table.contacted(w.now, p, false)
	if _, had := n.sessions[p]; had {
		return
	}
	n.sessions[p] = struct{}{}
	if p.node != nil {
		p.node.sessions[n.peer] = struct{}{}
		p.node.table.contacted(w.now, n.peer, true)
	}
}

// run lets d pass.
func (w *network) run(d time.Duration) {
	for end := w.now + d; w.now < end && w.ctx.Err() == nil; {
		w.now += time.Second
		for _, n := range w.all {
			for _, id := range n.table.due(w.now) {
				w.contact(n, w.pop.byID[id])
				n.table.answered(w.now, id)
			}
			if w.now >= n.lookupAt {
				n.lookupAt = w.now + lookupEvery
				target := n.id
				if w.now-n.joined < eagerFor {
					n.lookupAt = w.now + eagerEvery
				} else if w.rnd.IntN(4) > 0 {
					target = w.pop.randomID()
				}
				w.lookup(n, target)
			}
			if w.attacks() && w.rnd.Float64() < w.cfg.Contacts {
				p := w.pop.newHostile(w.pop.at(n.id, 256-w.rnd.IntN(distantBuckets)))
				if n.table.contacted(w.now, p, true); !n.table.has(p.id) {
					delete(w.pop.byID, p.id)
				}
			}
		}
	}
}

func (w *network) attacks() bool { return w.cfg.Prefixes > 0 && w.now >= w.attackFrom }

// lookup has n search for target, and returns the peers closest to it that answered.
func (w *network) lookup(n *node, target enr.ID) (found []*peer) {
	var seeds []lookup.Peer
	for _, id := range n.table.closest(target, maxRecords) {
		seeds = append(seeds, candidate(w.pop.byID[id]))
	}
	var unasked []*peer
	l := lookup.New(target, n.table.lookups(), n.id, seeds)
	for range maxQueries {
		q, ok := l.Next()
		if !ok {
			break
		}
		p := w.pop.byID[q.Node.ID]
		w.contact(n, p)
		var answer []lookup.Peer
		for _, named := range w.answer(p, q.Distances) {
			if named != n.peer {
				n.table.heard(w.now, named)
				if _, had := n.sessions[named]; !had {
					unasked = append(unasked, named)
				}
				answer = append(answer, candidate(named))
			}
		}
		l.Answer(p.id, answer)
	}
	for _, c := range l.Results() {
		found = append(found, w.pop.byID[c.ID])
	}
	for _, p := range n.table.feelers(unasked) {
		w.contact(n, p)
	}
	return found
}

func candidate(p *peer) lookup.Peer { return lookup.Peer{ID: p.id, Addr: p.addr} }

// answer returns the peers that p names when it is asked for distances.
func (w *network) answer(p *peer, distances []uint) (named []*peer) {
	if p.hostile {
		first := w.rnd.IntN(len(w.pool))
		for i := range w.pool {
			if len(named) == maxRecords {
				break
			}
			q := w.pool[(first+i)%len(w.pool)]
			if slices.Contains(distances, uint(enr.LogDistance(p.id, q.id))) {
				named = append(named, q)
			}
		}
		return named
	}
	for _, d := range distances {
		ids := p.node.table.relay(int(d), nil)
		w.rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		for _, id := range ids {
			if len(named) < maxRecords {
				named = append(named, w.pop.byID[id])
			}
		}
	}
	return named
}
