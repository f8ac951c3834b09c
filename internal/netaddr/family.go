package netaddr

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// ErrFamily reports a number that is no IP version.
var ErrFamily = errors.New("address family: want 4 or 6")

// Family is an address family. Its values index arrays of length NumFamilies.
type Family uint8

// Address families.
const (
	IPv4 Family = iota
	IPv6

	// NumFamilies is the number of address families.
	NumFamilies = 2
)

// FamilyOf returns the family of an address. An IPv4-mapped address belongs to IPv4. The invalid
// address counts as IPv6, so check for it first.
func FamilyOf(addr netip.Addr) Family {
	if addr.Is4() || addr.Is4In6() {
		return IPv4
	}
	return IPv6
}

// Other returns the other family.
func (f Family) Other() Family { return f ^ 1 }

// Set returns the set that holds only f.
func (f Family) Set() FamilySet { return 1 << f }

// FamilySet is a set of address families; the zero value is the empty set. Combine sets with the
// bitwise operators.
type FamilySet uint8

// Has reports whether f is in s.
func (s FamilySet) Has(f Family) bool { return s&f.Set() != 0 }

// Version returns the IP version: 4 or 6.
func (f Family) Version() int { return 4 + 2*int(f) }

// MarshalJSON returns the IP version: 4 or 6.
func (f Family) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, int64(f.Version()), 10), nil
}

// UnmarshalJSON reads an IP version, 4 or 6. Otherwise it returns ErrFamily.
func (f *Family) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "4":
		*f = IPv4
	case "6":
		*f = IPv6
	default:
		return fmt.Errorf("%w, not %.20q", ErrFamily, text)
	}
	return nil
}

// String returns "IPv4" or "IPv6".
func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}

// Normalize returns the canonical form of an address: an IPv4-mapped address becomes IPv4, and a
// zone is removed.
func Normalize(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// UnmapPort returns a with an IPv4-mapped address as IPv4. It keeps a zone.
func UnmapPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// NormalizePort returns a with its address in canonical form.
func NormalizePort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(Normalize(a.Addr()), a.Port())
}
