package table

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// numBuckets is one per log distance 1..256; bucket i holds distance i+1.
const numBuckets = 256

const never = time.Duration(math.MaxInt64)

// The liveness rules, see the package comment.
const (
	maxChecks   = 81              // credit stops growing here: five failures bring it to 0
	silentAfter = 3               // consecutive failures after which a node is no longer relayed
	failureGap  = 1 * time.Second // failures closer together are one loss
	slowGrowth  = 10              // longest pause between checks in units of RevalidateSlow
)

// Table is the node table. Its methods may be called by any number of goroutines at once.
type Table struct {
	buckets [numBuckets]bucket // first, so that each lies in a cache line of its own

	// Published by whoever holds the bucket's lock and read without it. It lies apart from the
	// buckets so that readers do not share cache lines with the locks.
	snapshots [numBuckets]atomic.Pointer[Snapshot]
	indexes   [numBuckets]atomic.Pointer[index]
	due       [numBuckets]atomic.Int64 // earliest check time of the bucket
	refreshed [numBuckets]atomic.Int64 // time of the last refresh plus one, 0 for never

	cfg Config // read by every call, never written
	_   [64]byte

	limits      prefixCounts
	lowest      atomic.Int32  // bucket below which all are empty and have always been
	cursor      atomic.Uint32 // bucket at which the next call of Due begins
	members     atomic.Int64
	liveMembers atomic.Int64

	adds                                       [numAddResults]atomic.Uint64
	live, failed, removed, promoted, displaced atomic.Uint64
}

// New returns an empty table. Unset fields of cfg get their defaults.
func New(cfg Config) *Table {
	t := &Table{cfg: cfg.withDefaults()}
	t.limits = prefixCounts{count: make(map[prefix]int), limit: t.cfg.TableIPLimit}
	t.lowest.Store(numBuckets)
	for i := range t.buckets {
		t.buckets[i].rng = t.cfg.Seed + uint64(i)<<32
		t.due[i].Store(int64(never))
	}
	return t
}

// change is one locked change of a bucket: what it did is published and told when it ends.
type change struct {
	t       *Table
	b       *bucket
	i       int // of the bucket
	now     time.Duration
	reindex bool // membership or a sequence number changed
	resnap  bool // something that a Snapshot shows changed
	events  events
}

// begin locks the bucket of id. ok is false for the local node, which has no bucket.
func (t *Table) begin(c *change, now time.Duration, id *enr.ID) (ok bool) {
	d := enr.LogDistance(t.cfg.Self, *id)
	if d == 0 {
		return false
	}
	c.t, c.i, c.b, c.now = t, d-1, &t.buckets[d-1], now
	c.b.mu.Lock()
	return true
}

// end publishes, unlocks and tells the listener.
func (c *change) end() {
	t := c.t
	if c.reindex {
		t.indexes[c.i].Store(newIndex(c.b))
		for low := t.lowest.Load(); low > int32(c.i) && !t.lowest.CompareAndSwap(low, int32(c.i)); low = t.lowest.Load() {
		}
	}
	if c.resnap {
		t.snapshots[c.i].Store(newSnapshot(c.b.members))
	}
	t.due[c.i].Store(int64(c.b.earliest()))
	c.b.mu.Unlock()
	t.emit(&c.events)
}

// Add offers a node. The caller has verified the record and has completed a handshake with the
// node, or trusts it for another reason; S11: an identity without a handshake is never offered.
//
// A new node becomes a member if there is room, else a replacement. It is unverified: not relayed
// before MarkLive. A node that is known is updated by a newer record. An endpoint that differs
// from the known one comes with a newer record or takes the place of one that does not answer; the
// node is then unverified again. An older record changes nothing. When Add refuses a newer record
// of a known node, the table keeps what it has.
func (t *Table) Add(now time.Duration, n Node) AddResult {
	r := t.add(now, &n)
	t.adds[r].Add(1)
	return r
}

func (t *Table) add(now time.Duration, n *Node) AddResult {
	if n.ID == t.cfg.Self {
		return RejectedSelf
	}
	if len(n.Record) == 0 || len(n.Record) > MaxRecordSize {
		return RejectedRecord
	}
	n.normalize()
	if n.Addr.Port() == 0 || Class(n.Addr.Addr()) == Special {
		return RejectedAddr
	}
	if t.cfg.Filter != nil && !t.cfg.Filter(*n) {
		return RejectedFilter
	}
	var c change
	t.begin(&c, now, &n.ID)
	defer c.end()
	if e, member := c.b.find(&n.ID); e != nil {
		return c.update(e, member, n)
	}
	return c.insert(n)
}

func (c *change) insert(n *Node) AddResult {
	cfg, b := &c.t.cfg, c.b
	room := b.hasRoom(cfg, n.Inbound)
	if !room && cfg.Replacements < 1 {
		return RejectedFull
	}
	p := prefixOf(n.Addr.Addr())
	if r := c.takePrefix(p); r != Added {
		return r
	}
	e := newEntry(c.now, n, p)
	c.reindex = true
	if room {
		c.join(&e)
		return Added
	}
	if len(b.waiting) >= cfg.Replacements {
		i := b.displaced()
		c.t.limits.release(b.waiting[i].prefix)
		b.waiting = cut(b.waiting, i)
		c.t.displaced.Add(1)
	}
	b.waiting = push(b.waiting, &e, cfg.Replacements)
	return Replacement
}

