package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
)

const (
	// DefaultReachWait is the shortest time for which an endpoint from votes stays.
	DefaultReachWait = 5 * time.Minute
	// DefaultReachMisses is the smallest number of networks that must speak against it.
	DefaultReachMisses = 5
	// DefaultReachRetry is the time for which votes for a revoked address are ignored.
	DefaultReachRetry = time.Hour

	// addressInterval is the time between two counts of the votes.
	addressInterval = time.Second
	// When some voters change their mind, the silent ones are asked: asksPerCount for each count,
	// and none more often than each askInterval.
	asksPerCount = 4
	askInterval  = time.Minute
)

// address keeps the endpoints of the local record correct. Votes set them. Evidence against them
// removes them; the lack of unsolicited contacts alone does not. docs/ARCHITECTURE.md has the
// rules.
type address struct {
	votes     votes
	contacts  contacts // addresses that this node has sent requests to
	came      contacts // nodes that made contact first
	met       contacts // nodes that this node contacted first
	anchors   atomic.Pointer[map[enr.ID]struct{}]
	detected  atomic.Bool                      // an endpoint was set by votes, or saved
	watch     atomic.Bool                      // PINGs of peers are evidence about it
	undecided [netaddr.NumFamilies]atomic.Bool // no endpoint has won the vote

	// proofsFrom is the time from which unsolicited contacts count: after a restart a NAT still
	// lets in nodes that were contacted before.
	proofsFrom time.Duration

	mu          sync.Mutex
	nextOpinion time.Duration
	next        time.Duration // of the next count without new votes
	open        bool          // there is one
	fam         [netaddr.NumFamilies]reach
	waiting     [maxWaiting]waiting

	fixed  [netaddr.NumFamilies]atomic.Bool // votes change nothing
	pinned [netaddr.NumFamilies]atomic.Bool // because of PinAddress
}

// reach is the state of the endpoint of one family.
type reach struct {
	at     netip.AddrPort
	source AddressSource
	since  time.Duration
	proof  proof

	missed    []miss         // networks that speak against it
	elsewhere int            // those that have made contact at another endpoint
	checkers  []netip.Prefix // sites that check this node, up to checkersNeeded
	inDoubt   bool
	doubt     time.Duration // since when
	nextAsk   time.Duration // when the next unsolicited peer may be asked
	probed    time.Duration // when the last single dissenting voter was followed up
	nextBoot  time.Duration // when bootnodes may be asked next
	boot      int           // index of the first of them

	base         netip.AddrPort // of an interface or the program
	baseProof    proof          // of base, while the record names another endpoint
	before       proof          // of the endpoint to return to
	beforeSource AddressSource

	barred     netip.Addr
	barredTill time.Duration
	knocked    proof // of an endpoint at the barred address
}

// detected reports whether the endpoint can be revoked.
func (r *reach) detected() bool { return r.source == AddressVoted || r.source == AddressSaved }

// initAddress takes the saved state of the endpoints of the first record.
func (e *Engine) initAddress(known []AddressState) {
	a := &e.address
	for f := range netaddr.Family(netaddr.NumFamilies) {
		r := &a.fam[f]
		if r.at = endpointOf(e.Record(), f); r.at.IsValid() {
			r.source, r.base = AddressInterface, r.at
		}
		for _, k := range known {
			if k.Family != f {
				continue
			}
			a.fixed[f].Store(k.Source == AddressConfigured)
			if r.source = k.Source; k.Source == AddressVoted {
				r.source = AddressSaved // before a restart
			}
			r.base, r.before.at, r.beforeSource = k.Interface, k.Before, AddressSaved
			r.proof = proof{at: r.at, saved: k.Proven, last: k.ProvenAt}
			r.proof.n = copy(r.proof.by[:], k.ProvenBy)
			if r.detected() {
				a.detected.Store(true)
				a.watch.Store(true)
				a.proofsFrom = contactLife
			}
		}
	}
	for f := range a.undecided {
		a.undecided[f].Store(true)
	}
	e.setAnchors(nil)
}

// setAnchors sets the bootnodes whose vote counts most.
func (e *Engine) setAnchors(list []Peer) {
	m := make(map[enr.ID]struct{}, len(list))
	for _, p := range list {
		if !p.Unvouched && !p.Listed {
			m[p.ID] = struct{}{}
		}
	}
	e.address.anchors.Store(&m)
}

