package main

import (
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// unusableBootnodes returns a warning for each bootnode that this node can never contact, with the
// reason, and one more if none of several is left. listens reports whether the node has a socket of
// a family. Bootnodes that DNS has to be asked about are not known yet.
func unusableBootnodes(sources []source, self enr.ID, access *limits.Access, listens func(v4 bool) bool) (warnings []string) {
	known := 0
	for _, s := range sources {
		if s.contact == nil {
			continue
		}
		known++
		if reason := s.unusable(self, access, listens); reason != "" {
			warnings = append(warnings, fmt.Sprintf("%s can never be used: node %s %s", s.where, s.contact.ID().Short(), reason))
		}
	}
	if known == len(sources) && known > 1 && len(warnings) == known {
		warnings = append(warnings, "no bootnode can be used: this node finds others only if they contact it")
	}
	return warnings
}

// unusable returns why a bootnode with a known address can never be contacted, or "".
func (s source) unusable(self enr.ID, access *limits.Access, listens func(v4 bool) bool) string {
	id := [32]byte(s.contact.ID())
	switch {
	case s.contact.ID() == self:
		return "is this node itself"
	case access.BlockedID(0, &id):
		return "is banned by its ID"
	}
	reason := "has no UDP address"
	for _, a := range s.endpoints {
		switch v := access.Check(0, a.Addr()); {
		case v == limits.Outside:
			reason = fmt.Sprintf("at %s is outside of --netrestrict", a)
		case v.Blocked():
			reason = fmt.Sprintf("at %s is banned by its address", a)
		case !listens(a.Addr().Is4()):
			reason = fmt.Sprintf("at %s is of a family that no --addr has", a)
		default:
			return ""
		}
	}
	return reason
}

// endpointsOf returns the UDP endpoints of a record.
func endpointsOf(r *enr.Record) (list []netip.AddrPort) {
	for _, endpoint := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		if a, ok := endpoint(); ok {
			list = append(list, a)
		}
	}
	return list
}
