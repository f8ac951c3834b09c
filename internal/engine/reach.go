package engine

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/zeebo/xxh3"
)

const (
	// reachNeeded is how many sites prove an endpoint.
	reachNeeded = 2
	// settleTime is how long after a change of the endpoint nothing counts against it: this node
	// and its network have yet to get to know each other.
	settleTime = time.Minute
	// checkersNeeded is how many sites must check this node, as they do with nodes of their tables,
	// before a node that it had to find counts against its endpoint.
	checkersNeeded = 3
	// maxMissed bounds the networks that are counted against an endpoint.
	maxMissed = 256
	// maxWaiting bounds the unsolicited sources whose PONG is waited for, waitTime how long.
	maxWaiting = 32
	waitTime   = 10 * time.Second
)

// proof is who has reached this node at an endpoint without having been contacted.
type proof struct {
	at    netip.AddrPort
	by    [reachNeeded]netip.Prefix
	n     int
	saved bool          // it was done in an earlier life of the node
	last  time.Duration // when the last one came
}

func (p *proof) done() bool { return p.saved || p.n >= reachNeeded }

// add notes a site, and reports whether the endpoint has become proven by it.
func (p *proof) add(now time.Duration, site netip.Prefix) bool {
	p.last = now
	if p.n == len(p.by) || slices.Contains(p.by[:p.n], site) {
		return false
	}
	before := p.done()
	p.by[p.n] = site
	p.n++
	return !before && p.done()
}

func (p *proof) networks() []netip.Prefix {
	return slices.Clone(p.by[:p.n])
}

// waiting is an unsolicited source that has made a session. Its PONG will tell at which endpoint it
// has reached this node: what it sends and what it is sent pass a NAT by one mapping.
type waiting struct {
	key  session.Key
	site netip.Prefix
	at   time.Duration
}

// siteOf returns the network that an address counts for in proofs: its site, or inside a private
// network the address alone.
func siteOf(a netip.Addr) netip.Prefix {
	if netaddr.ClassOf(a) == netaddr.Global {
		return netaddr.Site(a).Netip()
	}
	return netip.PrefixFrom(netaddr.Normalize(a), a.Unmap().BitLen())
}

// stranger is called when a node that this one had not contacted has made a session.
func (w *Worker) noteUnsolicited(t *task, by *enr.Record) {
	e, a := w.e, &w.e.address
	a.came.noteNode(w.now, by.ID())
	if e.cfg.VoteMin < 0 {
		return
	}
	from := t.from.Addr()
	f := netaddr.FamilyOf(from)
	a.mu.Lock()
	e.follow(w.now, f)
	r := &a.fam[f]
	if r.at.IsValid() && netaddr.ClassOf(from) != netaddr.ClassOf(r.at.Addr()) || w.now < a.proofsFrom {
		a.mu.Unlock()
		// it has come by another way than others do, or the last life of this node has contacted it
		return
	}
	if local := e.LocalAddr(t.via); local.IsValid() && netaddr.ClassOf(local) == netaddr.ClassOf(from) {
		for _, end := range [...]netip.AddrPort{r.at, r.before.at, r.base} {
			if end.IsValid() && end.Addr() == netaddr.Normalize(local) {
				ev := e.provedLocked(w.now, f, siteOf(from), end)
				a.mu.Unlock()
				e.addressEvent(ev)
				return
			}
		}
	}
	slot := 0
	for i := range a.waiting {
		if a.waiting[i].at < a.waiting[slot].at {
			slot = i
		}
	}
	a.waiting[slot] = waiting{t.key, siteOf(from), w.now + 1}
	ask := r.detected() && !r.proof.done() && w.now >= r.nextAsk
	if ask {
		r.nextAsk = w.now + time.Second
	}
	a.mu.Unlock()
	if ask { // else its first check will tell, if it gets into the table
		w.requestVote(lookup.NewPeer(by, t.from))
	}
}

