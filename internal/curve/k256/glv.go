package k256

import "math/bits"

// The curve has an endomorphism: (x, y) -> (beta·x, y) multiplies a point by lambda. beta and
// lambda are cube roots of 1, in the field and modulo n. The pairs (a, b) with a + b·lambda = 0
// (mod n) are a lattice, with this reduced basis:
//
//	(a1, b1) = (0x3086d221a7d46bcde86c90e49284eb15, -0xe4437ed6010e88286f547fa90abfe4c3)
//	(a2, b2) = (0x114ca50f7a8e2f3f657c1108d9d44cfd8, a1)
//
// As lambda² + lambda + 1 = 0 (mod n), n divides a² - ab + b² for all of them: only (0, 0) has both
// |a| and |b| below sqrt(n/3), which is above 2^127.
var (
	beta        = fe{0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}
	minusLambda = scalar{0xe0cfc810b51283cf, 0xa880b9fc8ec739c2, 0x5ad9e3fd77ed9ba4, 0xac9c52b33fa3cf1f}

	minusB1 = scalar{0x6f547fa90abfe4c3, 0xe4437ed6010e8828, 0, 0}
	minusB2 = scalar{0xd765cda83db1562c, 0x8a280ac50774346d, 0xfffffffffffffffe, 0xffffffffffffffff}

	// The vector (k, 0) has the coordinates k·b2/n and -k·b1/n in the basis. glv1 and glv2 are b2/n
	// and -b1/n times 2^384, rounded.
	glv1 = [4]uint64{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd}
	glv2 = [4]uint64{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828}
)

// split returns k1 and k2 with k1 + k2·lambda = k. Modulo n, both are between -2^128 and 2^128: the
// difference to the nearest lattice point is at most half of the sum of the basis vectors and a few
// units, less than 0.64·2^128 in each coordinate.
func (k *scalar) split() (k1, k2 scalar) {
	c1, c2 := mulShift384(k, &glv1), mulShift384(k, &glv2)
	c1.mul(&c1, &minusB1)
	c2.mul(&c2, &minusB2)
	k2.add(&c1, &c2)
	k1.mul(&k2, &minusLambda)
	k1.add(&k1, k)
	return k1, k2
}

// mulShift384 returns k·g / 2^384, rounded.
func mulShift384(k *scalar, g *[4]uint64) (z scalar) {
	_, _, _, _, _, r5, r6, r7 := mulWide((*[4]uint64)(k), g)
	var c uint64
	z[0], c = bits.Add64(r6, r5>>63, 0)
	z[1] = r7 + c // no overflow: g is below 2^256 - 2^254
	return z
}
