package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// A record may name an endpoint of each family, and one of them may be useless: a private address
// beside a public one, or a port at which no nodes are expected. Such an endpoint counts as absent,
// and the other one stands.

// believable reports whether this node may contact the endpoint a because a peer with an address of
// class by named it.
func (e *Engine) believable(by table.AddrClass, a netip.AddrPort) bool {
	return within(by, a) && (a.Port() >= netaddr.MinPort || e.cfg.LowPorts)
}

// within reports whether a peer with an address of class by can know the address of a.
func within(by table.AddrClass, a netip.AddrPort) bool {
	return a.IsValid() && table.MayRelay(by, table.Class(a.Addr()))
}

// stated returns the endpoints of a record, invalid where it states none.
func stated(r *enr.Record) (v4, v6 netip.AddrPort) {
	v4, _ = r.UDPEndpoint4()
	v6, _ = r.UDPEndpoint6()
	return v4, v6
}

// relayAllowed reports whether a peer may name a node with that record: it can know at least one of
// its addresses.
func relayAllowed(peer netip.AddrPort, r *enr.Record) bool {
	v4, v6 := stated(r)
	by := table.Class(peer.Addr())
	return within(by, v4) || within(by, v6)
}

// named chooses the endpoint at which to contact a node that a peer with an address of class by has
// named. ok is false if there is none.
func (e *Engine) named(now time.Duration, r *enr.Record, by table.AddrClass) (a netip.AddrPort, ok bool) {
	v4, v6 := stated(r)
	return e.choose(now, r.ID(), v4, v6, e.canSend(v4) && e.believable(by, v4), e.canSend(v6) && e.believable(by, v6))
}

// given chooses the endpoint at which to contact a node whose record the program or its user gave.
func (e *Engine) given(now time.Duration, r *enr.Record) (a netip.AddrPort, ok bool) {
	v4, v6 := stated(r)
	fine := func(a netip.AddrPort) bool { return e.canSend(a) && table.Class(a.Addr()) != table.Special }
	return e.choose(now, r.ID(), v4, v6, fine(v4), fine(v6))
}

// PeerOfListed returns the Peer of a record from a list that others made. A node at a public
// address does not contact private or loopback addresses from such a list. The error is
// ErrNoEndpoint.
func (e *Engine) PeerOfListed(r *enr.Record) (Peer, error) {
	a, ok := e.named(time.Duration(e.ticked.Load()), r, e.listClass())
	if !ok {
		return Peer{}, fmt.Errorf("%w: node %s of a list", ErrNoEndpoint, r.ID().Short())
	}
	p := lookup.NewPeer(r, a)
	p.Listed = true
	return p, nil
}

// listClass returns the class of addresses that lists of others may name: global at a public node,
// otherwise the class of the addresses of this node, and private if it knows none.
func (e *Engine) listClass() table.AddrClass {
	if !e.Private() {
		return table.Global
	}
	class := table.Private
	v4, v6 := stated(e.Record())
	for _, a := range [...]netip.AddrPort{v4, v6} {
		if a.IsValid() && table.Class(a.Addr()) == table.Loopback {
			class = table.Loopback
		}
	}
	return class
}

// choose prefers the endpoint that is known to work, then the one of the wider class, then the one
// of the family that works.
func (e *Engine) choose(now time.Duration, id enr.ID, v4, v6 netip.AddrPort, ok4, ok6 bool) (netip.AddrPort, bool) {
	if !ok4 || !ok6 {
		if ok6 {
			return v6, true
		}
		return v4, ok4
	}
	if n, s, known := e.table.Get(id); known && s.Live {
		switch n.Addr {
		case v4:
			return v4, true
		case v6:
			return v6, true
		}
	}
	proven4, proven6 := e.budget.Proven(now, v4), e.budget.Proven(now, v6)
	class4, class6 := table.Class(v4.Addr()), table.Class(v6.Addr())
	switch {
	case proven4 != proven6:
		if proven6 {
			return v6, true
		}
	case class4 != class6:
		if class6 < class4 {
			return v6, true
		}
	case e.families.prefer6(now):
		return v6, true
	}
	return v4, true
}

// families tracks which address families work. A host may have an address of a family and no route.
type families [netaddr.NumFamilies]struct {
	last   atomic.Int64 // when an endpoint of the family answered, plus one
	misses atomic.Int32 // unanswered requests since
}

const (
	// familyMisses is the number of unanswered requests in a row after which a family counts as
	// having no route.
	familyMisses = 4
	// familyFresh is the largest age of the last response over the other family.
	familyFresh = 2 * time.Minute
)

func (f *families) answered(now time.Duration, a netip.AddrPort) {
	x := &f[netaddr.FamilyOf(a.Addr())]
	if int64(now)-x.last.Load() > int64(time.Second) {
		x.last.Store(int64(now) + 1)
	}
	if x.misses.Load() != 0 {
		x.misses.Store(0)
	}
}

