package k256

import (
	"encoding/binary"
	"math/bits"
)

// scalar is a number modulo n, the order of the group: four limbs of 64 bits, lowest first, always
// below n. All functions take constant time.
type scalar [4]uint64

// order is n. overflow is 2^256 - n, which has 129 bits. halfOrder is (n-1)/2.
var (
	order     = scalar{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}
	overflow  = scalar{0x402da1732fc9bebf, 0x4551231950b75fc4, 1, 0}
	halfOrder = scalar{0xdfe92f46681b20a0, 0x5d576e7357a4501d, 0xffffffffffffffff, 0x7fffffffffffffff}
)

// setBytes sets z to the big-endian number b modulo n. It returns all ones if b >= n, and otherwise
// zero.
func (z *scalar) setBytes(b *[32]byte) (reduced uint64) {
	for i := range z {
		z[i] = binary.BigEndian.Uint64(b[24-8*i:])
	}
	return z.reduce(0)
}

// putBytes writes z to b in big-endian order.
func (z *scalar) putBytes(b *[32]byte) {
	for i, w := range z {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
}

// reduce subtracts n from carry·2^256 + z if that is not below n, and returns all ones if it did.
// Precondition: the number is below 2n.
func (z *scalar) reduce(carry uint64) uint64 {
	r0, c := bits.Add64(z[0], overflow[0], 0)
	r1, c := bits.Add64(z[1], overflow[1], c)
	r2, c := bits.Add64(z[2], overflow[2], c)
	r3, c := bits.Add64(z[3], 0, c)
	m := -(c | carry)
	z[0] ^= (z[0] ^ r0) & m
	z[1] ^= (z[1] ^ r1) & m
	z[2] ^= (z[2] ^ r2) & m
	z[3] ^= (z[3] ^ r3) & m
	return m
}

// add sets z to x + y.
func (z *scalar) add(x, y *scalar) {
	var c uint64
	for i := range z {
		z[i], c = bits.Add64(x[i], y[i], c)
	}
	z.reduce(c)
}

// negate sets z to -x.
func (z *scalar) negate(x *scalar) {
	m := ^maskZero(x[0] | x[1] | x[2] | x[3])
	var b uint64
	for i := range z {
		z[i], b = bits.Sub64(order[i]&m, x[i], b)
	}
}

// half sets z to x/2.
func (z *scalar) half(x *scalar) {
	odd := -(x[0] & 1)
	r0, c := bits.Add64(x[0], order[0]&odd, 0)
	r1, c := bits.Add64(x[1], order[1]&odd, c)
	r2, c := bits.Add64(x[2], order[2]&odd, c)
	r3, c := bits.Add64(x[3], order[3]&odd, c)
	z[0], z[1], z[2], z[3] = r0>>1|r1<<63, r1>>1|r2<<63, r2>>1|r3<<63, r3>>1|c<<63
}

// choose sets z to x if mask is all ones, and keeps it if mask is zero.
func (z *scalar) choose(x *scalar, mask uint64) {
	for i := range z {
		z[i] ^= (z[i] ^ x[i]) & mask
	}
}

// zeroMask returns all ones if z is zero, and otherwise zero.
func (z *scalar) zeroMask() uint64 { return maskZero(z[0] | z[1] | z[2] | z[3]) }

// highMask returns all ones if z > (n-1)/2, and otherwise zero.
func (z *scalar) highMask() uint64 {
	var b uint64
	for i := range z {
		_, b = bits.Sub64(halfOrder[i], z[i], b)
	}
	return -b
}

// mul sets z to x·y.
func (z *scalar) mul(x, y *scalar) {
	r0, r1, r2, r3, r4, r5, r6, r7 := mulWide((*[4]uint64)(x), (*[4]uint64)(y))
	// The part above 2^256 counts overflow per unit. The highest limb of overflow is 1, so two rows
	// of products remain. First step: four limbs, with a result of 386 bits in 7 limbs.
	var c uint64
	h0, l0 := bits.Mul64(r4, overflow[0])
	h1, l1 := bits.Mul64(r5, overflow[0])
	h2, l2 := bits.Mul64(r6, overflow[0])
	h3, l3 := bits.Mul64(r7, overflow[0])
	r0, c = bits.Add64(r0, l0, 0)
	r1, c = bits.Add64(r1, l1, c)
	r2, c = bits.Add64(r2, l2, c)
	r3, c = bits.Add64(r3, l3, c)
	t4, t5 := h3+c, uint64(0)
	r1, c = bits.Add64(r1, h0, 0)
	r2, c = bits.Add64(r2, h1, c)
	r3, c = bits.Add64(r3, h2, c)
	t4, t5 = bits.Add64(t4, 0, c)
	h0, l0 = bits.Mul64(r4, overflow[1])
	h1, l1 = bits.Mul64(r5, overflow[1])
	h2, l2 = bits.Mul64(r6, overflow[1])
	h3, l3 = bits.Mul64(r7, overflow[1])
	r1, c = bits.Add64(r1, l0, 0)
	r2, c = bits.Add64(r2, l1, c)
	r3, c = bits.Add64(r3, l2, c)
	t4, c = bits.Add64(t4, l3, c)
	t5 += c
	r2, c = bits.Add64(r2, h0, 0)
	r3, c = bits.Add64(r3, h1, c)
	t4, c = bits.Add64(t4, h2, c)
	t5 += h3 + c // two limbs of overflow have 127 bits, so the sum is below 2^384
	r2, c = bits.Add64(r2, r4, 0)
	r3, c = bits.Add64(r3, r5, c)
	t4, c = bits.Add64(t4, r6, c)
	t5, t6 := bits.Add64(t5, r7, c)
	// Second step: three limbs, the highest of them with 2 bits, give 260 bits.
	h0, l0 = bits.Mul64(t4, overflow[0])
	h1, l1 = bits.Mul64(t5, overflow[0])
	h2, l2 = bits.Mul64(t6, overflow[0])
	r0, c = bits.Add64(r0, l0, 0)
	r1, c = bits.Add64(r1, l1, c)
	r2, c = bits.Add64(r2, l2, c)
	r3, c = bits.Add64(r3, h2, c)
	u := c
	r1, c = bits.Add64(r1, h0, 0)
	r2, c = bits.Add64(r2, h1, c)
	r3, c = bits.Add64(r3, 0, c)
	u += c
	h0, l0 = bits.Mul64(t4, overflow[1])
	h1, l1 = bits.Mul64(t5, overflow[1])
	l2 = t6 * overflow[1]
	h2, _ = bits.Mul64(t6, overflow[1])
	r1, c = bits.Add64(r1, l0, 0)
	r2, c = bits.Add64(r2, l1, c)
	r3, c = bits.Add64(r3, l2, c)
	u += h2 + c
	r2, c = bits.Add64(r2, h0, 0)
	r3, c = bits.Add64(r3, h1, c)
	u += c
	r2, c = bits.Add64(r2, t4, 0)
	r3, c = bits.Add64(r3, t5, c)
	u += t6 + c
	// Third step: the remaining bits give less than 2^256 + 2^133.
	h0, l0 = bits.Mul64(u, overflow[0])
	h1, l1 = bits.Mul64(u, overflow[1])
	r0, c = bits.Add64(r0, l0, 0)
	r1, c = bits.Add64(r1, h0, c)
	r2, c = bits.Add64(r2, h1, c)
	r3, c = bits.Add64(r3, 0, c)
	carry := c
	r1, c = bits.Add64(r1, l1, 0)
	r2, c = bits.Add64(r2, u, c)
	r3, c = bits.Add64(r3, 0, c)
	*z = scalar{r0, r1, r2, r3}
	z.reduce(carry + c)
}
