package table

import (
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// Turnover. Age alone does not keep a slot: an attacker that came first with a few networks would
// keep the bucket forever (S34). A replacement replaces a live member if, after the exchange, its
// prefixes have fewer proven members in the table than those of the member had before, relative to
// the limits of the table. So prefixes own slots, each exchange distributes them more evenly, and
// exchanges end: a node of the least used prefixes is never displaced, however many networks come
// later.
//
// The replacement must have answered a PING just before. One bucket makes one exchange in
// Config.Turnover.

// candidateFor is the time for which a response of a replacement counts.
const candidateFor = CheckTimeout

// schedule makes Due return the replacements to check: the one that would take a slot, and those of
// an address family with few members.
func (c *change) schedule() {
	b := c.b
	for i := range b.waiting {
		if e := &b.waiting[i]; e.minority != 0 && e.due == never {
			e.due = c.now + c.b.jitter(FirstCheckDelay)
		}
	}
	if next := b.successors(c.t); len(next) > 0 && b.waiting[next[0]].due == never {
		// There is room, but a limit was reached when it became free.
		b.waiting[next[0]].due = c.now + FirstCheckDelay
	}
	if i, _ := c.exchange(); i >= 0 && b.waiting[i].due == never {
		b.waiting[i].due = max(c.now+FirstCheckDelay, c.t.turnFrom[c.i])
	}
}

// exchange returns the index of the replacement that should take a slot and that of the member that
// has it, or -1.
func (c *change) exchange() (replacement, member int) {
	b, t := c.b, c.t
	if t.cfg.Turnover < 0 || len(b.waiting) == 0 || len(b.members) < t.cfg.BucketSize {
		return -1, -1
	}
	t.limits.mu.Lock()
	defer t.limits.mu.Unlock()
	l := &t.limits.quota[proven]
	replacement, member = -1, -1
	var least, most prefixquota.Load
	for i := range b.members {
		e := &b.members[i]
		if e.standing != proven {
			continue
		}
		load := l.LoadOf(&e.prefixes, 0)
		if member < 0 || load > most || load == most && e.added > b.members[member].added {
			member, most = i, load
		}
	}
	if member < 0 || most == 0 {
		return -1, -1
	}
	for i := range b.waiting {
		e := &b.waiting[i]
		if e.node.Inbound && !b.members[member].node.Inbound && t.cfg.InboundLimit < t.cfg.BucketSize {
			continue
		}
		load := l.LoadOf(&e.prefixes, 1)
		if load < most && (replacement < 0 || load < least || load == least && e.better(&b.waiting[replacement])) {
			replacement, least = i, load
		}
	}
	return replacement, member
}

// better orders replacements of equal load: live ones first, then the one seen last.
func (e *entry) better(other *entry) bool {
	if e.live != other.live {
		return e.live
	}
	return e.lastSeen > other.lastSeen
}

// turn makes the exchange that is due if the replacement has just answered.
func (c *change) turn() {
	b, t := c.b, c.t
	i, j := c.exchange()
	if i < 0 || c.now-b.waiting[i].proved > candidateFor {
		return
	}
	if from := t.turnFrom[c.i]; c.now < from {
		b.waiting[i].due = from
		return
	}
	in, out := &b.waiting[i], &b.members[j]
	if !t.limits.exchange(out, in) {
		return
	}
	t.turnFrom[c.i] = c.now + t.cfg.Turnover
	t.turned.Add(1)
	c.reindex, c.resnap = true, true
	c.events.add(EventRemoved, &out.node)
	c.events.add(EventAdded, &in.node)
	c.events.add(EventLive, &in.node)
	if !out.live {
		t.liveMembers.Add(1)
	}
	*in, *out = *out, *in
	in.due = never
	out.minority = 0
	out.due = c.now + b.jitter(t.cfg.RevalidateSlow)
	c.remark()
}

// displaced returns the index of the replacement that a new one displaces, or -1 if all are better.
// Replacements of crowded prefixes go first, then those that have never answered, then the one seen
// longest ago. So a flood of unverified sources costs the cache at most one live node: each new one
// displaces the one before.
func (c *change) displaced(e *entry) int {
	b, l := c.b, &c.t.limits.quota[proven]
	few := 0
	for i := range b.waiting {
		if b.waiting[i].minority != 0 {
			few++
		}
	}
	c.t.limits.mu.Lock()
	defer c.t.limits.mu.Unlock()
	// Half of the cache is reserved for the family with few members.
	keep := few <= len(b.waiting)/2
	worst, most := -1, prefixquota.Load(0)
	for i := range b.waiting {
		o := &b.waiting[i]
		if o.trusted {
			continue
		}
		if (o.minority != 0) != (e.minority != 0) && (o.minority != 0) == keep {
			continue
		}
		load := l.LoadOf(&o.prefixes, 1)
		if worst < 0 || load > most || load == most && b.waiting[worst].better(o) {
			worst, most = i, load
		}
	}
	if worst >= 0 && l.LoadOf(&e.prefixes, 1) > most {
		return -1
	}
	return worst
}

// minority returns the families among those stated that fewer than half of the members of a full
// bucket state.
func (b *bucket) minority(cfg *Config, stated FamilySet) (few FamilySet) {
	for f := range Family(netaddr.NumFamilies) {
		if !stated.Has(f) {
			continue
		}
		count := 0
		for i := range b.members {
			if b.members[i].stated.Has(f) {
				count++
			}
		}
		if 2*count < cfg.BucketSize {
			few |= f.Set()
		}
	}
	return few
}

// remark updates which replacements belong to a family with few members.
func (c *change) remark() {
	for i := range c.b.waiting {
		e := &c.b.waiting[i]
		if few := c.b.minority(&c.t.cfg, e.stated); few != e.minority {
			e.minority = few
			c.resnap = c.resnap || e.live
		}
	}
}

// recheck sets the next check of a replacement that has answered.
func (c *change) recheck(e *entry, pause time.Duration) {
	if e.due = never; e.minority != 0 {
		e.due = c.now + c.b.jitter(pause)
	}
}
