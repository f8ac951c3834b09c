package hostaddr

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Addr is an address of an interface.
type Addr struct {
	netip.Prefix     // the address without a zone, and its prefix length
	Index        int // interface index; 0 if unknown

	// Deprecated addresses must not be used for new purposes, because their network will be
	// renumbered.
	Deprecated bool
	// Temporary addresses (RFC 8981) serve outgoing connections and change within days.
	Temporary bool
	// Tentative addresses cannot be used yet: the system still checks whether another host has
	// them, or another host has them.
	Tentative bool
}

// stable reports whether others can rely on the address.
func (a *Addr) stable() bool { return !a.Deprecated && !a.Temporary && !a.Tentative }

// Addresses of root name servers, used to query the system's choice of a source address. Nothing is
// sent there.
var (
	global4 = netip.MustParseAddr("198.41.0.4")
	global6 = netip.MustParseAddr("2001:503:ba3e::2:30")
)

// Outside returns an address on the public internet, for use with Source.
func Outside(f netaddr.Family) netip.Addr {
	if f == netaddr.IPv4 {
		return global4
	}
	return global6
}

// system is the part of Reader that Choose needs.
type system interface {
	// Addrs returns the addresses of all interfaces.
	Addrs() ([]Addr, error)
	// Source returns the source address for packets to the given one. It is invalid if there is no
	// route.
	Source(to netip.Addr) netip.Addr
}

// Choose returns the address of a family at which others reach this machine: the source address for
// the public internet or, without a route to it, for the machine's own networks. It prefers a
// stable address to a deprecated or temporary one. The result is invalid if there are only
// link-local addresses.
func Choose(s system, f netaddr.Family) netip.Addr {
	list, err := s.Addrs()
	if err != nil {
		list = nil
	}
	if a := s.Source(Outside(f)); Reach(a) > Reach(loopbackOf(f)) {
		return preferStable(list, a)
	}
	best := -1
	for i := range list {
		a := &list[i]
		if netaddr.FamilyOf(a.Addr()) != f || a.Tentative || Reach(a.Addr()) == 0 {
			continue
		}
		if best < 0 || better(a, &list[best]) {
			best = i
		}
	}
	if best < 0 {
		return netip.Addr{}
	}
	b := &list[best]
	if near := neighbor(list, b.Prefix); near.IsValid() {
		if a := s.Source(near); Reach(a) == Reach(b.Addr()) {
			return preferStable(list, a)
		}
	}
	return b.Addr()
}

// OnlyAddr returns the only address of a family, apart from link-local and loopback ones, if the
// system uses it as source for the public internet. Otherwise the result is invalid.
func OnlyAddr(s system, f netaddr.Family) netip.Addr {
	list, err := s.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	var only netip.Addr
	for i := range list {
		a := list[i].Addr()
		if netaddr.FamilyOf(a) != f || a == loopbackOf(f) || a.Is6() && a.IsLinkLocalUnicast() {
			continue
		}
		if only.IsValid() {
			return netip.Addr{}
		}
		only = a
	}
	if !only.IsValid() || s.Source(Outside(f)) != only {
		return netip.Addr{}
	}
	return only
}

// better reports whether a is reachable by more hosts than b, or as many and more stable.
func better(a, b *Addr) bool {
	if x, y := Reach(a.Addr()), Reach(b.Addr()); x != y {
		return x > y
	}
	return a.stable() && !b.stable()
}

// preferStable returns a. If a is deprecated or temporary, it returns a stable address with the
// same reach, preferably of the same interface.
func preferStable(list []Addr, a netip.Addr) netip.Addr {
	var chosen *Addr
	for i := range list {
		if list[i].Addr() == a {
			chosen = &list[i]
		}
	}
	if chosen == nil || chosen.stable() {
		return a
	}
	var best *Addr
	for i := range list {
		o := &list[i]
		if netaddr.FamilyOf(o.Addr()) != netaddr.FamilyOf(a) || !o.stable() || Reach(o.Addr()) != Reach(a) {
			continue
		}
		if best == nil || o.Index == chosen.Index && best.Index != chosen.Index {
			best = o
		}
	}
	if best == nil {
		return a
	}
	return best.Addr()
}

// neighbor returns an address in the network p that this machine does not have. It is invalid if
// there is none next to the machine's own address.
func neighbor(list []Addr, p netip.Prefix) netip.Addr {
	own := make(map[netip.Addr]bool)
	for i := range list {
		own[list[i].Addr()] = true
	}
	for _, step := range []func(netip.Addr) netip.Addr{netip.Addr.Next, netip.Addr.Prev} {
		for a := p.Addr(); a.IsValid() && p.Masked().Contains(a); a = step(a) {
			if !own[a] && a != p.Addr() {
				return a
			}
		}
	}
	return netip.Addr{}
}

func loopbackOf(f netaddr.Family) netip.Addr {
	if f == netaddr.IPv4 {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// Reach ranks addresses by the number of hosts that can reach them. 0 means none, or only hosts on
// the same link.
func Reach(a netip.Addr) int {
	if !a.IsValid() || a.IsLinkLocalUnicast() {
		return 0
	}
	switch netaddr.ClassOf(a) {
	case netaddr.Global:
		return 3
	case netaddr.Private:
		return 2
	case netaddr.Loopback:
		return 1
	}
	return 0
}
