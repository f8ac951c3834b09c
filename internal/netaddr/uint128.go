package netaddr

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Uint128 is an address as a 128-bit number. An IPv4 address has the number of its mapped form,
// ::ffff:a.b.c.d, so IPv4 and IPv6 addresses never share a number.
type Uint128 struct{ Hi, Lo uint64 }

// mapped4 is the low word of the IPv4-mapped prefix ::ffff:0:0/96. Its high word is 0.
const mapped4 = 0xffff << 32

// Uint128Of returns the number and the family of addr. It ignores a zone. The invalid address
// counts as "::".
func Uint128Of(addr netip.Addr) (Uint128, Family) {
	if addr.Is4() {
		a := addr.As4()
		return Uint128{0, mapped4 | uint64(binary.BigEndian.Uint32(a[:]))}, IPv4
	}
	a := addr.As16()
	n := Uint128{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
	return n, n.Family()
}

// Family returns the family of the address with number n.
func (n Uint128) Family() Family {
	if n.Hi == 0 && n.Lo>>32 == mapped4>>32 {
		return IPv4
	}
	return IPv6
}

// Addr returns the address with number n.
func (n Uint128) Addr() netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], n.Hi)
	binary.BigEndian.PutUint64(a[8:], n.Lo)
	return netip.AddrFrom16(a).Unmap()
}

// Less returns 1 if n < m, else 0. It does not branch.
func (n Uint128) Less(m Uint128) uint64 {
	_, b := bits.Sub64(n.Lo, m.Lo, 0)
	_, b = bits.Sub64(n.Hi, m.Hi, b)
	return b
}

// Compare returns -1, 0 or 1, as n is below, equal to or above m.
func (n Uint128) Compare(m Uint128) int { return int(m.Less(n)) - int(n.Less(m)) }

// And returns the bitwise AND of n and m.
func (n Uint128) And(m Uint128) Uint128 { return Uint128{n.Hi & m.Hi, n.Lo & m.Lo} }

// Next returns n + 1. ok is false if n is the largest number.
func (n Uint128) Next() (next Uint128, ok bool) {
	lo, carry := bits.Add64(n.Lo, 1, 0)
	hi, carry := bits.Add64(n.Hi, 0, carry)
	return Uint128{hi, lo}, carry == 0
}

// Last returns the last number of the range that starts at n and has a prefix of length bits.
func (n Uint128) Last(length int) Uint128 {
	m := Mask(length)
	return Uint128{n.Hi | ^m.Hi, n.Lo | ^m.Lo}
}

// Mask returns the network mask of a prefix of length bits, from 0 to 128. For an IPv4 prefix add
// 96 to its length.
func Mask(length int) Uint128 {
	if length <= 64 {
		return Uint128{^uint64(0) << (64 - length), 0}
	}
	return Uint128{^uint64(0), ^uint64(0) << (128 - length)}
}