// follow updates the state after changes of the record by others. a.mu is held.
func (e *Engine) follow(now time.Duration, f netaddr.Family) {
	a := &e.address
	r, at := &a.fam[f], endpointOf(e.Record(), f)
	source := r.source
	switch {
	case !at.IsValid():
		source = AddressNone
	case a.pinned[f].Load():
		source = AddressPinned
	case a.fixed[f].Load():
		source = AddressConfigured
	case at != r.at:
		source = AddressInterface
		r.base = at
	}
	if at != r.at || source != r.source {
		r.become(now, at, source)
	}
}

// become notes that the record names another endpoint, or the same one for another reason.
func (r *reach) become(now time.Duration, at netip.AddrPort, source AddressSource) {
	if at != r.at {
		old := r.proof
		old.at = r.at
		switch at {
		case r.before.at:
			r.proof, r.before = r.before, proof{}
		case r.base:
			r.proof = r.baseProof
			r.proof.toward(at)
		default:
			// A proven endpoint is worth more than a later one.
			if r.detected() && old.at != r.base && (old.done() || !r.before.done()) {
				r.before, r.beforeSource = old, r.source
			}
			r.proof = proof{at: at}
		}
		if old.at == r.base {
			r.baseProof = old
		}
		r.since = now
	}
	r.at, r.source = at, source
	r.missed, r.elsewhere, r.checkers, r.inDoubt = nil, 0, nil, false
}

// PinAddress keeps votes from changing the endpoint of a family, for a caller that knows it, or
// lets them change it.
func (e *Engine) PinAddress(f netaddr.Family, pinned bool) {
	a := &e.address
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pinned[f].Swap(pinned) && !pinned && a.fam[f].source == AddressPinned {
		a.fam[f].source = AddressSaved
		if a.fixed[f].Load() {
			a.fam[f].source = AddressConfigured
		}
		a.detected.Store(true)
	}
	e.address.votes.note(a.next)
}

// SetInterface sets the machine's own endpoint of a family; an invalid one means none. If the
// record names another endpoint, it stays, and votes decide about it. Because the network is a new
// one, votes for a revoked address count.
func (e *Engine) SetInterface(f netaddr.Family, at netip.AddrPort) {
	a := &e.address
	a.mu.Lock()
	r := &a.fam[f]
	changed := r.base != at
	if changed {
		r.base, r.baseProof = at, proof{at: at}
		r.barred, r.barredTill, r.nextBoot = netip.Addr{}, 0, 0
	}
	next := a.next
	a.mu.Unlock()
	if changed {
		a.votes.note(next)
	}
}

// isFixed reports whether votes cannot change a family.
func (a *address) isFixed(f netaddr.Family) bool { return a.fixed[f].Load() || a.pinned[f].Load() }