// pongFrom is called with the endpoint at which a peer sees this node, as its PONG says.
func (w *Worker) pongFrom(c *call, says netip.AddrPort) {
	e, a := w.e, &w.e.address
	if e.cfg.VoteMin < 0 {
		return
	}
	says = netaddr.NormalizePort(says)
	by := voter{c.request.Peer.ID, c.request.Peer.Addr, e.voterRank(w.now, c.request.Peer.ID)}
	e.vote(w.now, by, says)
	a.mu.Lock()
	i := slices.IndexFunc(a.waiting[:], func(s waiting) bool { return s.at > 0 && s.key == c.key })
	if i < 0 {
		a.mu.Unlock()
		return
	}
	s := a.waiting[i]
	a.waiting[i] = waiting{}
	var ev Event
	if f := netaddr.FamilyOf(by.addr.Addr()); w.now-s.at <= waitTime && f == netaddr.FamilyOf(says.Addr()) {
		ev = e.provedLocked(w.now, f, s.site, says)
	}
	a.mu.Unlock()
	e.addressEvent(ev)
}

// vote takes the vote of a peer. An IPv6 host sends from temporary addresses, of which it has
// another one each day. They are of the link of its stable address, which is the one to name: a
// vote for such an address is one for that.
func (e *Engine) vote(now time.Duration, by voter, says netip.AddrPort) {
	if f := netaddr.FamilyOf(says.Addr()); f == netaddr.IPv6 && netaddr.ClassOf(says.Addr()) == netaddr.Global {
		e.address.mu.Lock()
		base := e.address.fam[f].base
		e.address.mu.Unlock()
		link := netaddr.PrefixOf(says.Addr(), netaddr.SubnetBits6)
		if base.IsValid() && base.Port() == says.Port() && netaddr.PrefixOf(base.Addr(), netaddr.SubnetBits6) == link {
			says = base
		}
	}
	e.address.votes.add(now, by, says)
}

// voterRank says how a peer came to be known.
func (e *Engine) voterRank(now time.Duration, id enr.ID) voterRank {
	if anchors := e.address.anchors.Load(); anchors != nil {
		if _, ok := (*anchors)[id]; ok {
			return voterAnchor
		}
	}
	n, _, known := e.table.Get(id)
	switch a := &e.address; {
	case known && n.Inbound || a.came.came(now, id):
		return voterCame
	case !known && !a.met.came(now, id):
		// nothing says that this node found it: who came first may have been forgotten
		return voterCame
	}
	return voterChosen
}

// provedLocked notes that an unsolicited source has reached this node at an endpoint. If the record
// names another one, that speaks against the record. a.mu is held.
func (e *Engine) provedLocked(now time.Duration, f netaddr.Family, site netip.Prefix, at netip.AddrPort) (ev Event) {
	r := &e.address.fam[f]
	e.address.votes.note(now)
	if r.barred == at.Addr() {
		r.knocked.toward(at)
		if r.knocked.add(now, site) {
			r.barred, r.barredTill = netip.Addr{}, 0 // the NAT lets others in by now
		}
	}
	switch at {
	case r.at:
		r.missed, r.elsewhere = nil, 0
		if r.proof.add(now, site) {
			ev = Event{Kind: AddressProven, ID: e.self, Addr: at, Record: e.Record(), Family: f}
		}
		return ev
	case r.before.at:
		r.before.add(now, site)
	case r.base:
		r.baseProof.toward(at)
		r.baseProof.add(now, site)
	}
	if r.detected() && r.miss(now, site) {
		r.elsewhere++
	}
	return ev
}

// toward makes p the proof of an endpoint.
func (p *proof) toward(at netip.AddrPort) {
	if p.at != at {
		*p = proof{at: at}
	}
}

// miss is a network that speaks against an endpoint.
type miss struct {
	site netip.Prefix
	at   time.Duration
}

// missWindow is for how long a miss counts: a few within days say nothing.
func (e *Engine) missWindow() time.Duration { return 6 * e.cfg.ReachWait }

// miss counts a site against the endpoint. It reports whether it is a new one.
func (r *reach) miss(now time.Duration, site netip.Prefix) bool {
	if now-r.since < settleTime || len(r.missed) >= maxMissed ||
		slices.ContainsFunc(r.missed, func(m miss) bool { return m.site == site }) {
		return false
	}
	r.missed = append(r.missed, miss{site, now})
	return true
}

// misses forgets misses that are too old, and returns how many there are.
func (r *reach) misses(now, window time.Duration) int {
	r.missed = slices.DeleteFunc(r.missed, func(m miss) bool { return now-m.at > window })
	return len(r.missed)
}

