package discv5

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// AddressSource says where the endpoint of a family in the node's record comes from.
type AddressSource = engine.AddressSource

// Sources of an endpoint.
const (
	AddressNone       = engine.AddressNone       // the record names none
	AddressConfigured = engine.AddressConfigured // Config.Advertise
	AddressPinned     = engine.AddressPinned     // SetEndpoint, such as for a port mapping
	// the listen address, an interface, or UpdateRecord
	AddressInterface = engine.AddressInterface
	AddressVoted     = engine.AddressVoted // peers agree on it
	// Config.Previous, or a port mapping that has ended
	AddressSaved = engine.AddressSaved
)

// Defaults of Config about the node's own address.
const (
	DefaultDetectAddress = engine.DefaultDetectAddress
	DefaultReachWait     = engine.DefaultReachWait
	DefaultReachMisses   = engine.DefaultReachMisses
	DefaultReachRetry    = engine.DefaultReachRetry

	// MaxDetectAddress is the highest Config.DetectAddress: the node keeps that many votes for each
	// family.
	MaxDetectAddress = engine.MaxVotes
)

// Family is an address family.
type Family = netaddr.Family

// FamilySet is a set of address families.
type FamilySet = netaddr.FamilySet

// Address families.
const (
	IPv4 = netaddr.IPv4
	IPv6 = netaddr.IPv6
)

// AddressState describes a node's own address in one family. A program may save it, for
// example as JSON, for Config.PreviousAddresses.
type AddressState struct {
	Family   Family         `json:"family"`            // 4 or 6 in JSON
	Endpoint netip.AddrPort `json:"endpoint,omitzero"` // in the record; invalid if there is none
	Source   AddressSource  `json:"source"`            // of Endpoint
	Since    time.Time      `json:"since,omitzero"`    // of the endpoint in the record, in this run

	// Proven says that nodes which this node had not contacted have reached it at Endpoint.
	// ProvenBy has at most two networks of such nodes; it may have one while Proven is false.
	// ProvenAt is the time of the last such contact.
	Proven   bool           `json:"proven"`
	ProvenBy []netip.Prefix `json:"proven_by,omitzero"`
	ProvenAt time.Time      `json:"proven_at,omitzero"`

	// InDoubt says that there is evidence against Endpoint: more peers vote for Rival, or half of
	// the evidence that revokes the address.
	InDoubt      bool      `json:"in_doubt"`
	InDoubtSince time.Time `json:"in_doubt_since,omitzero"`

	Votes      int            `json:"votes"`          // for Endpoint, of the last 5 minutes
	Rival      netip.AddrPort `json:"rival,omitzero"` // the other endpoint with most votes
	RivalVotes int            `json:"rival_votes"`

	// Missed counts the networks that speak against Endpoint; at MissedMax it is revoked. See
	// Config.ReachMisses.
	Missed    int `json:"missed"`
	MissedMax int `json:"missed_max"`

	// The record can return to these: Interface is the endpoint of the listen address or an
	// interface, Before the earlier endpoint of the record.
	Interface netip.AddrPort `json:"interface,omitzero"`
	Before    netip.AddrPort `json:"before,omitzero"`

	// Revoked is an IP address that the node has removed from the record. It ignores votes for it
	// until RevokedUntil.
	Revoked      netip.Addr `json:"revoked,omitzero"`
	RevokedUntil time.Time  `json:"revoked_until,omitzero"`
}

// AddressState returns the state of the node's own address in a family.
func (n *Node) AddressState(family Family) AddressState {
	s := n.engine.AddressState(n.clock.Now(), family)
	at := func(set bool, d time.Duration) time.Time {
		if !set {
			return time.Time{}
		}
		return n.clock.At(d).Round(0)
	}
	return AddressState{
		Family: family, Endpoint: s.Endpoint, Source: s.Source, Since: at(s.Endpoint.IsValid(), s.Since),
		Proven: s.Proven, ProvenBy: s.ProvenBy, ProvenAt: at(s.Proven || len(s.ProvenBy) > 0, s.ProvenAt),
		InDoubt: s.InDoubt, InDoubtSince: at(s.InDoubt, s.InDoubtSince),
		Votes: s.Votes, Rival: s.Rival, RivalVotes: s.RivalVotes, Missed: s.Missed, MissedMax: s.MissedMax,
		Interface: s.Interface, Before: s.Before,
		Revoked: s.Revoked, RevokedUntil: at(s.Revoked.IsValid(), s.RevokedUntil),
	}
}

