package table

import (
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// Add offers a node. The caller has verified the record and has completed a handshake with the
// node, or trusts it for another reason; S11: an identity without a handshake is never offered.
//
// A new node becomes a member if there is room, else a replacement. It is unverified: not relayed
// before MarkLive. A node that is known is updated by a newer record. An endpoint that differs
// from the known one comes with a newer record or takes the place of one that does not answer; the
// node is then unverified again. An older record changes nothing. When Add refuses a newer record
// of a known node, the table keeps what it has.
//
// A new node at the endpoint of others puts those in doubt: they are checked soon, count for no
// limit meanwhile, and are dropped at the first failure.
func (t *Table) Add(now time.Duration, n Node) AddResult {
	r := t.add(now, &n, false)
	t.adds[r].Add(1)
	return r
}

// add does the work of Add and, with force, of Replace.
func (t *Table) add(now time.Duration, n *Node, force bool) AddResult {
	if n.ID == t.cfg.Self {
		return RejectedSelf
	}
	if n.Record == nil {
		return RejectedRecord
	}
	n.Addr = netaddr.NormalizePort(n.Addr)
	if n.Addr.Port() == 0 || Class(n.Addr.Addr()) == Special {
		return RejectedAddr
	}
	if t.cfg.Filter != nil && !t.cfg.Filter(*n) {
		return RejectedFilter
	}
	var c change
	t.begin(&c, now, &n.ID)
	e, member := c.b.find(&n.ID)
	if e == nil && t.limits.used(n.Addr) {
		// Its endpoint is that of others, which may be in any bucket: only one lock at a time.
		c.end()
		t.contest(now, n)
		t.begin(&c, now, &n.ID)
		e, member = c.b.find(&n.ID)
	}
	defer c.end()
	if e != nil {
		return c.update(e, member, n, force)
	}
	return c.insert(n)
}

func (c *change) insert(n *Node) AddResult {
	cfg, b := &c.t.cfg, c.b
	e := newEntry(c.now, n, cfg.LowPorts)
	if !c.makeRoom(n.Addr.Addr(), &e.prefixes) {
		return RejectedBucketIP
	}
	if b.hasRoom(cfg, n.Inbound) {
		if !c.t.limits.join(n.Addr.Addr()) {
			c.promote() // makeRoom may have freed a place
			return RejectedTableIP
		}
		e.standing = unproven
		c.t.limits.enter(n.Addr)
		c.join(&e)
		return Added
	}
	if cfg.Replacements < 1 {
		return RejectedFull
	}
	e.due, e.minority = never, b.minority(cfg, e.stated)
	if len(b.waiting) >= cfg.Replacements {
		i := c.displaced(&e)
		if i < 0 {
			return RejectedFull
		}
		c.discard(&b.waiting[i], false)
		c.t.displaced.Add(1)
	}
	c.t.limits.enter(n.Addr)
	b.waiting = push(b.waiting, &e, cfg.Replacements)
	c.reindex = true
	c.schedule()
	return Replacement
}

// update changes an entry to what n says, if n is newer, or whatever n is with force.
func (c *change) update(e *entry, member bool, n *Node, force bool) AddResult {
	newer, moved := n.Seq() > e.node.Seq() || force, n.Addr != e.node.Addr
	switch {
	case n.Seq() < e.node.Seq() && !force:
		return Unchanged
	case !newer && (!moved || e.live && !force):
		// A second endpoint under the same record does not push out one that answers: a dual-stack
		// node that shakes hands over both families would never stay verified.
		e.lastSeen = c.now
		return Unchanged
	}
	if moved {
		if r := c.move(e, member, n); r != Updated {
			return r
		}
	}
	if newer {
		e.setRecord(n.Record, c.t.cfg.LowPorts)
		c.reindex = true
	}
	e.lastSeen = c.now
	c.resnap = true
	c.remark()
	if member {
		c.events.add(EventUpdated, &e.node)
	}
	return Updated
}

// move gives e the endpoint of n, at which it has to prove itself. It changes nothing if a limit
// forbids that.
func (c *change) move(e *entry, member bool, n *Node) AddResult {
	l, addr := &c.t.limits, n.Addr.Addr()
	p := prefixquota.PrefixesOf(addr)
	if _, over := c.b.overLimit(&c.t.bucketLimits, &p, e); over && !l.exempt(addr) {
		return RejectedBucketIP
	}
	if member {
		was := e.standing
		l.count(e, uncounted)
		if !l.join(addr) {
			l.count(e, was) // it has just been given back
			return RejectedTableIP
		}
		e.standing = unproven
		if e.live {
			c.t.liveMembers.Add(-1)
		}
	}
	l.leave(e.node.Addr)
	l.enter(n.Addr)
	e.forget()
	e.node.Addr, e.prefixes, e.contested = n.Addr, p, false
	e.describe(c.t.cfg.LowPorts)
	// A check that stands is never put off, or a node that keeps moving would never be checked.
	if member {
		e.due = min(e.due, c.now+FirstCheckDelay)
	}
	return Updated
}

// join makes e a member. There is room, and its standing is set.
func (c *change) join(e *entry) {
	c.b.members = push(c.b.members, e, c.t.cfg.BucketSize)
	c.reindex = true
	c.t.members.Add(1)
	c.events.add(EventAdded, &e.node)
	if e.live {
		c.t.liveMembers.Add(1)
		c.resnap = true
		c.events.add(EventLive, &e.node)
	}
}

// discard takes e out of the table and leaves its place free.
func (c *change) discard(e *entry, member bool) {
	b, t := c.b, c.t
	t.limits.count(e, uncounted)
	t.limits.leave(e.node.Addr)
	c.reindex = true
	c.resnap = c.resnap || e.live
	if !member {
		for i := range b.waiting {
			if &b.waiting[i] == e {
				b.waiting = cut(b.waiting, i)
				return
			}
		}
	}
	for i := range b.members {
		if &b.members[i] == e {
			c.events.add(EventRemoved, &e.node)
			t.members.Add(-1)
			if e.live {
				t.liveMembers.Add(-1)
			}
			b.members = cut(b.members, i)
			return
		}
	}
}

// drop takes e out of the table and gives a freed member's place to a replacement.
func (c *change) drop(e *entry, member bool) {
	c.discard(e, member)
	if member {
		c.promote()
	}
}

// promote gives a free place to a replacement, if there are both.
func (c *change) promote() {
	b, t := c.b, c.t
	for _, i := range b.successors(t) {
		e := &b.waiting[i]
		if e.checks > 0 && !t.limits.count(e, proven) {
			continue
		}
		if e.checks == 0 {
			if !t.limits.join(e.node.Addr.Addr()) {
				continue
			}
			e.standing = unproven
		}
		next := *e
		b.waiting = cut(b.waiting, i)
		next.due = c.now // nobody has checked it while it waited
		c.join(&next)
		t.promoted.Add(1)
		break
	}
	c.schedule()
}

// contest puts in doubt the nodes that the table has at the endpoint of n, which is new and has
// proved to be there: one endpoint seldom serves two identities.
func (t *Table) contest(now time.Duration, n *Node) {
	if !t.limits.used(n.Addr) {
		return
	}
	for i := range t.buckets {
		if t.indexes[i].Load() == nil {
			continue
		}
		c := change{t: t, b: &t.buckets[i], i: i, now: now}
		c.b.mu.Lock()
		for j := len(c.b.waiting) - 1; j >= 0; j-- {
			if e := &c.b.waiting[j]; e.node.Addr == n.Addr && e.node.ID != n.ID && e.checks == 0 {
				c.discard(e, false)
			}
		}
		for j := range c.b.members {
			e := &c.b.members[j]
			if e.node.Addr == n.Addr && e.node.ID != n.ID && !e.contested && now-e.proved >= contestAfter {
				e.contested = true
				t.limits.count(e, uncounted)
				e.due = min(e.due, now+FirstCheckDelay)
			}
		}
		c.end()
	}
}