// found is called when a node has made a session that this one asked for, before it is admitted to
// the table. If they had never met, that one did not find this one first.
func (w *Worker) found(id enr.ID, at netip.Addr) {
	e, a := w.e, &w.e.address
	if e.cfg.VoteMin < 0 {
		return
	}
	met := a.met.came(w.now, id)
	a.met.noteNode(w.now, id)
	if met || !a.detected.Load() || e.voterRank(w.now, id) != voterChosen || e.removed.find(id) != nil {
		return
	}
	if _, known := e.table.Seq(id); known {
		return
	}
	f := netaddr.FamilyOf(at)
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.fam[f]
	if r.detected() && netaddr.ClassOf(at) == netaddr.ClassOf(r.at.Addr()) && r.miss(w.now, siteOf(at)) {
		a.votes.note(w.now)
	}
}

// Peers are asked for their opinion beside the checks of the table: up to opinionBurst in a row,
// and one each opinionInterval.
const (
	opinionBurst    = 16
	opinionInterval = time.Second
)

// answeredAt is called when a peer has made a session that this node asked for. It is asked at
// which address it sees this node if it did not know the session before, as this node's address may
// have changed, and if votes are missing and the table has no slot for the peer, which would check
// it.
func (w *Worker) answeredAt(p Peer, renewed bool) {
	e, a := w.e, &w.e.address
	f := netaddr.FamilyOf(p.Addr.Addr())
	if e.cfg.VoteMin < 0 || p.ID == (enr.ID{}) || a.isFixed(f) || !renewed && !a.undecided[f].Load() {
		return
	}
	if _, has := e.table.Seq(p.ID); has && !renewed {
		return
	}
	a.mu.Lock()
	// nextOpinion is when all that may be asked will have been asked.
	a.nextOpinion = max(a.nextOpinion, w.now)
	ask := a.nextOpinion-w.now < opinionBurst*opinionInterval
	if ask {
		a.nextOpinion += opinionInterval
	}
	a.mu.Unlock()
	if ask {
		w.requestVote(p)
	}
}

// checkedBy is called when a peer sends a PING while an endpoint is unproven.
func (a *address) checkedBy(now time.Duration, from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.fam[netaddr.FamilyOf(from)]
	if site := siteOf(from); len(r.checkers) < checkersNeeded && now-r.since >= settleTime && !slices.Contains(r.checkers, site) {
		r.checkers = append(r.checkers, site)
		a.votes.note(now)
	}
}

const (
	// contactLife is for how long an address counts as contacted: longer than NATs keep the way
	// open for its answers.
	contactLife = 10 * time.Minute
	// cameLife is for how long a node is known to have made contact first.
	cameLife    = 24 * time.Hour
	contactSize = 512
)

// contacts remembers when addresses or nodes were noted last. A slot holds the last of those that
// share it. As it holds a part of the hash, others are seldom taken for that one.
type contacts struct {
	seed  uint64
	slots [contactSize]atomic.Uint64 // upper half of the hash | seconds + 1
}

func (c *contacts) slot(b []byte) (slot *atomic.Uint64, tag uint64) {
	h := xxh3.HashSeed(b, c.seed)
	return &c.slots[h%contactSize], h &^ (1<<32 - 1)
}

func (c *contacts) noteBytes(now time.Duration, b []byte) {
	slot, tag := c.slot(b)
	slot.Store(tag | uint64(uint32(now/time.Second)+1))
}

func (c *contacts) within(now, life time.Duration, b []byte) bool {
	slot, tag := c.slot(b)
	v := slot.Load()
	at := time.Duration(uint32(v)) * time.Second // up to a second too late
	return v != 0 && v&^(1<<32-1) == tag && now-at < life
}

// note remembers that this node has sent a request to an address, answered or not. A NAT lets in
// what comes from there, so it proves nothing about who else can reach this node.
func (c *contacts) note(now time.Duration, a netip.Addr) {
	b := a.As16()
	c.noteBytes(now, b[:])
}

// lately reports whether an address was contacted within contactLife.
func (c *contacts) lately(now time.Duration, a netip.Addr) bool {
	b := a.As16()
	return c.within(now, contactLife, b[:])
}

// noteNode remembers that a node has made contact first.
func (c *contacts) noteNode(now time.Duration, id enr.ID) { c.noteBytes(now, id[:]) }

// came reports whether a node made contact first.
func (c *contacts) came(now time.Duration, id enr.ID) bool { return c.within(now, cameLife, id[:]) }
