package k256

import "math/bits"

// Inverses come from the algorithm of Bernstein and Yang, "Fast constant-time gcd computation and
// modular inversion" (2019): division steps on the pair f, g = m, x, which lead to f = ±1, g = 0.
// Each looks at the lowest bits only, so that 62 of them can be done on one word and collected in a
// matrix, which is then applied to the whole numbers. The number of steps depends on nothing; 590
// are enough for 256 bits when delta starts at 1/2.
const (
	stepsPerWord = 62
	wordRounds   = 10 // 620 steps
	wordMask     = 1<<stepsPerWord - 1
)

// signed is an integer of five limbs of 62 bits, the lowest first: the highest carries the sign,
// the others are not negative.
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

// matrix is what some division steps do: f, g become (u·f + v·g)/2^62 and (q·f + r·g)/2^62.
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

// inverseVar is inverse in a time that depends on x, and is shorter.
func (z *scalar) inverseVar(x *scalar) {
	modOrder.invert((*[4]uint64)(z), (*[4]uint64)(x), true)
}

// invert sets z to 1/x modulo m. If x is public, the time may depend on it. Precondition: x < m.
func (m *modulus) invert(z, x *[4]uint64, public bool) {
	f, g := m.m, toSigned((*fe)(x))
	// Always f = d·x and g = e·x (mod m), up to the power of two that the steps so far have divided
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
	// f is 1 or -1, and d the inverse but for that sign; d is in (-2m, m).
	m.normalize(&d, f[4]>>63)
	fromSigned(z, &d)
	clear(d[:]) // the inverse of a nonce gives away the private key
	clear(e[:])
}

// steps sets t to 62 division steps that start with zeta and the lowest words of f and g. It
// returns zeta after them.
func (t *matrix) steps(zeta int64, f, g uint64) int64 {
	var u, v, q, r uint64 = 1, 0, 0, 1
	for range stepsPerWord {
		// delta > 0 is zeta < 0. If g is odd, f is added to it, or taken from it if delta > 0; in
		// that case what g was becomes f.
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

// stepsVar is steps in a time that depends on f and g: it takes as many steps at a time as it can.
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
		if zeta < 0 { // g becomes f; its step and the following ones are then those of zeta >= 0
			zeta = -zeta - 1
			f, g, u, q, v, r = g, -f, q, -u, r, -v
		}
		// For zeta+1 steps f is added to g wherever g is odd: all in all w·f, which makes the
		// lowest bits of g zero, 6 of them at most. f·(2 - f²) is 1/f mod 64.
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

// next takes the lowest 62 bits off w.
func (w *wide) next() int64 {
	l := w.lo & wordMask
	w.lo = w.lo>>62 | w.hi<<2
	w.hi = uint64(int64(w.hi) >> 62)
	return int64(l)
}

// apply applies t to f and g, which divides without remainder.
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

// apply applies t to d and e modulo m. They are in (-2m, m) before and after.
func (m *modulus) apply(t *matrix, d, e *signed) {
	// Negative ones count as if m were added, so that what is divided is in (-2^62·m, 2^62·m). Then
	// as many m are taken away as make it divisible, less than 2^62.
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

// normalize brings d, which is in (-2m, m), to [0, m), after it was negated if sign is -1 and not
// 0.
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

// carry brings all limbs but the highest to 62 bits.
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
