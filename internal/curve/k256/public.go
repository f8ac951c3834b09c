package k256

import "math/bits"

// The code of this file takes variable time: it serves signatures, digests and public keys, which
// are not secret.

// digits is a number of up to 129 bits in digits of width w: the sum of digits[i]·2^i. A digit is
// zero, or odd and below 2^(w-1) in size. At most one of w consecutive digits is not zero.
type digits [130]int16

// set sets d to the number hi·2^64 + lo, negated if requested. It returns the number of digits and
// leaves the others zero. Precondition: d is zero.
func (d *digits) set(lo, hi uint64, negative bool, width uint) int {
	n := 0
	for i := 0; lo|hi != 0; i += int(width) {
		if lo == 0 {
			lo, hi = hi, 0
			i += 64
		}
		zeros := bits.TrailingZeros64(lo)
		lo, hi = lo>>zeros|hi<<(64-zeros), hi>>zeros
		i += zeros
		digit := int16(lo % (1 << width))
		lo, hi = lo>>width|hi<<(64-width), hi>>width
		if digit >= 1<<(width-1) { // the remainder grows by one, and never exceeds 128 bits
			digit -= 1 << width
			var c uint64
			lo, c = bits.Add64(lo, 1, 0)
			hi += c
		}
		if negative {
			digit = -digit
		}
		d[i] = digit
		n = i + 1
	}
	return n
}

// setHalf is set for a half that split has made: between -2^128 and 2^128 modulo n.
//
//nolint:unparam // width is that of set
func (d *digits) setHalf(k *scalar, width uint) int {
	if k.highMask() == 0 {
		return d.set(k[0], k[1], false, width)
	}
	var m scalar
	m.negate(k)
	return d.set(m[0], m[1], true, width)
}

// multiple sets q to digit times the point whose odd multiples t holds. Precondition: digit is odd.
func (q *affine) multiple(t []affine, digit int16) {
	if digit > 0 {
		*q = t[digit/2]
		return
	}
	*q = t[-digit/2]
	q.y.negate(&q.y)
}

// multSum sets r to g·G + k·p. The z of the result is in units of c: the point's z is r.z·c.
func (r *jacobian) multSum(c *fe, g, k *scalar, p *affine) {
	k1, k2 := k.split()
	var d1, d2, low, high digits
	n := max(d1.setHalf(&k1, publicBits), d2.setHalf(&k2, publicBits),
		low.set(g[0], g[1], false, fixedBits), high.set(g[2], g[3], false, fixedBits))

	var t1, t2 [publicSize]affine
	oddMultiples(t1[:], c, p)
	for i := range t1 {
		t2[i].y = t1[i].y
		t2[i].x.mul(&t1[i].x, &beta)
	}
	t := base()
	*r = jacobian{}
	var q affine
	var cz fe
	for i := n - 1; i >= 0; i-- {
		r.double(r)
		if d := d1[i]; d != 0 {
			q.multiple(t1[:], d)
			r.addVar(&q, &feOne, &r.z)
		}
		if d := d2[i]; d != 0 {
			q.multiple(t2[:], d)
			r.addVar(&q, &feOne, &r.z)
		}
		if d := low[i]; d != 0 {
			q.multiple(t.low[:], d)
			cz.mul(&r.z, c)
			r.addVar(&q, c, &cz)
		}
		if d := high[i]; d != 0 {
			q.multiple(t.high[:], d)
			cz.mul(&r.z, c)
			r.addVar(&q, c, &cz)
		}
	}
}