// takePrefix counts one more node of p, or says which limit forbids it. Members and replacements
// count alike, so a replacement that takes over never breaks a limit.
func (c *change) takePrefix(p prefix) AddResult {
	if p != (prefix{}) && c.t.cfg.BucketIPLimit >= 0 && c.b.countPrefix(p) >= c.t.cfg.BucketIPLimit {
		return RejectedBucketIP
	}
	if !c.t.limits.take(p) {
		return RejectedTableIP
	}
	return Added
}

func (c *change) update(e *entry, member bool, n *Node) AddResult {
	newer, moved := n.Seq > e.node.Seq, n.Addr != e.node.Addr
	switch {
	case n.Seq < e.node.Seq:
		return Unchanged
	case !newer && (!moved || e.live):
		// A second endpoint under the same record does not push out one that answers: a dual-stack
		// node that shakes hands over both families would never stay verified.
		e.lastSeen = c.now
		return Unchanged
	}
	if moved {
		if p := prefixOf(n.Addr.Addr()); p != e.prefix {
			if r := c.takePrefix(p); r != Added {
				return r
			}
			c.t.limits.release(e.prefix)
			e.prefix = p
		}
		if e.live && member {
			c.t.liveMembers.Add(-1)
		}
		e.forget()
		e.node.Addr = n.Addr
		// A check that stands is never put off, or a node that keeps moving would never be checked.
		e.due = min(e.due, c.now+FirstCheckDelay)
	}
	if newer {
		if n.UDP4 != e.node.UDP4 {
			e.proven &^= IPv4
		}
		if n.UDP6 != e.node.UDP6 {
			e.proven &^= IPv6
		}
		e.node.Record, e.node.Seq, e.node.UDP4, e.node.UDP6 = n.Record, n.Seq, n.UDP4, n.UDP6
		c.reindex = true
	}
	e.lastSeen = c.now
	if member {
		c.resnap = true
		c.events.add(EventUpdated, &e.node)
	}
	return Updated
}

// join makes e a member. There is room.
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

// drop takes e out of the table and gives a freed member's place to a replacement.
func (c *change) drop(e *entry, member bool) {
	b, t := c.b, c.t
	t.limits.release(e.prefix)
	c.reindex = true
	if !member {
		for i := range b.waiting {
			if &b.waiting[i] == e {
				b.waiting = cut(b.waiting, i)
				return
			}
		}
	}
	for i := range b.members {
		if &b.members[i] != e {
			continue
		}
		c.events.add(EventRemoved, &e.node)
		t.members.Add(-1)
		if e.live {
			t.liveMembers.Add(-1)
			c.resnap = true
		}
		b.members = cut(b.members, i)
		break
	}
	if i := b.successor(&t.cfg); i >= 0 {
		next := b.waiting[i]
		b.waiting = cut(b.waiting, i)
		next.due = c.now // nobody has checked it while it waited
		c.join(&next)
		t.promoted.Add(1)
	}
}

// MarkLive notes that the node has answered a PING that was sent to addr. It reports whether addr
// is an endpoint of that node in the table. An answer at Node.Addr makes the node live and puts
// its next check off. An answer at another endpoint stated by the record proves that endpoint and
// nothing else.
func (t *Table) MarkLive(now time.Duration, id enr.ID, addr netip.AddrPort) bool {
	var c change
	if !t.begin(&c, now, &id) {
		return false
	}
	defer c.end()
	e, member := c.b.find(&id)
	addr = unmap(addr)
	if e == nil || !addr.IsValid() || !e.node.endpoint(addr) {
		return false
	}
	t.live.Add(1)
	e.lastSeen = now
	if e.prove(addr) && member {
		c.resnap = true
	}
	if addr != e.node.Addr {
		return true
	}
	e.checks, e.fails = min(e.checks+1, maxChecks), 0
	e.due = now + c.b.jitter(t.cfg.RevalidateSlow*time.Duration(min(e.checks, slowGrowth)))
	if !e.live {
		e.live = true
		if member {
			t.liveMembers.Add(1)
			c.resnap = true
			c.events.add(EventLive, &e.node)
		}
	}
	return true
}

// MarkFailed notes that the node has left a request without an answer. It reports whether the
// table has dropped the node for that.
//
// The first failure of a verified node only brings its next check forward; from the second on, each
// cuts its credit to a third. Without credit it is dropped. After silentAfter failures in a row it
// is not relayed until it answers. A node never verified is dropped at the second failure, or at
// the first if a replacement waits. A replacement is dropped at the first. Failures less than a
// second after the last one that counted are the same loss, and do not count.
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
	if e.fail(now) || !member || e.checks == 0 && len(c.b.waiting) > 0 {
		if member {
			t.removed.Add(1)
		}
		c.drop(e, member)
		return true
	}
	if e.live && e.fails >= silentAfter {
		c.silence(e)
	}
	e.due = now + c.b.jitter(min(t.cfg.RevalidateFast<<min(e.fails-1, 10), t.cfg.RevalidateSlow))
	return false
}

// fail counts one failure and reports whether it was the last that the node may have.
func (e *entry) fail(now time.Duration) (dead bool) {
	e.fails++
	e.lastFail = now
	if e.fails < 2 {
		return false
	}
	e.checks /= 3
	return e.checks == 0
}

// silence ends the relaying of a live member.
func (c *change) silence(e *entry) {
	e.live = false
	c.t.liveMembers.Add(-1)
	c.resnap = true
	c.events.add(EventSilent, &e.node)
}

// Demote makes a node unverified, so that it is not relayed before it has answered another PING, and
// due for a check at once. It reports whether the table knows the node.
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
	if e.live && member {
		c.silence(e)
	}
	e.forget()
	e.due = now
	return true
}

// Remove takes a node out of the table, member or replacement. A replacement takes the place of a
// member. It reports whether the table knew the node.
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
