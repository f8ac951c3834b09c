package k256

import "math/bits"

// Inverses use the algorithm of Bernstein and Yang, "Fast constant-time gcd computation and modular
// inversion" (2019): division steps on the pair f, g = m, x, which lead to f = ±1, g = 0. Each step
// depends on the lowest bits only, so one word suffices for 62 steps, which are collected in a
// matrix and then applied to the whole numbers. The number of steps is constant: 590 are enough for
// 256 bits if delta starts at 1/2.
const (
	stepsPerWord = 62
	wordRounds   = 10 // 620 steps
	wordMask     = 1<<stepsPerWord - 1
)

// signed is an integer in five limbs of 62 bits, lowest first. The highest limb holds the sign, the
// others are not negative.
type signed [5]int64

// modulus is an odd number below 2^256.
type modulus struct {
	m   signed
	inv uint64 // 1/m mod 2^62
}

var (
	modPrime = modulus{toSigned(&prime), 0x27c7f6e22ddacacf}
	modOrder = modulus{toSigned((*fe)(&order)), 0x34f20099aa774ec1}
)

// matrix is the effect of some division steps: f, g become (u·f + v·g)/2^62 and (q·f + r·g)/2^62.
// |u| + |v| and |q| + |r| are at most 2^62.
type matrix struct{ u, v, q, r int64 }

// inverse sets z to 1/x, or to 0 if x is 0.
func (z *fe) inverse(x *fe) {
	var t fe
	t.normalize(x)
	modPrime.invert((*[4]uint64)(z), (*[4]uint64)(&t), false)
}

// inverse sets z to 1/x, or to 0 if x is 0.
func (z *scalar) inverse(x *scalar) {
	modOrder.invert((*[4]uint64)(z), (*[4]uint64)(x), false)
}

// inverseVar is inverse in variable, shorter time.
func (z *scalar) inverseVar(x *scalar) {
	modOrder.invert((*[4]uint64)(z), (*[4]uint64)(x), true)
}

// invert sets z to 1/x modulo m, in variable time if x is public. Precondition: x < m.
func (m *modulus) invert(z, x *[4]uint64, public bool) {
	f, g := m.m, toSigned((*fe)(x))
	// Invariant: f = d·x and g = e·x (mod m), up to the power of two that the steps have divided
	// by.
	var d, e signed
	e[0] = 1
	zeta := int64(-1) // -(delta + 1/2)
	for range wordRounds {
		var t matrix
		f0, g0 := uint64(f[0])|uint64(f[1])<<62, uint64(g[0])|uint64(g[1])<<62
		if !public {
			zeta = t.steps(zeta, f0, g0)
		} else if g == (signed{}) {
			break
		} else {
			zeta = t.stepsVar(zeta, f0, g0)
		}
		t.apply(&f, &g)
		m.apply(&t, &d, &e)
	}
	// f is 1 or -1, and d is the inverse up to that sign; d is in (-2m, m).
	m.normalize(&d, f[4]>>63)
	fromSigned(z, &d)
	clear(d[:]) // the inverse of a nonce reveals the private key
	clear(e[:])
}

// steps sets t to 62 division steps that start with zeta and the lowest words of f and g. It
// returns the new zeta.
func (t *matrix) steps(zeta int64, f, g uint64) int64 {
	var u, v, q, r uint64 = 1, 0, 0, 1
	for range stepsPerWord {
		// delta > 0 means zeta < 0. If g is odd, the step adds f to g, or subtracts f if delta > 0;
		// in that case the old g becomes f.
		minus := uint64(zeta >> 63)
		odd := -(g & 1)
		g += ((f ^ minus) - minus) & odd
		q += ((u ^ minus) - minus) & odd
		r += ((v ^ minus) - minus) & odd
		swap := minus & odd
		zeta = zeta ^ int64(swap) - 1
		f += g & swap
		u += q & swap
		v += r & swap
		g >>= 1
		u <<= 1
		v <<= 1
	}
	t.u, t.v, t.q, t.r = int64(u), int64(v), int64(q), int64(r)
	return zeta
}

// stepsVar is steps in variable time: each round takes as many steps as possible.
func (t *matrix) stepsVar(zeta int64, f, g uint64) int64 {
	var u, v, q, r uint64 = 1, 0, 0, 1
	for left := int64(stepsPerWord); ; {
		zeros := bits.TrailingZeros64(g | ^uint64(0)<<left)
		g >>= zeros
		u <<= zeros
		v <<= zeros
		zeta -= int64(zeros)
		if left -= int64(zeros); left == 0 {
			break
		}
		if zeta < 0 { // g becomes f; the following steps are those of zeta >= 0
			zeta = -zeta - 1
			f, g, u, q, v, r = g, -f, q, -u, r, -v
		}
		// For zeta+1 steps f is added to g wherever g is odd. The sum of these additions is w·f,
		// which clears the lowest bits of g, at most 6. f·(2 - f²) is 1/f mod 64.
		w := g * f * (f*f - 2) & (uint64(1)<<min(zeta+1, left, 6) - 1)
		g += f * w
		q += u * w
		r += v * w
	}
	t.u, t.v, t.q, t.r = int64(u), int64(v), int64(q), int64(r)
	return zeta
}

