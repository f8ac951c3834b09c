package eclipse

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Facts about go-ethereum's node table (p2p/discover, release 1.15).
const (
	gethBucketSize   = 16
	gethReplacements = 10
	gethBuckets      = 17 // all distances up to 240 share the nearest one
	gethBucketSite   = 2  // nodes of a /24 in a bucket, replacements included
	gethTableSite    = 10 // in the table
	gethFastInterval = 3 * time.Second
	gethSlowInterval = 9 * time.Second
)

// gethTable models go-ethereum's rules:
//
//   - A node that has made contact, and every node that another one names in an answer, enters its
//     bucket if there is room, else the front of the replacement list, whose last entry drops out.
//   - A /24 has two places in a bucket and ten in the table, members and replacements together.
//   - There are two lists of members: those that have just come or have failed, and those that
//     answered their last check. At random times, 1.5 and 4.5 seconds apart on average, a random
//     member of each list is checked. An answer is worth one credit. A failure cuts the credit to a
//     third, and at zero a random replacement takes the place.
//   - Members that have answered a check are relayed.
type gethTable struct {
	self     enr.ID
	byID     map[enr.ID]*peer
	rnd      *rand.Rand
	buckets  [gethBuckets]gethBucket
	sites    map[netaddr.Prefix]int
	fastAt   time.Duration
	slowAt   time.Duration
	fast     []*gethEntry
	slow     []*gethEntry
	expected []*gethEntry
}

type gethBucket struct {
	entries      []*gethEntry
	replacements []*gethEntry
	sites        map[netaddr.Prefix]int
}

type gethEntry struct {
	id     enr.ID
	addr   netip.Addr
	checks int
	live   bool
	slow   bool
	member bool
}

func newGethTable(self enr.ID, byID map[enr.ID]*peer, rnd *rand.Rand) *gethTable {
	g := &gethTable{self: self, byID: byID, rnd: rnd, sites: make(map[netaddr.Prefix]int)}
	for i := range g.buckets {
		g.buckets[i].sites = make(map[netaddr.Prefix]int)
	}
	return g
}

func (g *gethTable) bucket(distance int) *gethBucket {
	return &g.buckets[max(distance-(256-gethBuckets)-1, 0)]
}

func (g *gethTable) contacted(_ time.Duration, p *peer, _ bool) { g.offer(p) }
func (g *gethTable) heard(_ time.Duration, p *peer)             { g.offer(p) }

func (g *gethTable) offer(p *peer) {
	if p.id == g.self {
		return
	}
	b := g.bucket(enr.LogDistance(g.self, p.id))
	if g.has(p.id) || !g.take(b, p.addr.Addr()) {
		return
	}
	e := &gethEntry{id: p.id, addr: p.addr.Addr()}
	if len(b.entries) < gethBucketSize {
		g.join(b, e)
		return
	}
	b.replacements = slices.Insert(b.replacements, 0, e)
	if last := len(b.replacements) - 1; last == gethReplacements {
		g.release(b, b.replacements[last].addr)
		b.replacements = b.replacements[:last]
	}
}

func (g *gethTable) take(b *gethBucket, a netip.Addr) bool {
	p := netaddr.Site(a)
	if b.sites[p] >= gethBucketSite || g.sites[p] >= gethTableSite {
		return false
	}
	b.sites[p]++
	g.sites[p]++
	return true
}

func (g *gethTable) release(b *gethBucket, a netip.Addr) {
	p := netaddr.Site(a)
	for _, m := range []map[netaddr.Prefix]int{b.sites, g.sites} {
		if m[p]--; m[p] == 0 {
			delete(m, p)
		}
	}
}

func (g *gethTable) join(b *gethBucket, e *gethEntry) {
	e.member = true
	b.entries = append(b.entries, e)
	g.fast = append(g.fast, e)
}

func (g *gethTable) due(now time.Duration) (ids []enr.ID) {
	g.expected = g.expected[:0]
	for _, l := range []struct {
		at       *time.Duration
		list     []*gethEntry
		interval time.Duration
	}{{&g.fastAt, g.fast, gethFastInterval}, {&g.slowAt, g.slow, gethSlowInterval}} {
		for *l.at <= now {
			*l.at += time.Duration(g.rnd.Int64N(int64(l.interval)))
			if len(l.list) == 0 {
				continue
			}
			if e := l.list[g.rnd.IntN(len(l.list))]; !slices.Contains(g.expected, e) {
				g.expected = append(g.expected, e)
				ids = append(ids, e.id)
			}
		}
	}
	return ids
}

// find returns the member that is being checked.
func (g *gethTable) find(id enr.ID) *gethEntry {
	for _, e := range g.expected {
		if e.id == id && e.member {
			return e
		}
	}
	return nil
}

func (g *gethTable) answered(_ time.Duration, id enr.ID) {
	e := g.find(id)
	if e == nil {
		return
	}
	e.checks++
	e.live = true
	g.move(e, true)
}

func (g *gethTable) failed(_ time.Duration, id enr.ID) {
	e := g.find(id)
	if e == nil {
		return
	}
	if e.checks /= 3; e.checks > 0 {
		g.move(e, false)
		return
	}
	b := g.bucket(enr.LogDistance(g.self, id))
	b.entries = remove(b.entries, e)
	g.unlist(e)
	e.member = false
	g.release(b, e.addr)
	if n := len(b.replacements); n > 0 {
		next := b.replacements[g.rnd.IntN(n)]
		b.replacements = remove(b.replacements, next)
		g.join(b, next)
	}
}

func (g *gethTable) move(e *gethEntry, slow bool) {
	g.unlist(e)
	if e.slow = slow; slow {
		g.slow = append(g.slow, e)
	} else {
		g.fast = append(g.fast, e)
	}
}

func (g *gethTable) unlist(e *gethEntry) {
	if e.slow {
		g.slow = remove(g.slow, e)
	} else {
		g.fast = remove(g.fast, e)
	}
}

func remove(list []*gethEntry, e *gethEntry) []*gethEntry {
	if i := slices.Index(list, e); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func (g *gethTable) relay(distance int, dst []enr.ID) []enr.ID {
	for _, e := range g.bucket(distance).entries {
		if e.live && enr.LogDistance(g.self, e.id) == distance {
			dst = append(dst, e.id)
		}
	}
	return dst
}

func (g *gethTable) closest(target enr.ID, n int) (ids []enr.ID) {
	for i := range g.buckets {
		for _, e := range g.buckets[i].entries {
			if e.live {
				ids = append(ids, e.id)
			}
		}
	}
	if len(ids) == 0 { // nodes that have answered are preferred, others will do
		for i := range g.buckets {
			for _, e := range g.buckets[i].entries {
				ids = append(ids, e.id)
			}
		}
	}
	slices.SortFunc(ids, func(a, b enr.ID) int { return enr.CompareDistance(target, a, b) })
	return ids[:min(n, len(ids))]
}

func (g *gethTable) feelers([]*peer) []*peer { return nil }

func (g *gethTable) lookups() lookup.Config { return lookup.Config{} }

func (g *gethTable) has(id enr.ID) bool {
	b := g.bucket(enr.LogDistance(g.self, id))
	same := func(e *gethEntry) bool { return e.id == id }
	return slices.ContainsFunc(b.entries, same) || slices.ContainsFunc(b.replacements, same)
}

func (g *gethTable) members(f func(enr.ID)) {
	for i := range g.buckets {
		for _, e := range g.buckets[i].entries {
			if e.live {
				f(e.id)
			}
		}
	}
}
