package netaddr

import "net/netip"

// Prefix lengths that limits count by.
const (
	// SiteBits4 and SiteBits6 are the lengths of the prefix that one subscriber usually gets. IPv4
	// routes no prefix longer than /24. The holder of an IPv6 /48 can place each host of a flood in
	// another /64 or /56 at no cost, so a longer prefix limits nobody.
	SiteBits4, SiteBits6 = 24, 48
	// WideBits4 and WideBits6 are the lengths of the prefix that one provider usually holds.
	WideBits4, WideBits6 = 16, 32
	// SubnetBits6 is the length of one IPv6 link.
	SubnetBits6 = 64
)

// Prefix is a network prefix, comparable and 9 bytes long, for use as a map key. The zero value is
// the prefix of no address.
type Prefix struct {
	bits uint8 // 1 + length; 0 for the zero value
	v6   bool
	net  [8]byte // the first 64 bits of the network address
}

// PrefixOf returns the prefix of addr with a length of bits, capped at 32 for IPv4 and 64 for IPv6.
// It returns the zero Prefix for the invalid address.
func PrefixOf(addr netip.Addr, bits int) Prefix {
	if !addr.IsValid() {
		return Prefix{}
	}
	p := Prefix{v6: FamilyOf(addr) == IPv6}
	if p.v6 {
		a := addr.As16()
		copy(p.net[:], a[:8])
		bits = min(bits, 64)
	} else {
		a := addr.Unmap().As4()
		copy(p.net[:], a[:])
		bits = min(bits, 32)
	}
	p.bits = uint8(1 + bits)
	for i := range p.net {
		switch keep := bits - 8*i; {
		case keep <= 0:
			p.net[i] = 0
		case keep < 8:
			p.net[i] &= 0xff << (8 - keep)
		}
	}
	return p
}

// Site returns the subscriber's prefix of addr: a /24 or a /48.
func Site(addr netip.Addr) Prefix {
	if FamilyOf(addr) == IPv4 {
		return PrefixOf(addr, SiteBits4)
	}
	return PrefixOf(addr, SiteBits6)
}

// mapped is the first 12 bytes of an IPv4-mapped address.
var mapped = [12]byte{10: 0xff, 11: 0xff}

// SameSite reports whether two addresses, in their 16-byte form, have the same Site. It is faster
// than two calls of Site.
func SameSite(a, b *[16]byte) bool {
	if [12]byte(a[:12]) == mapped || [12]byte(b[:12]) == mapped {
		return [12 + SiteBits4/8]byte(a[:]) == [12 + SiteBits4/8]byte(b[:])
	}
	return [SiteBits6 / 8]byte(a[:]) == [SiteBits6 / 8]byte(b[:])
}

// Wide returns the provider's prefix of addr: a /16 or a /32.
func Wide(addr netip.Addr) Prefix {
	if FamilyOf(addr) == IPv4 {
		return PrefixOf(addr, WideBits4)
	}
	return PrefixOf(addr, WideBits6)
}

// IsZero reports whether p is the zero Prefix.
func (p Prefix) IsZero() bool { return p.bits == 0 }

// Netip converts p to a netip.Prefix, for printing. It returns the invalid prefix for the zero
// value.
func (p Prefix) Netip() netip.Prefix {
	switch {
	case p.bits == 0:
		return netip.Prefix{}
	case p.v6:
		var a [16]byte
		copy(a[:], p.net[:])
		return netip.PrefixFrom(netip.AddrFrom16(a), int(p.bits)-1)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(p.net[:4])), int(p.bits)-1)
}

// String returns the prefix in CIDR notation.
func (p Prefix) String() string { return p.Netip().String() }
