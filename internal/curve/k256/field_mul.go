package k256

import "math/bits"

// feMulGeneric sets z to x·y.
func feMulGeneric(z, x, y *fe) {
	r0, r1, r2, r3, r4, r5, r6, r7 := mulWide((*[4]uint64)(x), (*[4]uint64)(y))
	reduceWide(z, r0, r1, r2, r3, r4, r5, r6, r7)
}

// mulWide returns the eight limbs of x·y.
func mulWide(x, y *[4]uint64) (r0, r1, r2, r3, r4, r5, r6, r7 uint64) {
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]

	a := x[0]
	h0, r0 := bits.Mul64(a, y0)
	h1, l1 := bits.Mul64(a, y1)
	h2, l2 := bits.Mul64(a, y2)
	h3, l3 := bits.Mul64(a, y3)
	r1, c := bits.Add64(l1, h0, 0)
	r2, c = bits.Add64(l2, h1, c)
	r3, c = bits.Add64(l3, h2, c)
	r4 = h3 + c

	a = x[1]
	h0, l0 := bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	r1, c = bits.Add64(r1, l0, 0)
	r2, c = bits.Add64(r2, l1, c)
	r3, c = bits.Add64(r3, l2, c)
	r4, c = bits.Add64(r4, l3, c)
	r5 = h3 + c
	r2, c = bits.Add64(r2, h0, 0)
	r3, c = bits.Add64(r3, h1, c)
	r4, c = bits.Add64(r4, h2, c)
	r5 += c

	a = x[2]
	h0, l0 = bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	r2, c = bits.Add64(r2, l0, 0)
	r3, c = bits.Add64(r3, l1, c)
	r4, c = bits.Add64(r4, l2, c)
	r5, c = bits.Add64(r5, l3, c)
	r6 = h3 + c
	r3, c = bits.Add64(r3, h0, 0)
	r4, c = bits.Add64(r4, h1, c)
	r5, c = bits.Add64(r5, h2, c)
	r6 += c

	a = x[3]
	h0, l0 = bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	r3, c = bits.Add64(r3, l0, 0)
	r4, c = bits.Add64(r4, l1, c)
	r5, c = bits.Add64(r5, l2, c)
	r6, c = bits.Add64(r6, l3, c)
	r7 = h3 + c
	r4, c = bits.Add64(r4, h0, 0)
	r5, c = bits.Add64(r5, h1, c)
	r6, c = bits.Add64(r6, h2, c)
	r7 += c
	return r0, r1, r2, r3, r4, r5, r6, r7
}

// feSqrGeneric sets z to x squared n times in a row, x^(2^n). Precondition: n > 0.
func feSqrGeneric(z, x *fe, n int) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	for {
		// The products of different limbs count twice.
		h, r1 := bits.Mul64(x0, x1)
		r3, l := bits.Mul64(x0, x2)
		r2, c := bits.Add64(l, h, 0)
		h, l = bits.Mul64(x1, x2)
		r3, c = bits.Add64(r3, l, c)
		r4 := h + c
		h, l = bits.Mul64(x0, x3)
		r3, c = bits.Add64(r3, l, 0)
		r4, c = bits.Add64(r4, h, c)
		r5 := c
		h, l = bits.Mul64(x1, x3)
		r4, c = bits.Add64(r4, l, 0)
		r5, c = bits.Add64(r5, h, c)
		r6 := c
		h, l = bits.Mul64(x2, x3)
		r5, c = bits.Add64(r5, l, 0)
		r6 += h + c
		r7 := r6 >> 63
		r6 = r6<<1 | r5>>63
		r5 = r5<<1 | r4>>63
		r4 = r4<<1 | r3>>63
		r3 = r3<<1 | r2>>63
		r2 = r2<<1 | r1>>63
		r1 <<= 1

		h, r0 := bits.Mul64(x0, x0)
		r1, c = bits.Add64(r1, h, 0)
		h, l = bits.Mul64(x1, x1)
		r2, c = bits.Add64(r2, l, c)
		r3, c = bits.Add64(r3, h, c)
		h, l = bits.Mul64(x2, x2)
		r4, c = bits.Add64(r4, l, c)
		r5, c = bits.Add64(r5, h, c)
		h, l = bits.Mul64(x3, x3)
		r6, c = bits.Add64(r6, l, c)
		r7 += h + c

		reduceWide(z, r0, r1, r2, r3, r4, r5, r6, r7)
		if n--; n <= 0 {
			return
		}
		x0, x1, x2, x3 = z[0], z[1], z[2], z[3]
	}
}

// reduceWide sets z to the number of eight limbs r7 ... r0.
func reduceWide(z *fe, r0, r1, r2, r3, r4, r5, r6, r7 uint64) {
	h0, l0 := bits.Mul64(r4, fold)
	h1, l1 := bits.Mul64(r5, fold)
	h2, l2 := bits.Mul64(r6, fold)
	h3, l3 := bits.Mul64(r7, fold)
	r0, c := bits.Add64(r0, l0, 0)
	r1, c = bits.Add64(r1, l1, c)
	r2, c = bits.Add64(r2, l2, c)
	r3, c = bits.Add64(r3, l3, c)
	h3 += c
	r1, c = bits.Add64(r1, h0, 0)
	r2, c = bits.Add64(r2, h1, c)
	r3, c = bits.Add64(r3, h2, c)
	h3 += c // at most fold: 34 bits
	h0, l0 = bits.Mul64(h3, fold)
	r0, c = bits.Add64(r0, l0, 0)
	r1, c = bits.Add64(r1, h0, c)
	r2, c = bits.Add64(r2, 0, c)
	r3, c = bits.Add64(r3, 0, c)
	// A carry leaves less than 2^67, so the second limb has room for another one.
	r0, b := bits.Add64(r0, -c&fold, 0)
	z[0], z[1], z[2], z[3] = r0, r1+b, r2, r3
}
