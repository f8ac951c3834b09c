package k256

// affine is a point (x, y) of the curve y² = x³ + 7. It cannot represent the point at infinity.
type affine struct{ x, y fe }

// jacobian is the point (x/z², y/z³), or the point at infinity if z is zero.
//
// The formulas below do not contain the 7, so they hold on all curves y² = x³ + b. The curves with
// b = 7·c⁶ are the same curve in other units, by the map (x, y) -> (c²·x, c³·y). Points with the
// same z can therefore be treated as affine points of the curve with c = z.
type jacobian struct{ x, y, z fe }

// generator is G.
var generator = affine{
	fe{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac},
	fe{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465},
}

// set sets r to q.
func (r *jacobian) set(q *affine) { r.x, r.y, r.z = q.x, q.y, feOne }

// choose sets r to p if mask is all ones, and keeps it if mask is zero.
func (r *jacobian) choose(p *jacobian, mask uint64) {
	r.x.choose(&p.x, mask)
	r.y.choose(&p.y, mask)
	r.z.choose(&p.z, mask)
}

// double sets r to 2p for any p, because no point has order 2. It takes 3 multiplications and 4
// squarings.
func (r *jacobian) double(p *jacobian) {
	// L = 3x²/2, S = y², T = xS: the double is (L² - 2T, L(T - x') - S², yz).
	var l, s, t, u fe
	l.sqr(&p.x)
	s.sqr(&p.y)
	l.threeHalves(&l)
	t.mul(&p.x, &s)
	r.z.mul(&p.y, &p.z)
	u.sqr(&l)
	s.sqr(&s)
	r.x.subDouble(&u, &t)
	t.sub(&t, &r.x)
	t.mul(&t, &l)
	r.y.sub(&t, &s)
}

// chord holds the first values of an addition p + q: H = x2·z² - x1 and R = y2·z³ - y1 for p = (x1,
// y1, z) and q = (x2, y2). H is zero if p = q or p = -q, and R is zero too if p = q. Both have no
// meaning if p is the point at infinity.
type chord struct{ h, r fe }

// through computes the chord through p and q. z is that of p, or a replacement for it.
func (c *chord) through(p *jacobian, z *fe, q *affine) {
	var zz, s fe
	zz.sqr(z)
	s.mul(z, &q.y)
	c.h.mul(&q.x, &zz)
	s.mul(&s, &zz)
	c.h.sub(&c.h, &p.x)
	c.r.sub(&s, &p.y)
}

// end sets r to p + q, where c is the chord of both. The new z is that of p times H. Precondition:
// p is neither q nor the point at infinity. An addition takes 8 multiplications and 3 squarings in
// total.
func (c *chord) end(r, p *jacobian) {
	// V = x1·H²: the sum is (R² - H³ - 2V, R(V - x') - y1·H³, zH).
	var hh, hhh, v, t fe
	hh.sqr(&c.h)
	t.sqr(&c.r)
	hhh.mul(&hh, &c.h)
	v.mul(&p.x, &hh)
	r.z.mul(&p.z, &c.h)
	t.sub(&t, &hhh)
	hhh.mul(&hhh, &p.y)
	r.x.subDouble(&t, &v)
	v.sub(&v, &r.x)
	v.mul(&v, &c.r)
	r.y.sub(&v, &hhh)
}

// add sets r to r + q. Precondition: r is neither q nor -q nor the point at infinity.
func (r *jacobian) add(q *affine) {
	var c chord
	c.through(r, &r.z, q)
	c.end(r, r)
}

// addComplete sets r to r + q for any points, in constant time.
func (r *jacobian) addComplete(q *affine) {
	var c chord
	var sum, double, only jacobian
	c.through(r, &r.z, q)
	c.end(&sum, r) // for opposite points H and therefore z are 0, as required
	double.double(r)
	only.set(q)
	infinite := r.z.zeroMask()
	sum.choose(&double, c.h.zeroMask()&c.r.zeroMask())
	sum.choose(&only, infinite)
	*r = sum
}

// addVar sets r to r + q for any points, in variable time. q is on the curve in units of c, in
// which r already is; cz is c times the z of r.
func (r *jacobian) addVar(q *affine, c, cz *fe) {
	if r.z.isZero() {
		var t fe
		t.sqr(c)
		r.x.mul(&q.x, &t)
		t.mul(&t, c)
		r.y.mul(&q.y, &t)
		r.z = feOne
		return
	}
	var h chord
	h.through(r, cz, q)
	if h.h.isZero() && h.r.isZero() {
		r.double(r)
		return
	}
	h.end(r, r) // for opposite points H and therefore z are 0, as required
}

// set sets q to p, normalized. It is (0, 0) if p is the point at infinity.
func (q *affine) set(p *jacobian) {
	var i, ii fe
	i.inverse(&p.z)
	ii.sqr(&i)
	q.x.mul(&p.x, &ii)
	ii.mul(&ii, &i)
	q.y.mul(&p.y, &ii)
	q.x.normalize(&q.x)
	q.y.normalize(&q.y)
}

// decompress sets q to the point that pub encodes, normalized. It returns false if there is none.
func (q *affine) decompress(pub *[33]byte) bool {
	if pub[0]|1 != 3 || !q.x.setBytes((*[32]byte)(pub[1:])) {
		return false
	}
	var t fe
	t.sqr(&q.x)
	t.mul(&t, &q.x)
	t.add(&t, &fe{7})
	if !q.y.sqrt(&t) {
		return false
	}
	q.y.normalize(&q.y)
	if byte(q.y[0])&1 != pub[0]&1 { // y is never 0: no point has order 2
		q.y.negate(&q.y)
		q.y.normalize(&q.y)
	}
	return true
}

// compress writes q, which must be normalized, to pub.
func (q *affine) compress(pub *[33]byte) {
	pub[0] = 2 | byte(q.y[0])&1
	q.x.putBytes((*[32]byte)(pub[1:]))
}
