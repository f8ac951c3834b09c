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
	// reachNeeded is the number of sites that prove an endpoint.
	reachNeeded = 2
	// settleTime is the time after a change of the endpoint during which nothing counts against it:
	// other nodes have yet to learn of it.
	settleTime = time.Minute
	// checkersNeeded is the number of sites that must check this node, as nodes do with their
	// table, before a node that had to be found counts against the endpoint.
	checkersNeeded = 3
	// maxMissed bounds the networks counted against an endpoint.
	maxMissed = 256
	// maxWaiting bounds the unsolicited peers whose PONG is awaited, waitTime the time.
	maxWaiting = 32
	waitTime   = 10 * time.Second
)

// proof records which sites have reached this node at an endpoint without having been contacted.
type proof struct {
	at    netip.AddrPort
	by    [reachNeeded]netip.Prefix
	n     int
	saved bool          // it was complete before a restart
	last  time.Duration // time of the last contact
}

func (p *proof) done() bool { return p.saved || p.n >= reachNeeded }

// add notes a site. It reports whether the endpoint has become proven.
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

// waiting is an unsolicited peer with a session. Its PONG will name the endpoint at which it has
// reached this node, because all its packets pass a NAT by one mapping.
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

// noteUnsolicited is called when a peer that this node had not contacted has made a session.
func (w *Worker) noteUnsolicited(t *task, by *enr.Record) {
	e, a := w.e, &w.e.address
	a.came.noteNode(w.now, by.ID())
	if e.cfg.DetectAddress < 0 {
		return
	}
	from := t.from.Addr()
	f := netaddr.FamilyOf(from)
	a.mu.Lock()
	e.follow(w.now, f)
	r := &a.fam[f]
	if r.at.IsValid() && netaddr.ClassOf(from) != netaddr.ClassOf(r.at.Addr()) || w.now < a.proofsFrom {
		a.mu.Unlock()
		// It came by another route than others do, or was contacted before the last restart.
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
	if ask { // otherwise its first check votes, if it enters the table
		w.requestVote(lookup.NewPeer(by, t.from))
	}
}

// pongFrom is called with the endpoint that a PONG names.
func (w *Worker) pongFrom(c *call, says netip.AddrPort) {
	e, a := w.e, &w.e.address
	if e.cfg.DetectAddress < 0 {
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

// vote counts the vote of a peer. An IPv6 host sends from temporary addresses that change daily, in
// the subnet of its stable address. The record should name the stable one, so a vote for a
// temporary address counts for it.
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

// voterRank returns how a peer became known.
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
		// Nothing shows that this node found it. It may have made contact first and been forgotten.
		return voterCame
	}
	return voterChosen
}

// provedLocked notes that an unsolicited peer has reached this node at an endpoint. If the record
// names another one, that speaks against the record. a.mu is held.
func (e *Engine) provedLocked(now time.Duration, f netaddr.Family, site netip.Prefix, at netip.AddrPort) (ev Event) {
	r := &e.address.fam[f]
	e.address.votes.note(now)
	if r.barred == at.Addr() {
		r.knocked.toward(at)
		if r.knocked.add(now, site) {
			r.barred, r.barredTill = netip.Addr{}, 0 // the NAT lets others in
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

// toward resets p unless it is the proof of that endpoint.
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

// missWindow is the time for which a miss counts: a few within days mean nothing.
func (e *Engine) missWindow() time.Duration { return 6 * e.cfg.ReachWait }

// miss counts a site against the endpoint. It reports whether the site is new.
func (r *reach) miss(now time.Duration, site netip.Prefix) bool {
	if now-r.since < settleTime || len(r.missed) >= maxMissed ||
		slices.ContainsFunc(r.missed, func(m miss) bool { return m.site == site }) {
		return false
	}
	r.missed = append(r.missed, miss{site, now})
	return true
}

// misses drops expired misses and returns the number left.
func (r *reach) misses(now, window time.Duration) int {
	r.missed = slices.DeleteFunc(r.missed, func(m miss) bool { return now-m.at > window })
	return len(r.missed)
}

// found is called when a node has made a session that this node asked for, before it is offered to
// the table. If the two have not met before, the node had not found this one first.
func (w *Worker) found(id enr.ID, at netip.Addr) {
	e, a := w.e, &w.e.address
	if e.cfg.DetectAddress < 0 {
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

// Peers are asked for their vote beside the checks of the table: up to opinionBurst in a row, then
// one each opinionInterval.
const (
	opinionBurst    = 16
	opinionInterval = time.Second
)

// answeredAt is called when a peer has made a session that this node asked for. It requests a vote
// if the peer did not have the session before, because the address of this node may have changed.
// It also does if votes are missing and the table has no room for the peer and so will not check
// it.
func (w *Worker) answeredAt(p Peer, renewed bool) {
	e, a := w.e, &w.e.address
	f := netaddr.FamilyOf(p.Addr.Addr())
	if e.cfg.DetectAddress < 0 || p.ID == (enr.ID{}) || a.isFixed(f) || !renewed && !a.undecided[f].Load() {
		return
	}
	if _, has := e.table.Seq(p.ID); has && !renewed {
		return
	}
	a.mu.Lock()
	// nextOpinion is the time by which all allowed requests will have been made.
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
	// contactLife is the time for which an address counts as contacted: longer than NATs keep a
	// mapping open.
	contactLife = 10 * time.Minute
	// cameLife is the time for which the node remembers who made contact first.
	cameLife    = 24 * time.Hour
	contactSize = 512
)

// contacts remembers when addresses or nodes were last noted. Entries that share a slot overwrite
// each other. A slot keeps half of the hash, so confusion is rare.
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
	at := time.Duration(uint32(v)) * time.Second // rounded up to a second
	return v != 0 && v&^(1<<32-1) == tag && now-at < life
}

// note remembers that this node has sent a request to an address, answered or not. A NAT lets in
// replies from there, so they prove nothing about other peers.
func (c *contacts) note(now time.Duration, a netip.Addr) {
	b := a.As16()
	c.noteBytes(now, b[:])
}

// lately reports whether an address was contacted within contactLife.
func (c *contacts) lately(now time.Duration, a netip.Addr) bool {
	b := a.As16()
	return c.within(now, contactLife, b[:])
}

// noteNode remembers that a node made contact first.
func (c *contacts) noteNode(now time.Duration, id enr.ID) { c.noteBytes(now, id[:]) }

// came reports whether a node made contact first.
func (c *contacts) came(now time.Duration, id enr.ID) bool { return c.within(now, cameLife, id[:]) }
