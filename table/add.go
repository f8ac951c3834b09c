package table

import (
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// Add offers a node. The caller has verified the record and has completed a handshake with the
// node, or trusts it for another reason; S11: an identity without a handshake is never offered.
//
// A new node becomes a member if there is room, otherwise a replacement. It is unverified: not
// relayed before MarkLive. A newer record updates a known node. Another endpoint must come with a
// newer record, or replace one that does not answer; the node is then unverified. An older record
// changes nothing. When Add refuses a newer record of a known node, the table keeps the old one.
//
// A new node at the endpoint of others puts those in doubt: they are checked soon, count for no
// limit until then, and are dropped at the first failure.
func (t *Table) Add(now time.Duration, n Node) AddResult {
	r := t.add(now, &n, false)
	t.adds[r].Add(1)
	return r
}

// add implements Add and, with force, Replace.
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
		// Others have its endpoint, which may be in any bucket. Hold one lock at a time.
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
	e.trusted = cfg.Trusted != nil && cfg.Trusted(n.ID)
	if !e.trusted && !c.makeRoom(n.Addr.Addr(), &e.prefixes) {
		return RejectedBucketIP
	}
	if b.hasRoom(cfg, n.Inbound) {
		if !c.t.limits.admit(&e) {
			c.promote() // makeRoom may have freed a slot
			return RejectedTableIP
		}
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

// update changes an entry to n if n is newer, or in any case with force.
func (c *change) update(e *entry, member bool, n *Node, force bool) AddResult {
	newer, moved := n.Seq() > e.node.Seq() || force, n.Addr != e.node.Addr
	switch {
	case n.Seq() < e.node.Seq() && !force:
		return Unchanged
	case !newer && (!moved || e.live && !force):
		// A second endpoint under the same record does not replace one that answers. Otherwise a
		// dual-stack node that makes handshakes over both families would never stay verified.
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

// move gives e the endpoint of n, where it is unverified. It changes nothing if a limit forbids it.
func (c *change) move(e *entry, member bool, n *Node) AddResult {
	l, addr := &c.t.limits, n.Addr.Addr()
	p := prefixquota.PrefixesOf(addr)
	if _, over := c.b.overLimit(&c.t.bucketLimits, &p, e); over && !e.trusted && !l.exempt(addr) {
		return RejectedBucketIP
	}
	if member {
		was := e.standing
		l.count(e, uncounted)
		if !e.trusted && !l.join(addr) {
			l.count(e, was) // cannot fail: it was released above
			return RejectedTableIP
		}
		if !e.trusted {
			e.standing = unproven
		}
		if e.live {
			c.t.liveMembers.Add(-1)
		}
	}
	l.leave(e.node.Addr)
	l.enter(n.Addr)
	e.forget()
	e.node.Addr, e.prefixes, e.contested = n.Addr, p, false
	e.describe(c.t.cfg.LowPorts)
	// A pending check is never put off. Otherwise a node that keeps moving would never be checked.
	if member {
		e.due = min(e.due, c.now+FirstCheckDelay)
	}
	return Updated
}

// join makes e a member. The caller has made room and set its standing.
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

// discard removes e and leaves its slot free.
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

// drop removes e and gives the slot of a member to a replacement.
func (c *change) drop(e *entry, member bool) {
	c.discard(e, member)
	if member {
		c.promote()
	}
}

// promote gives a free slot to a replacement, if there are both.
func (c *change) promote() {
	b, t := c.b, c.t
	for _, i := range b.successors(t) {
		e := &b.waiting[i]
		if e.checks > 0 && !t.limits.count(e, proven) {
			continue
		}
		if e.checks == 0 {
			if !t.limits.admit(e) {
				continue
			}
		}
		next := *e
		b.waiting = cut(b.waiting, i)
		next.due = c.now // it was not checked while it waited
		c.join(&next)
		t.promoted.Add(1)
		break
	}
	c.schedule()
}

// contest puts the nodes in doubt that have the endpoint of n, a new node that has proved to be
// there: one endpoint seldom serves two identities.
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
			if e := &c.b.waiting[j]; e.node.Addr == n.Addr && e.node.ID != n.ID && e.checks == 0 && !e.trusted {
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

// Replace is Add for a record that its owner has just sent from the endpoint n.Addr: it replaces
// the record in the table even if that is newer. The caller must make sure that the endpoint in the
// table is dead, or is n.Addr. If the table refuses n, it keeps the old record.
func (t *Table) Replace(now time.Duration, n Node) AddResult {
	r := t.add(now, &n, true)
	t.adds[r].Add(1)
	return r
}
