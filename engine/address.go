package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/table"
)

const (
	// DefaultReachWait is how long a detected address has to prove that strangers can reach it.
	DefaultReachWait = 5 * time.Minute
	// reachNeeded is how many strangers have to.
	reachNeeded = 2
	// revokedFor is for how long votes are not heard after an address was revoked.
	revokedFor = 6 * time.Hour
	// addressInterval is how often votes are counted.
	addressInterval = time.Second
)

// address keeps the endpoints in the local record true: votes set them, and if no stranger makes contact there within
// a time, they are taken out again: then a NAT lets in only answers, and the record would lead others astray.
type address struct {
	votes    votes
	contacts contacts
	mu       sync.Mutex
	next     time.Duration
	fam      [2]reach

	pinned [2]atomic.Bool // by family; see PinAddress
}

// reach is what is known of the detected address of a family.
type reach struct {
	detected bool          // votes have set it
	since    time.Duration // when
	deafTill time.Duration // votes are not heard before
	met      []netip.Prefix
}

// Reachable tells what is known of the node's address in a family.
type Reachable int

// Values of Reachable.
const (
	ReachUnknown Reachable = iota // given, or nothing is known
	ReachWaiting                  // detected, not yet proved
	ReachProved                   // strangers have made contact
	ReachRevoked                  // detected, but nobody came
)

// Reach tells whether strangers can reach this node at the address that was detected for a family (4 or 6).
func (e *Engine) Reach(family int) Reachable {
	e.address.mu.Lock()
	defer e.address.mu.Unlock()
	r := &e.address.fam[0]
	if family == 6 {
		r = &e.address.fam[1]
	}
	switch {
	case r.detected && len(r.met) >= reachNeeded:
		return ReachProved
	case r.detected:
		return ReachWaiting
	case r.deafTill > 0:
		return ReachRevoked
	}
	return ReachUnknown
}

// PinAddress keeps the endpoint that the record names for a family (4 or 6) from being changed by votes, because somebody
// knows better, or lets votes change it again.
func (e *Engine) PinAddress(family int, pinned bool) {
	a, i := &e.address, 0
	if family == 6 {
		i = 1
	}
	a.pinned[i].Store(pinned)
	a.mu.Lock()
	a.fam[i] = reach{} // what is pinned was not detected, and what was detected before is another address
	a.mu.Unlock()
}

// stranger notes that a node that this one had not contacted has made a session.
func (a *address) stranger(from netip.Addr) {
	if table.Class(from) != table.Global {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.fam[netaddr.FamilyOf(from)]
	if !r.detected || len(r.met) >= reachNeeded {
		return
	}
	p := votePrefix(from)
	for _, m := range r.met {
		if m == p {
			return
		}
	}
	r.met = append(r.met, p)
}

// updateAddress counts the votes and revokes addresses that nobody reaches. Tick calls it.
func (w *Worker) updateAddress() {
	e, a := w.e, &w.e.address
	if e.cfg.VoteMin < 0 || w.now < a.next {
		return
	}
	a.next = w.now + addressInterval
	a.votes.counting()
	for family := range netaddr.Family(netaddr.NumFamilies) {
		if a.pinned[family].Load() {
			continue
		}
		won, ok := a.votes.winner(w.now, family)
		a.mu.Lock()
		r := &a.fam[family]
		deaf := w.now < r.deafTill
		revoke := r.detected && e.cfg.ReachWait > 0 && len(r.met) < reachNeeded && w.now-r.since > e.cfg.ReachWait
		if revoke {
			*r = reach{deafTill: w.now + revokedFor}
		}
		a.mu.Unlock()
		switch {
		case revoke:
			a.votes.clear(family)
			w.setEndpoint(family, netip.AddrPort{})
		case ok && !deaf && endpointOf(e.Record(), family) != won:
			if w.setEndpoint(family, won) {
				a.mu.Lock()
				if !a.pinned[family].Load() {
					*r = reach{detected: true, since: w.now}
				}
				a.mu.Unlock()
			}
		}
	}
}

func endpointOf(r *enr.Record, family netaddr.Family) (a netip.AddrPort) {
	if family == netaddr.IPv4 {
		a, _ = r.UDPEndpoint4()
	} else {
		a, _ = r.UDPEndpoint6()
	}
	return a
}

// setEndpoint replaces the endpoint of a family in the local record, or takes it out if to is the zero value. The TCP port
// stays: it is for the program to change.
func (w *Worker) setEndpoint(family netaddr.Family, to netip.AddrPort) bool {
	pinned := false
	err := w.e.UpdateRecord(func(b *enr.Builder) {
		if pinned = w.e.address.pinned[family].Load(); pinned { // since the votes were counted
			return
		}
		if to.IsValid() {
			w.e.PutEndpoint(b, to)
		} else {
			deleteEndpoint(b, family)
		}
	})
	if err != nil || pinned {
		return false
	}
	kind := AddressChanged
	if !to.IsValid() {
		kind = AddressRevoked
	}
	w.e.event(Event{Kind: kind, ID: w.e.self, Addr: to, Record: w.e.Record(), Family: family.Version()})
	return true
}

// PutEndpoint makes the record that b builds, for UpdateRecord, name an endpoint in place of that of its family. The other family's
// endpoint goes if it is one that fewer can reach, such as a private one beside a public one, and not pinned: nodes out there refuse
// such a record, which would have them send datagrams into their own networks.
func (e *Engine) PutEndpoint(b *enr.Builder, to netip.AddrPort) {
	family := netaddr.FamilyOf(to.Addr())
	if b.SetIP(to.Addr()); family == netaddr.IPv4 {
		b.SetUDP(to.Port())
	} else {
		b.SetUDP6(to.Port())
	}
	other := endpointOf(e.Record(), family.Other())
	if other.IsValid() && table.Class(other.Addr()) > table.Class(to.Addr()) && !e.address.pinned[family.Other()].Load() {
		deleteEndpoint(b, family.Other())
	}
}

func deleteEndpoint(b *enr.Builder, family netaddr.Family) {
	if family == netaddr.IPv4 {
		b.Delete("ip").Delete("udp")
	} else {
		b.Delete("ip6").Delete("udp6")
	}
}

// ErrRecord: a change of the local record cannot be made.
var ErrRecord = errors.New("engine: change of the local record")

// UpdateRecord makes a new local record: the old one with a higher sequence number and what change
// does to it. If that is nothing, the record stays as it is and is not saved. Changes are made one
// after another. If the result cannot be signed or saved the record stays as it is.
func (e *Engine) UpdateRecord(change func(*enr.Builder)) error {
	e.recordMu.Lock()
	defer e.recordMu.Unlock()
	old := e.Record()
	b := old.Edit()
	if change(b); !b.Changes(old) {
		return nil
	}
	r, err := b.Sign(e.cfg.Key)
	if err == nil && e.cfg.SaveRecord != nil {
		err = e.cfg.SaveRecord(r)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	e.setLocal(r)
	return nil
}
