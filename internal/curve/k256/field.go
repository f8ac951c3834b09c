package k256

import (
	"encoding/binary"
	"math/bits"
)

// fe is an element of the field modulo p = 2^256 - 2^32 - 977: four limbs of 64 bits, lowest first.
//
// Any 256 bits are a valid fe; residues below 2^256 - p have two forms. All functions accept any
// form, and only normalize returns the form below p. So there are no magnitudes to track, at the
// cost of a carry per addition.
type fe [4]uint64

// fold is 2^256 mod p, the value of a carry out of the highest limb.
const fold = 1<<32 + 977

// prime is p.
var prime = fe{0xfffffffefffffc2f, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff}

var feOne = fe{1}

// setBytes sets z to the big-endian number b and reports whether b < p.
func (z *fe) setBytes(b *[32]byte) bool {
	for i := range z {
		z[i] = binary.BigEndian.Uint64(b[24-8*i:])
	}
	_, c := bits.Add64(z[0], fold, 0)
	_, c = bits.Add64(z[1], 0, c)
	_, c = bits.Add64(z[2], 0, c)
	_, c = bits.Add64(z[3], 0, c)
	return c == 0
}

// putBytes writes z, which must be normalized, to b in big-endian order.
func (z *fe) putBytes(b *[32]byte) {
	for i, w := range z {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
}

// normalize sets z to x in the form below p.
func (z *fe) normalize(x *fe) {
	// x + fold overflows exactly if x >= p, and the remainder is then x - p.
	r0, c := bits.Add64(x[0], fold, 0)
	r1, c := bits.Add64(x[1], 0, c)
	r2, c := bits.Add64(x[2], 0, c)
	r3, c := bits.Add64(x[3], 0, c)
	m := -c
	z[0] = x[0] ^ (x[0]^r0)&m
	z[1] = x[1] ^ (x[1]^r1)&m
	z[2] = x[2] ^ (x[2]^r2)&m
	z[3] = x[3] ^ (x[3]^r3)&m
}

// zeroMask returns all ones if x is zero, in either form, and otherwise zero, in constant time.
func (x *fe) zeroMask() uint64 {
	zero := x[0] | x[1] | x[2] | x[3]
	p := x[0] ^ prime[0] | ^(x[1] & x[2] & x[3])
	return maskZero(zero) | maskZero(p)
}

// isZero is zeroMask for callers that may branch.
func (x *fe) isZero() bool {
	return x[0]|x[1]|x[2]|x[3] == 0 || x[0] == prime[0] && x[1]&x[2]&x[3] == 1<<64-1
}

// maskZero returns all ones if w is zero, and otherwise zero.
func maskZero(w uint64) uint64 { return ^uint64(int64(w|-w) >> 63) }

// choose sets z to x if mask is all ones, and keeps it if mask is zero.
func (z *fe) choose(x *fe, mask uint64) {
	z[0] ^= (z[0] ^ x[0]) & mask
	z[1] ^= (z[1] ^ x[1]) & mask
	z[2] ^= (z[2] ^ x[2]) & mask
	z[3] ^= (z[3] ^ x[3]) & mask
}

// add sets z to x + y.
func (z *fe) add(x, y *fe) {
	r0, c := bits.Add64(x[0], y[0], 0)
	r1, c := bits.Add64(x[1], y[1], c)
	r2, c := bits.Add64(x[2], y[2], c)
	r3, c := bits.Add64(x[3], y[3], c)
	r0, c = bits.Add64(r0, -c&fold, 0)
	r1, c = bits.Add64(r1, 0, c)
	r2, c = bits.Add64(r2, 0, c)
	r3, c = bits.Add64(r3, 0, c)
	// A second carry leaves less than fold, so the lowest limb has room.
	z[0], z[1], z[2], z[3] = r0+(-c&fold), r1, r2, r3
}

// sub sets z to x - y.
func (z *fe) sub(x, y *fe) {
	r0, b := bits.Sub64(x[0], y[0], 0)
	r1, b := bits.Sub64(x[1], y[1], b)
	r2, b := bits.Sub64(x[2], y[2], b)
	r3, b := bits.Sub64(x[3], y[3], b)
	r0, b = bits.Sub64(r0, -b&fold, 0)
	r1, b = bits.Sub64(r1, 0, b)
	r2, b = bits.Sub64(r2, 0, b)
	r3, b = bits.Sub64(r3, 0, b)
	// A second borrow leaves at least 2^256 - fold, so the lowest limb is large enough.
	z[0], z[1], z[2], z[3] = r0-(-b&fold), r1, r2, r3
}

// subDouble sets z to x - 2y.
func (z *fe) subDouble(x, y *fe) {
	r0, b := bits.Sub64(x[0], y[0]<<1, 0)
	r1, b := bits.Sub64(x[1], y[1]<<1|y[0]>>63, b)
	r2, b := bits.Sub64(x[2], y[2]<<1|y[1]>>63, b)
	r3, b := bits.Sub64(x[3], y[3]<<1|y[2]>>63, b)
	r0, b = bits.Sub64(r0, (b+y[3]>>63)*fold, 0) // the difference may be short by up to 2·2^256
	r1, b = bits.Sub64(r1, 0, b)
	r2, b = bits.Sub64(r2, 0, b)
	r3, b = bits.Sub64(r3, 0, b)
	z[0], z[1], z[2], z[3] = r0-(-b&fold), r1, r2, r3 // as in sub: at least 2^256 - 2·fold
}

// threeHalves sets z to 3x/2.
func (z *fe) threeHalves(x *fe) {
	// 3x in five limbs, plus p if it is odd, is below 2^258, so half of it has a carry of 0 or 1.
	r0, c := bits.Add64(x[0], x[0]<<1, 0)
	r1, c := bits.Add64(x[1], x[1]<<1|x[0]>>63, c)
	r2, c := bits.Add64(x[2], x[2]<<1|x[1]>>63, c)
	r3, c := bits.Add64(x[3], x[3]<<1|x[2]>>63, c)
	r4 := x[3]>>63 + c
	odd := -(r0 & 1)
	r0, c = bits.Add64(r0, odd&prime[0], 0)
	r1, c = bits.Add64(r1, odd, c)
	r2, c = bits.Add64(r2, odd, c)
	r3, c = bits.Add64(r3, odd, c)
	r4 += c
	r0, r1, r2, r3, r4 = r0>>1|r1<<63, r1>>1|r2<<63, r2>>1|r3<<63, r3>>1|r4<<63, r4>>1
	r0, c = bits.Add64(r0, -r4&fold, 0)
	r1, c = bits.Add64(r1, 0, c)
	r2, c = bits.Add64(r2, 0, c)
	r3, c = bits.Add64(r3, 0, c)
	z[0], z[1], z[2], z[3] = r0+(-c&fold), r1, r2, r3
}

// negate sets z to -x.
func (z *fe) negate(x *fe) { z.sub(&fe{}, x) }

// mul sets z to x·y.
func (z *fe) mul(x, y *fe) { feMul(z, x, y) }

// sqr sets z to x².
func (z *fe) sqr(x *fe) { feSqr(z, x, 1) }

// equalVar reports whether x and y are the same element.
func (x *fe) equalVar(y *fe) bool {
	var d fe
	d.sub(x, y)
	return d.isZero()
}