func (f *families) missed(a netip.AddrPort) {
	if x := &f[netaddr.FamilyOf(a.Addr())]; x.misses.Load() < familyMisses {
		x.misses.Add(1)
	}
}

// prefer6 reports whether IPv6 works and IPv4 does not.
func (f *families) prefer6(now time.Duration) bool {
	four, six := &f[netaddr.IPv4], &f[netaddr.IPv6]
	at := six.last.Load()
	return at != 0 && int64(now)-at < int64(familyFresh) && four.misses.Load() >= familyMisses
}

// PeerAt returns the Peer of a node at an address. Its record is the one that the node has shown in
// its session there, or one that is known otherwise. Without a record the Peer has no key, so a
// request needs the session. It ends with ErrNoSession if there is none, or the peer has lost it.
func (e *Engine) PeerAt(id enr.ID, addr netip.AddrPort) Peer {
	p := Peer{ID: id, Addr: netaddr.NormalizePort(addr)}
	b := [32]byte(id)
	k := session.MakeKey(p.Addr, &b)
	info, _ := e.sessions.Get(&k, e.sessions.Hash(&k))
	if p.Record = info.Record; p.Record == nil {
		p.Record = e.known(id)
	}
	return p
}

// SessionPeer returns the Peer of a node with a session, at the address that was used last. It
// looks at all sessions.
func (e *Engine) SessionPeer(id enr.ID) (Peer, bool) {
	info, ok := e.sessions.Find(id)
	if !ok {
		return Peer{}, false
	}
	return e.PeerAt(id, info.Key.AddrPort()), true
}

// noteRecord stores a record that the node with session key k has shown.
func (e *Engine) noteRecord(k *session.Key, hash uint64, r *enr.Record) {
	if r != nil && r.ID() == k.ID() {
		e.sessions.SetRecord(k, hash, r)
	}
}

// talkRequest copies a request for its handler. size is the size of its packet.
func (w *Worker) talkRequest(p *peer, m *codec.TalkRequest, size int) TalkRequest {
	info, _ := w.e.sessions.Get(p.key, p.hash)
	return TalkRequest{
		From: *p.id, Addr: p.from, Record: info.Record,
		Protocol: string(m.Protocol), Payload: append([]byte(nil), m.Payload...),
		reply: replyTo{w.via, p.from, *p.key, *p.id, m.RequestID, size},
	}
}

// Every request of this node is charged to one budget before it leaves; see package budget.
// Endpoints that have answered recently are free. To others the budget allows only packets that
// cannot harm a third party.

// ErrBudget means that a request was not sent because its destination has not answered this node
// and has used up the packets that such a destination may get.
var ErrBudget = errors.New("discv5: the destination has not answered and gets no more packets now")

// spend charges the packet that c is about to send. If the budget refuses it, c ends with ErrBudget
// and spend reports false. A refused retry ends with ErrTimeout, the reason for the retry.
func (w *Worker) spend(c *call) bool {
	r := &c.request
	size := messageStart + len(c.message) + codec.TagSize
	p := budget.Purpose{Origin: r.origin, ID: r.Peer.ID, Grant: r.grant}
	cause := w.e.budget.Spend(w.now, r.Peer.Addr, size, &p)
	if cause == budget.Allowed {
		return true
	}
	err := ErrBudget
	if r.isRetry {
		err = fmt.Errorf("%w, and the retry was not sent: %w", ErrTimeout, ErrBudget)
	}
	w.counts[budgetCounters[cause]]++
	w.fail(c, Result{Err: err})
	return false
}

var budgetCounters = [...]Counter{
	budget.OverRate: BudgetRate, budget.Repeated: BudgetRepeated, budget.Unfunded: BudgetUnfunded,
}

// prove notes that an endpoint has answered a packet that it must have received.
func (w *Worker) prove(at netip.AddrPort) {
	w.e.budget.Prove(w.now, at)
	w.e.families.answered(w.now, at)
}

// noAnswer notes that a peer has left a request unanswered.
func (w *Worker) noAnswer(p *Peer) {
	w.e.budget.Failed(p.Addr)
	w.e.families.missed(p.Addr)
	w.e.responders.failed(p.ID, p.Addr)
}

// answerCost is the size of the packets of a NODES response without their records.
const answerCost = messageStart + codec.TagSize + codec.MaxRequestID + 5

// grantOf returns the budget that a NODES response grants for contacting the nodes it names: the
// packets and bytes that it took.
func grantOf(from netip.AddrPort, packets uint64, records int) *budget.Grant {
	n := int(min(packets, maxAnswerPackets))
	return budget.NewGrant(from, n, n*answerCost+records)
}
