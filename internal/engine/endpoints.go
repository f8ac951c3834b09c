package engine

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/table"
)

// A record may name an endpoint of each family, and one of them may be of no use: a private address
// beside a public one, or a port that nodes are not expected at. Such an endpoint counts as absent,
// and the other one stands.

// MinPort is the lowest port at which a node is contacted because others name it. Below lie
// services such as DNS and NTP, which answer what they do not understand.
const MinPort = 1024

// believable reports whether this node may contact the endpoint a because a party at an address of
// class by says so.
func (e *Engine) believable(by table.AddrClass, a netip.AddrPort) bool {
	return within(by, a) && (a.Port() >= MinPort || e.cfg.LowPorts)
}

// within reports whether a party at an address of class by can know the address of a.
func within(by table.AddrClass, a netip.AddrPort) bool {
	return a.IsValid() && table.MayRelay(by, table.Class(a.Addr()))
}

// stated returns the endpoints of a record; zero values where it states none.
func stated(r *enr.Record) (v4, v6 netip.AddrPort) {
	v4, _ = r.UDPEndpoint4()
	v6, _ = r.UDPEndpoint6()
	return v4, v6
}

// mayRelay reports whether a peer may tell this node of a node with that record: it can know one
// address at least.
func mayRelay(peer netip.AddrPort, r *enr.Record) bool {
	v4, v6 := stated(r)
	by := table.Class(peer.Addr())
	return within(by, v4) || within(by, v6)
}

// named chooses the endpoint at which to contact a node that a party at an address of class by has
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

// PeerOfListed makes a Peer of a record from a list that others made. A node at a public address
// does not contact private or loopback addresses because such a list names them. The error is
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

// listClass returns the class of addresses that lists of others count for: global at a node that is
// public, else that of the node's own addresses, private if it knows none.
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

// choose takes the endpoint that is known to work, then that of the wider class, then that of the
// family that works.
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

// families notes which address families work. A host may have an address of a family, and no route.
type families [netaddr.NumFamilies]struct {
	last   atomic.Int64 // when an endpoint of the family answered, plus one
	misses atomic.Int32 // requests without an answer since
}

const (
	// familyMisses is how many requests in a row must stay without an answer before a family counts
	// as without a route.
	familyMisses = 4
	// familyFresh is how recent the answer of the other family must be.
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