// wide is a signed integer of 128 bits.
type wide struct{ hi, lo uint64 }

// addMul adds a·b.
func (w *wide) addMul(a, b int64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	h -= uint64(a>>63)&uint64(b) + uint64(b>>63)&uint64(a)
	var c uint64
	w.lo, c = bits.Add64(w.lo, l, 0)
	w.hi += h + c
}

// next removes and returns the lowest 62 bits of w.
func (w *wide) next() int64 {
	l := w.lo & wordMask
	w.lo = w.lo>>62 | w.hi<<2
	w.hi = uint64(int64(w.hi) >> 62)
	return int64(l)
}

// apply applies t to f and g. The divisions are exact.
func (t *matrix) apply(f, g *signed) {
	var a, b wide
	for i := range f {
		fi, gi := f[i], g[i]
		a.addMul(t.u, fi)
		a.addMul(t.v, gi)
		b.addMul(t.q, fi)
		b.addMul(t.r, gi)
		if i == 0 {
			a.next()
			b.next()
			continue
		}
		f[i-1], g[i-1] = a.next(), b.next()
	}
	f[4], g[4] = int64(a.lo), int64(b.lo)
}

// apply applies t to d and e modulo m. Both are in (-2m, m) before and after.
func (m *modulus) apply(t *matrix, d, e *signed) {
	// Adding m to negative numbers brings the dividend to (-2^62·m, 2^62·m). Then a multiple of m
	// below 2^62·m is subtracted that makes it divisible.
	ds, es := d[4]>>63, e[4]>>63
	md := t.u&ds + t.v&es
	me := t.q&ds + t.r&es
	d0, e0 := uint64(d[0]), uint64(e[0])
	md -= int64((m.inv*(uint64(t.u)*d0+uint64(t.v)*e0) + uint64(md)) & wordMask)
	me -= int64((m.inv*(uint64(t.q)*d0+uint64(t.r)*e0) + uint64(me)) & wordMask)
	var a, b wide
	for i := range d {
		di, ei := d[i], e[i]
		a.addMul(t.u, di)
		a.addMul(t.v, ei)
		a.addMul(md, m.m[i])
		b.addMul(t.q, di)
		b.addMul(t.r, ei)
		b.addMul(me, m.m[i])
		if i == 0 {
			a.next()
			b.next()
			continue
		}
		d[i-1], e[i-1] = a.next(), b.next()
	}
	d[4], e[4] = int64(a.lo), int64(b.lo)
}

// normalize maps d from (-2m, m) to [0, m). It negates d first if sign is -1 and not 0.
func (m *modulus) normalize(d *signed, sign int64) {
	m.addIf(d, d[4]>>63)
	for i := range d {
		d[i] = (d[i] ^ sign) - sign
	}
	d.carry()
	m.addIf(d, d[4]>>63)
}

// addIf adds m if mask is -1 and not 0.
func (m *modulus) addIf(d *signed, mask int64) {
	for i := range d {
		d[i] += m.m[i] & mask
	}
	d.carry()
}

// carry reduces all limbs except the highest to 62 bits.
func (d *signed) carry() {
	for i := range d[:4] {
		d[i+1] += d[i] >> 62
		d[i] &= wordMask
	}
}

// toSigned converts to limbs of 62 bits.
func toSigned(x *fe) signed {
	return signed{
		int64(x[0] & wordMask),
		int64((x[0]>>62 | x[1]<<2) & wordMask),
		int64((x[1]>>60 | x[2]<<4) & wordMask),
		int64((x[2]>>58 | x[3]<<6) & wordMask),
		int64(x[3] >> 56),
	}
}

// fromSigned converts from limbs of 62 bits. Precondition: 0 <= d < 2^256.
func fromSigned(z *[4]uint64, d *signed) {
	z[0] = uint64(d[0]) | uint64(d[1])<<62
	z[1] = uint64(d[1])>>2 | uint64(d[2])<<60
	z[2] = uint64(d[2])>>4 | uint64(d[3])<<58
	z[3] = uint64(d[3])>>6 | uint64(d[4])<<56
}
