package hostaddr

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Addr is an address of an interface.
type Addr struct {
	netip.Prefix     // the address, without zone, and the length of its network's prefix
	Index        int // of the interface; 0 if it is not known

	// Deprecated addresses are not used for anything new: their network is about to be renumbered.
	Deprecated bool
	// Temporary addresses (RFC 8981) are for connections of this machine's own, and change within
	// days.
	Temporary bool
	// Tentative addresses cannot be used: the system still has to find out whether another host has
	// them, or has found that one does.
	Tentative bool
}

// stable reports whether others can rely on the address.
func (a *Addr) stable() bool { return !a.Deprecated && !a.Temporary && !a.Tentative }

// Global addresses, of root name servers, to which the system's choice of a source address is
// asked. Nothing is sent there.
var (
	global4 = netip.MustParseAddr("198.41.0.4")
	global6 = netip.MustParseAddr("2001:503:ba3e::2:30")
)

// Outside returns an address of the public internet, IPv4 if v4 is set, to ask a source address to.
func Outside(f netaddr.Family) netip.Addr {
	if f == netaddr.IPv4 {
		return global4
	}
	return global6
}

// system is what Choose asks for.
type system interface {
	// Addrs lists the addresses of all interfaces.
	Addrs() ([]Addr, error)
	// Source returns the address that the system sends from to another one. It is invalid if there
	// is no route.
	Source(to netip.Addr) netip.Addr
}

// Choose returns the address that others reach this machine at, IPv4 if v4 is set, else IPv6: the
// one that the system sends from to the public internet, and without a route to there the one that
// it sends from in its own networks. A stable address is taken in place of a deprecated or
// temporary one. The result is invalid if there is no address but link-local ones.
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

// Sole returns the only address of a family, IPv4 if v4 is set, that this machine has besides
// link-local and loopback ones, if the system sends from it to the public internet. Else the result
// is invalid.
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

// better reports whether a is a better address than b: more can reach it, or it stays for longer.
func better(a, b *Addr) bool {
	if x, y := Reach(a.Addr()), Reach(b.Addr()); x != y {
		return x > y
	}
	return a.stable() && !b.stable()
}

// settle returns a, or if that is deprecated or temporary a stable address that as many can reach:
// one of the same interface before others.
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

// neighbor returns an address of a network that this machine does not have; invalid if there is
// none near the one that it has.
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

// Reach ranks addresses by how many others can reach them. 0: none, or only some on the same link.
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
