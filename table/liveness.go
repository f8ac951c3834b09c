package table

import (
	"math"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// MarkLive notes that the node has answered a PING at addr. It reports whether addr is an endpoint
// of that node in the table. A response at Node.Addr makes the node live and puts its next check
// off. A response at another endpoint that the record states only proves that endpoint.
func (t *Table) MarkLive(now time.Duration, id enr.ID, addr netip.AddrPort) bool {
	var c change
	if !t.begin(&c, now, &id) {
		return false
	}
	defer c.end()
	e, member := c.b.find(&id)
	addr = netaddr.NormalizePort(addr)
	if e == nil || !addr.IsValid() || !e.at(addr) {
		return false
	}
	t.live.Add(1)
	e.lastSeen = now
	if e.prove(addr) && (member || e.minority != 0) {
		c.resnap = true
	}
	if addr != e.node.Addr {
		return true
	}
	if member && !t.limits.count(e, proven) {
		c.drop(e, member) // others of its prefix came first
		return true
	}
	e.checks, e.fails, e.proved, e.contested = min(e.checks+1, maxChecks), 0, now, false
	pause := t.cfg.RevalidateSlow * time.Duration(min(e.checks, slowGrowth))
	if !member {
		c.resnap = c.resnap || e.minority != 0
		e.live = true
		c.recheck(e, pause)
		c.promote()
		c.turn()
		return true
	}
	e.due = now + c.b.jitter(pause)
	if !e.live {
		e.live = true
		t.liveMembers.Add(1)
		c.resnap = true
		c.events.add(EventLive, &e.node)
	}
	return true
}

// MarkFailed notes that the node has left a request unanswered. It reports whether the table has
// dropped the node for that.
//
// The first failure of a verified node only brings its next check forward. From the second on, each
// cuts its credit to a third, and a node without credit is dropped. After silentAfter failures in a
// row it is not relayed until it answers. A node that has never been verified is dropped at the
// second failure, or at the first if a replacement waits or another node has proved to own the
// endpoint. A replacement is dropped at the first. Failures less than a second after the last one
// that counted are the same loss and do not count.
func (t *Table) MarkFailed(now time.Duration, id enr.ID) (removed bool) {
	var c change
	if !t.begin(&c, now, &id) {
		return false
	}
	defer c.end()
	e, member := c.b.find(&id)
	if e == nil || e.fails > 0 && now-e.lastFail < failureGap {
		return false
	}
	t.failed.Add(1)
	dead := e.fail(now) || !member && e.minority == 0 || e.contested || e.checks == 0 && len(c.b.waiting) > 0
	if dead && !e.trusted {
		if member {
			t.removed.Add(1)
		}
		c.drop(e, member)
		c.schedule()
		return true
	}
	if e.checks == 0 {
		t.limits.count(e, uncounted)
	}
	if e.live && e.fails >= silentAfter {
		c.silence(e, member)
	}
	pause := min(t.cfg.RevalidateFast<<min(e.fails-1, 10), t.cfg.RevalidateSlow)
	if e.due = now + c.b.jitter(pause); !member {
		c.recheck(e, pause)
		c.schedule()
	}
	return false
}

// fail counts one failure. It reports whether the credit is used up.
func (e *entry) fail(now time.Duration) (dead bool) {
	if e.fails < math.MaxUint16 { // a trusted node may fail forever
		e.fails++
	}
	e.lastFail = now
	if e.fails < 2 {
		return false
	}
	e.checks /= 3
	return e.checks == 0
}

// silence marks a live node as not live, which ends its relaying.
func (c *change) silence(e *entry, member bool) {
	e.live = false
	c.resnap = true
	if member {
		c.t.liveMembers.Add(-1)
		c.events.add(EventSilent, &e.node)
	}
}

// Demote makes a node unverified and due for a check. It is not relayed before it has answered
// another PING. Demote reports whether the table knows the node.
func (t *Table) Demote(now time.Duration, id enr.ID) bool {
	var c change
	if !t.begin(&c, now, &id) {
		return false
	}
	defer c.end()
	e, member := c.b.find(&id)
	if e == nil {
		return false
	}
	if e.live {
		c.silence(e, member)
	}
	e.forget()
	t.limits.count(e, uncounted)
	if member {
		e.due = now
	}
	return true
}

// Remove removes a node, member or replacement. A replacement takes the slot of a member. It
// reports whether the table knew the node.
func (t *Table) Remove(now time.Duration, id enr.ID) bool {
	var c change
	if !t.begin(&c, now, &id) {
		return false
	}
	defer c.end()
	e, member := c.b.find(&id)
	if e == nil {
		return false
	}
	c.drop(e, member)
	return true
}
