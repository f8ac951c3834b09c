package limits

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// point is an address as a number of 128 bits. An IPv4 address is that of its mapped form,
// ::ffff:a.b.c.d, so that the families never meet.
type point struct{ hi, lo uint64 }

// mapped4 is the low word of the IPv4-mapped prefix ::ffff:0:0/96.
const mapped4 = 0xffff << 32

// pointOf also tells whether addr is an IPv4 address; a mapped one is. A zone is left out. The
// invalid address counts as "::".
func pointOf(addr netip.Addr) (p point, is4 bool) {
	if addr.Is4() {
		a := addr.As4()
		return point{0, mapped4 | uint64(binary.BigEndian.Uint32(a[:]))}, true
	}
	a := addr.As16()
	p = point{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
	return p, p.hi == 0 && p.lo>>32 == mapped4>>32
}

// addr is the address that p stands for.
func (p point) addr() netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], p.hi)
	binary.BigEndian.PutUint64(a[8:], p.lo)
	return netip.AddrFrom16(a).Unmap()
}

// less is 1 if p comes before q, else 0. It has no branch.
func (p point) less(q point) uint64 {
	_, b := bits.Sub64(p.lo, q.lo, 0)
	_, b = bits.Sub64(p.hi, q.hi, b)
	return b
}

func (p point) compare(q point) int { return int(q.less(p)) - int(p.less(q)) }

// mask is the prefix of the given length, of 128 bits.
func mask(length int) point {
	if length <= 64 {
		return point{^uint64(0) << (64 - length), 0}
	}
	return point{^uint64(0), ^uint64(0) << (128 - length)}
}

func (p point) and(q point) point { return point{p.hi & q.hi, p.lo & q.lo} }

// last is the last point of the range of the given prefix length that starts at p.
func (p point) last(length int) point {
	m := mask(length)
	return point{p.hi | ^m.hi, p.lo | ^m.lo}
}

// next is the point after p. ok is false if there is none.
func (p point) next() (n point, ok bool) {
	lo, carry := bits.Add64(p.lo, 1, 0)
	hi, carry := bits.Add64(p.hi, 0, carry)
	return point{hi, lo}, carry == 0
}

// Exempt says which sources a Limiter lets pass uncounted.
type Exempt uint8

// Exemptions.
const (
	// ExemptLocal lets loopback and local networks pass: RFC 1918, carrier-grade NAT
	// (100.64.0.0/10), link-local and IPv6 unique local addresses. Laboratories live in one prefix,
	// and behind a proxy or a translating router all the world has one local address. This is the
	// default. A node at a public address wants ExemptLoopback: networks seldom filter forged local
	// source addresses.
	ExemptLocal Exempt = iota
	// ExemptLoopback lets loopback pass only. No host takes such sources from a network.
	ExemptLoopback
	// ExemptNone limits all sources.
	ExemptNone
)

// covers reports whether p is exempt.
func (e Exempt) covers(p point, is4 bool) bool {
	if e == ExemptNone {
		return false
	}
	if is4 {
		a := uint32(p.lo)
		if a>>24 == 127 {
			return true
		}
		return e == ExemptLocal && (a>>24 == 10 || a>>20 == 172<<4|1 || a>>16 == 192<<8|168 ||
			a>>16 == 169<<8|254 || a>>22 == 100<<2|1)
	}
	if p == (point{0, 1}) {
		return true
	}
	return e == ExemptLocal && (p.hi>>57 == 0xfc>>1 || p.hi>>54 == 0xfe80>>6)
}
