package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
)

// AddressSource is the origin of an endpoint in the local record.
type AddressSource uint8

// Sources of an endpoint.
const (
	// AddressNone: the record names no endpoint of the family.
	AddressNone AddressSource = iota
	// AddressConfigured: the operator named it. Nothing changes it.
	AddressConfigured
	// AddressPinned: a caller that knows it has fixed it; see PinAddress.
	AddressPinned
	// AddressInterface: it is the listen address or that of an interface, or the program put it
	// into the record. Votes change it.
	AddressInterface
	// AddressVoted: peers agree on it.
	AddressVoted
	// AddressSaved: it comes from the saved record, or from a pin that has ended. Votes change it.
	AddressSaved
)

var addressSources = [...]string{
	AddressNone: "none", AddressConfigured: "configured", AddressPinned: "pinned", AddressInterface: "interface",
	AddressVoted: "voted", AddressSaved: "saved",
}

// String returns the lower-case name of the source.
func (s AddressSource) String() string {
	if int(s) < len(addressSources) {
		return addressSources[s]
	}
	return "unknown"
}

// MarshalText returns the name of the source.
func (s AddressSource) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses the name of a source.
func (s *AddressSource) UnmarshalText(text []byte) error {
	i := slices.Index(addressSources[:], string(text))
	if i < 0 {
		return fmt.Errorf("discv5: %s is no source of an address", quote.Text(text))
	}
	*s = AddressSource(i)
	return nil
}

// AddressState is the state of the address of this node in one family. All times are on the clock
// of the workers; those before a restart are negative.
type AddressState struct {
	Family   netaddr.Family
	Endpoint netip.AddrPort // that the record names; invalid if it names none
	Source   AddressSource
	Since    time.Duration // when the record began to name it

	// Proven says that nodes that this node had not contacted have reached it at Endpoint. ProvenBy
	// holds their sites, two at most. Before Proven there may be one. ProvenAt is the time of the
	// last contact.
	Proven   bool
	ProvenBy []netip.Prefix
	ProvenAt time.Duration

	// InDoubt says that evidence speaks against Endpoint: more peers vote for Rival, or half of the
	// misses for a revocation have been seen; see Missed. InDoubtSince is when that began.
	InDoubt      bool
	InDoubtSince time.Duration

	Votes      int            // for Endpoint, of the last 5 minutes
	Rival      netip.AddrPort // the other endpoint with most votes, if there is one
	RivalVotes int
	// Missed counts the networks that speak against Endpoint. At MissedMax it is revoked. See
	// Config.ReachMisses.
	Missed, MissedMax int

	// Interface is the endpoint of an interface or of the program, to fall back to.
	Interface netip.AddrPort
	// Before is an earlier endpoint of the record, to return to.
	Before netip.AddrPort
	// Revoked is an IP address that was removed from the record. Votes for it are ignored until
	// RevokedUntil, unless nodes that this node had not contacted reach it there.
	Revoked      netip.Addr
	RevokedUntil time.Duration
}

// AddressState returns the state of this node's address in a family at a time.
func (e *Engine) AddressState(now time.Duration, f netaddr.Family) AddressState {
	a := &e.address
	b := a.votes.count(now, f)
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.fam[f]
	e.follow(now, f)
	s := AddressState{
		Family: f, Endpoint: r.at, Source: r.source, Since: r.since,
		Proven: r.proof.done(), ProvenBy: r.proof.networks(), ProvenAt: r.proof.last,
		InDoubt: r.inDoubt, InDoubtSince: r.doubt, Votes: b.of(r.at).weight(),
		Missed: r.misses(now, e.missWindow()), MissedMax: e.missesNeeded(r), Interface: r.base, Before: r.before.at,
	}
	if rival := r.rival(b); rival.weight() > 0 {
		s.Rival, s.RivalVotes = rival.at, rival.weight()
	}
	if r.barredTill > now {
		s.Revoked, s.RevokedUntil = r.barred, r.barredTill
	}
	return s
}

// AddressPinned reports whether PinAddress fixes the endpoint of a family.
func (e *Engine) AddressPinned(f netaddr.Family) bool { return e.address.pinned[f].Load() }