// AddressStates returns the AddressState of both families, IPv4 first.
func (n *Node) AddressStates() []AddressState {
	return []AddressState{n.AddressState(IPv4), n.AddressState(IPv6)}
}

// previous returns the saved state of the endpoint that Config.Previous names in a family.
func (c *Config) previous(f netaddr.Family) (at netip.AddrPort, s AddressState, saved bool) {
	if c.Previous == nil {
		return at, s, false
	}
	v4, v6 := endpoints(c.Previous)
	at = [netaddr.NumFamilies]netip.AddrPort{v4, v6}[f]
	for _, s := range c.PreviousAddresses {
		if s.Family == f && s.Endpoint == at {
			return at, s, true
		}
	}
	return at, s, false
}

// keepPrevious returns the endpoint in the record of the last run, if it should replace own, the
// endpoint of an interface: a public endpoint while the machine has no public address, and an
// endpoint that was learned while the machine had its current address. Votes correct it if the node
// has moved.
func (c *Config) keepPrevious(f netaddr.Family, own netip.AddrPort) (netip.AddrPort, bool) {
	at, s, saved := c.previous(f)
	if !at.IsValid() || at == own || c.detectAddress() < 0 || saved && s.Source == AddressConfigured {
		return own, false
	}
	learned := saved && (s.Source == AddressVoted || s.Source == AddressSaved || s.Source == AddressPinned)
	public := netaddr.ClassOf(at.Addr()) == netaddr.Global && (!own.IsValid() || netaddr.ClassOf(own.Addr()) != netaddr.Global)
	if !public && (!learned || s.Interface != own) {
		return own, false
	}
	if learned && own.IsValid() && s.Interface.Port() == at.Port() {
		// the router keeps ports, and the node listens on another one
		at = netip.AddrPortFrom(at.Addr(), own.Port())
	}
	return at, true
}

// previousStates adds to named the endpoints of the last run that stay, and returns the state of
// all endpoints.
func (n *Node) previousStates(named *advertised) (states []engine.AddressState) {
	own := named.end
	var kept [netaddr.NumFamilies]bool
	for f := range netaddr.Family(netaddr.NumFamilies) {
		if !named.fixed[f] && n.byFam[f] >= 0 {
			named.end[f], kept[f] = n.cfg.keepPrevious(f, own[f])
		}
	}
	named.restrict()
	for f := range netaddr.Family(netaddr.NumFamilies) {
		k := engine.AddressState{Family: f, Interface: own[f]}
		switch {
		case !named.end[f].IsValid():
		case named.fixed[f]:
			k.Source = AddressConfigured
		case kept[f]:
			k.Source = AddressSaved
		default:
			k.Source = AddressInterface
		}
		if at, s, ok := n.cfg.previous(f); ok && at == named.end[f] {
			k.Proven, k.ProvenBy, k.ProvenAt = s.Proven, s.ProvenBy, s.ProvenAt.Sub(n.clock.At(0))
			if k.Source == AddressSaved {
				k.Before = s.Before
			}
		}
		states = append(states, k)
	}
	return states
}

// checkPreviousAddresses returns an error for states that AddressState cannot have returned.
func checkPreviousAddresses(list []AddressState) error {
	for i, s := range list {
		if s.Family > IPv6 || s.Endpoint.IsValid() && netaddr.FamilyOf(s.Endpoint.Addr()) != s.Family {
			return fmt.Errorf("%w: PreviousAddresses %d is of family %s and has endpoint %s", ErrConfig, i+1, s.Family, s.Endpoint)
		}
	}
	return nil
}