// nextCount returns the time of the next count of votes.
func (e *Engine) nextCount() time.Duration {
	a := &e.address
	if e.cfg.DetectAddress < 0 {
		return never
	}
	next := never
	if at, ok := a.votes.changed(); ok {
		next = (max(at, 0)/addressInterval + 1) * addressInterval
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open {
		next = min(next, a.next)
	}
	return next
}

// updateAddress counts the votes and updates the record. Tick calls it.
func (w *Worker) updateAddress() {
	e, a := w.e, &w.e.address
	if w.now < e.nextCount() {
		return
	}
	a.votes.counting()
	open, detected, watch := false, false, false
	for f := range netaddr.Family(netaddr.NumFamilies) {
		b := a.votes.count(w.now, f)
		a.mu.Lock()
		e.follow(w.now, f)
		r := &a.fam[f]
		v := e.judge(w.now, f, b)
		_, won := b.winner(netaddr.Global, r.at, e.cfg.DetectAddress)
		a.undecided[f].Store(!won)
		var doubt Event
		if !v.change {
			doubt = e.doubt(w.now, r, b)
		}
		a.mu.Unlock()
		w.obey(f, v)
		w.askSilentVoters(f, r, b)
		e.addressEvent(doubt)
		a.mu.Lock()
		open = open || len(b) > 0 && (len(b) > 1 || b[0].at != r.at) || len(r.missed) > 0 || r.inDoubt
		detected = detected || r.detected()
		watch = watch || r.detected() && len(r.checkers) < checkersNeeded
		a.mu.Unlock()
	}
	a.mu.Lock()
	a.open, a.next = open, (w.now/addressInterval+1)*addressInterval
	a.mu.Unlock()
	a.detected.Store(detected)
	a.watch.Store(watch)
}

// verdict is the decision about the endpoint of a family.
type verdict struct {
	change bool
	kind   EventKind
	to     netip.AddrPort // invalid: the record names none
	source AddressSource
}

// judge decides about the endpoint of a family. a.mu is held.
func (e *Engine) judge(now time.Duration, f netaddr.Family, b ballot) (v verdict) {
	a := &e.address
	r := &a.fam[f]
	if a.isFixed(f) {
		return v
	}
	won, ok := b.winner(netaddr.Global, r.at, e.cfg.DetectAddress)
	switch {
	case ok && won == r.at:
		r.confirm()
	case ok && !r.isBarred(now, won):
		return verdict{true, AddressChanged, won, AddressVoted}
	default:
		if at, source, ok := e.restorable(now, r, b); ok {
			return verdict{true, AddressChanged, at, source}
		}
	}
	if e.disproved(now, r) {
		at, source := e.fallback(f, r, b)
		r.barred, r.barredTill, r.knocked = r.at.Addr(), now+e.cfg.ReachRetry, proof{}
		return verdict{true, AddressRevoked, at, source}
	}
	return e.judgePrivate(now, f, b)
}

// judgePrivate is judge for votes inside a private network or a machine.
func (e *Engine) judgePrivate(now time.Duration, f netaddr.Family, b ballot) (v verdict) {
	r := &e.address.fam[f]
	// No public peer has voted for the saved endpoint: the node may have moved to another network.
	moved := r.source == AddressSaved && now-max(r.since, r.proof.last) > e.cfg.ReachWait &&
		b.rival(netaddr.Global, netip.AddrPort{}).voters == 0
	for _, class := range [...]netaddr.Class{netaddr.Private, netaddr.Loopback} {
		if r.at.IsValid() && netaddr.ClassOf(r.at.Addr()) < class && !moved {
			return v // fewer hosts could reach it
		}
		won, ok := b.winner(class, r.at, min(e.cfg.DetectAddress, privateVotes))
		if ok && won != r.at && e.fits(f, won) {
			return verdict{true, AddressChanged, won, AddressVoted}
		}
	}
	return v
}

// isBarred reports whether the address of an endpoint was revoked.
func (r *reach) isBarred(now time.Duration, at netip.AddrPort) bool {
	return r.barred == at.Addr() && now < r.barredTill
}

// confirm notes that a saved endpoint has won the vote.
func (r *reach) confirm() {
	if r.source == AddressSaved {
		r.source = AddressVoted
	}
}

// fits reports whether the record can name an endpoint beside that of the other family: nodes
// refuse a record with a private endpoint beside a public one.
func (e *Engine) fits(f netaddr.Family, at netip.AddrPort) bool {
	other := endpointOf(e.Record(), f.Other())
	return !other.IsValid() || netaddr.ClassOf(other.Addr()) >= netaddr.ClassOf(at.Addr())
}

// restorable returns an earlier endpoint of the record that needs less evidence than a new one: a
// third of the votes, or unsolicited contacts there since another endpoint replaced it. The current
// one has not won the vote.
func (e *Engine) restorable(now time.Duration, r *reach, b ballot) (at netip.AddrPort, source AddressSource, ok bool) {
	for _, c := range [...]struct {
		proof
		source AddressSource
	}{{r.before, r.beforeSource}, {proof{at: r.base, by: r.baseProof.by, n: r.baseProof.n, last: r.baseProof.last}, AddressInterface}} {
		if !c.at.IsValid() || c.at == r.at || netaddr.ClassOf(c.at.Addr()) != netaddr.Global || r.isBarred(now, c.at) {
			continue
		}
		came := c.n >= reachNeeded && c.last > r.since && !r.proof.done()
		if came || b.beats(c.at, r.at, (e.cfg.DetectAddress+2)/3) {
			return c.at, c.source, true
		}
	}
	return at, source, false
}

// missesNeeded returns the number of networks that must speak against the endpoint. A node with a
// larger table meets more nodes that have never learned of it.
func (e *Engine) missesNeeded(r *reach) int {
	n := max(e.cfg.ReachMisses, e.table.LiveLen()/8)
	if r.proof.done() {
		n *= 4
	}
	return min(n, maxMissed)
}

// disproved reports whether a detected endpoint must leave the record: others reach this network,
// but none of them this node, although its neighbors relay it.
func (e *Engine) disproved(now time.Duration, r *reach) bool {
	return r.detected() && e.cfg.ReachWait > 0 && now-max(r.since, r.proof.last) > e.cfg.ReachWait &&
		r.misses(now, e.missWindow()) >= e.missesNeeded(r) && (len(r.checkers) >= checkersNeeded || r.elsewhere >= reachNeeded)
}

// fallback returns the endpoint that replaces a revoked one.
func (e *Engine) fallback(f netaddr.Family, r *reach, b ballot) (at netip.AddrPort, source AddressSource) {
	switch {
	case r.before.at.IsValid() && r.before.at.Addr() != r.at.Addr() && e.fits(f, r.before.at) &&
		(r.before.last > r.since || b.of(r.before.at).weight() > b.of(r.at).weight()):
		return r.before.at, r.beforeSource
	case r.base.IsValid() && r.base.Addr() != r.at.Addr() && e.fits(f, r.base):
		return r.base, AddressInterface
	}
	return netip.AddrPort{}, AddressNone
}

// rival returns the tally of the endpoint that most peers vote for other than the current one.
func (r *reach) rival(b ballot) tally {
	class := netaddr.Global
	if r.at.IsValid() {
		class = netaddr.ClassOf(r.at.Addr())
	}
	t := b.rival(class, r.at)
	if t.voters == 0 && class != netaddr.Global {
		t = b.rival(netaddr.Global, r.at)
	}
	return t
}

// doubt checks for evidence against the endpoint. a.mu is held.
func (e *Engine) doubt(now time.Duration, r *reach, b ballot) (ev Event) {
	rival := r.rival(b)
	outvoted := rival.class == netaddr.ClassOf(r.at.Addr()) && !r.isBarred(now, rival.at) &&
		rival.weight() > b.of(r.at).weight() && 3*rival.weight() >= e.cfg.DetectAddress
	speaks := r.at.IsValid() && (outvoted || r.detected() && 2*r.misses(now, e.missWindow()) >= e.missesNeeded(r))
	if speaks && !r.inDoubt {
		r.doubt = now
		ev = Event{Kind: AddressInDoubt, ID: e.self, Addr: r.at, Record: e.Record(), Family: netaddr.FamilyOf(r.at.Addr())}
	}
	r.inDoubt = speaks
	return ev
}

// obey applies a verdict to the record.
func (w *Worker) obey(f netaddr.Family, v verdict) {
	if !v.change || !w.setEndpoint(f, v.to, v.kind) {
		return
	}
	a := &w.e.address
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.isFixed(f) && endpointOf(w.e.Record(), f) == v.to {
		a.fam[f].become(w.now, v.to, v.source)
	}
}

func (e *Engine) addressEvent(ev Event) {
	if ev.Kind != 0 {
		e.event(ev)
	}
}

// askSilentVoters sends a PING to voters that have not spoken since others began to vote for
// another endpoint. Nodes check their neighbors only every few minutes, and the address has changed
// for all.
func (w *Worker) askSilentVoters(f netaddr.Family, r *reach, b ballot) {
	e, a := w.e, &w.e.address
	a.mu.Lock()
	rival := r.rival(b)
	// For a single voter ask a few, once: it may have another route to this node, or lie.
	news := rival.voters > 1 || rival.voters == 1 && rival.opened > r.probed
	r.probed = max(r.probed, rival.opened)
	a.mu.Unlock()
	if !news || a.isFixed(f) {
		return
	}
	for _, by := range a.votes.silent(w.now, f, rival) {
		if n, _, ok := e.table.Get(by.id); ok {
			w.requestVote(lookup.NewPeer(n.Record, by.addr))
		}
	}
	// Bootnodes need not be in the table.
	a.mu.Lock()
	due, first := w.now >= r.nextBoot, r.boot
	if due {
		r.nextBoot, r.boot = w.now+askInterval, r.boot+asksPerCount
	}
	a.mu.Unlock()
	list := *e.maintain.bootnodes.Load()
	for i := range min(len(list), asksPerCount) {
		p := list[(first+i)%len(list)]
		if _, in := e.table.Seq(p.ID); due && !in && netaddr.FamilyOf(p.Addr.Addr()) == f && p.ID != e.self {
			w.requestVote(p)
		}
	}
}

// requestVote sends a PING for its PONG, which is a vote.
func (w *Worker) requestVote(p Peer) {
	origin := budget.Known
	if p.Listed {
		origin = budget.Named
	}
	w.start(Request{Type: codec.TypePing, Peer: p, NoFallback: true, Done: func(*Worker, Result) {}}, origin, nil)
}
