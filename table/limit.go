package table

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/fastdisc/discv5/internal/prefixquota"
)

// Limits bounds the nodes of one network prefix at three widths: Host is for one IPv4 address or
// one IPv6 /64, Site for one /24 or /48, Wide for one /16 or /32. 0 means the default, and a
// negative number no limit.
type Limits = prefixquota.Limits

// Unlimited are Limits without any bound.
var Unlimited = prefixquota.Unlimited

// Default limits. A /24 is cheap and a /16 is not: docs/SIMULATION.md has figures. All nodes of a
// small network may be at one provider, so a /16 may take slots that no other network wants: up to
// three quarters of a bucket. It loses them to nodes of other networks by turnover.
var (
	// DefaultBucketLimits are for the members and replacements of one bucket.
	DefaultBucketLimits = Limits{Host: 2, Site: 2, Wide: 12}
	// DefaultTableLimits are for the members of the whole table.
	DefaultTableLimits = Limits{Host: 10, Site: 10, Wide: 40}
)

// standing is the limit of the table that an entry counts for.
type standing uint8

const (
	// uncounted: replacements; members that have failed before they ever answered; members whose
	// endpoint another node has proved to own. None of them keeps a slot from others.
	uncounted standing = iota
	// unproven: members that have never answered, up to their first check.
	unproven
	// proven: members that have answered a PING.
	proven

	numStandings
)

// limiter holds the limits of the whole table. Its lock is the last in the order: it is taken under
// the lock of a bucket, and nothing is called under it. The maps only have entries for nodes in the
// table.
type limiter struct {
	exemptPrivate atomic.Bool

	mu        sync.Mutex
	quota     [numStandings]prefixquota.Quota // that of uncounted is not used
	endpoints map[netip.AddrPort]int          // of members and replacements
}

func (l *limiter) init(limits Limits) {
	for s := range l.quota {
		l.quota[s].Init(prefixquota.Config{Limits: limits})
	}
	l.endpoints = make(map[netip.AddrPort]int)
}

// SetExemptPrivate sets whether private networks are exempt from the limits by prefix. Initially
// they are not. Loopback always is. Nodes in the table stay. It may be called at any time.
func (t *Table) SetExemptPrivate(exempt bool) {
	l := &t.limits
	l.exemptPrivate.Store(exempt)
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.quota {
		l.quota[s].SetExemptPrivate(exempt)
	}
}

// exempt reports whether no limit applies to addr.
func (l *limiter) exempt(addr netip.Addr) bool {
	return prefixquota.Exempt(addr, l.exemptPrivate.Load())
}

// join counts a new member at addr, which has not answered yet. It refuses one that could not stay
// after it answers.
func (l *limiter) join(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.quota[proven].Fits(addr); !ok {
		return false
	}
	_, ok := l.quota[unproven].Take(addr)
	return ok
}

// admit counts e, which has not answered yet, as a new member. It refuses one that could not stay
// if it answered.
func (l *limiter) admit(e *entry) bool {
	if e.trusted {
		return true
	}
	if !l.join(e.node.Addr.Addr()) {
		return false
	}
	e.standing = unproven
	return true
}

// count changes the standing of e. It reports false and changes nothing when a limit forbids it.
func (l *limiter) count(e *entry, to standing) bool {
	if e.standing == to || e.trusted {
		return true
	}
	addr := e.node.Addr.Addr()
	l.mu.Lock()
	defer l.mu.Unlock()
	if to != uncounted {
		if _, ok := l.quota[to].Take(addr); !ok {
			return false
		}
	}
	if e.standing != uncounted {
		l.quota[e.standing].Release(addr)
	}
	e.standing = to
	return true
}

// exchange gives the standing of a proven member to a replacement.
func (l *limiter) exchange(member, replacement *entry) bool {
	was := member.standing
	l.count(member, uncounted)
	if l.count(replacement, proven) {
		return true
	}
	l.count(member, was) // cannot fail: it was released above
	return false
}

// enter and leave keep the number of nodes at an endpoint.
func (l *limiter) enter(at netip.AddrPort) {
	l.mu.Lock()
	l.endpoints[at]++
	l.mu.Unlock()
}

func (l *limiter) leave(at netip.AddrPort) {
	l.mu.Lock()
	if n := l.endpoints[at]; n > 1 {
		l.endpoints[at] = n - 1
	} else {
		delete(l.endpoints, at)
	}
	l.mu.Unlock()
}

// used reports whether a node is at an endpoint.
func (l *limiter) used(at netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endpoints[at] > 0
}

// overLimit returns the narrowest width whose limit the nodes of the bucket have reached in the
// prefixes p. except, if not nil, is not counted.
func (b *bucket) overLimit(limits *[prefixquota.NumWidths]int, p *prefixquota.Prefixes, except *entry) (w prefixquota.Width, over bool) {
	var count [prefixquota.NumWidths]int
	for _, list := range [2][]entry{b.members, b.waiting} {
		for i := range list {
			if list[i].trusted {
				continue
			}
			// Narrower prefixes differ where wider ones do.
			for w := prefixquota.Wide; list[i].prefixes.At(w) == p.At(w) && &list[i] != except; w-- {
				if count[w]++; w == prefixquota.Host {
					break
				}
			}
		}
	}
	for w, limit := range limits {
		if limit > 0 && count[w] >= limit {
			return prefixquota.Width(w), true
		}
	}
	return 0, false
}

// makeRoom drops nodes that hold slots of p in the bucket and have never proved themselves, as far
// as the limits require: nodes that never answered do not keep others out. It reports false if the
// limits allow no other node.
func (c *change) makeRoom(addr netip.Addr, p *prefixquota.Prefixes) bool {
	if c.t.limits.exempt(addr) {
		return true
	}
	for {
		w, over := c.b.overLimit(&c.t.bucketLimits, p, nil)
		if !over {
			return true
		}
		e, member := c.b.idlest(w, p)
		if e == nil {
			return false
		}
		c.discard(e, member)
	}
}

// idlest returns the node that a new one of the same prefix displaces, or nil: the replacement seen
// longest ago among those that have never answered, otherwise a member that has failed before it
// ever answered, or whose endpoint belongs to another node.
func (b *bucket) idlest(w prefixquota.Width, p *prefixquota.Prefixes) (best *entry, member bool) {
	for i := range b.waiting {
		e := &b.waiting[i]
		if e.prefixes.At(w) == p.At(w) && e.checks == 0 && !e.trusted && (best == nil || e.lastSeen < best.lastSeen) {
			best = e
		}
	}
	if best != nil {
		return best, false
	}
	for i := range b.members {
		e := &b.members[i]
		if e.prefixes.At(w) == p.At(w) && e.standing == uncounted && !e.trusted {
			return e, true
		}
	}
	return nil, false
}

// load returns how far the prefixes of addr use the limits, with extra more members there.
func (l *limiter) load(addr netip.Addr, extra int) prefixquota.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quota[proven].Load(addr, extra)
}
