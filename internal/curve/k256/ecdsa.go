package k256

// primeLessOrder is p - n.
var primeLessOrder = fe{0x402da1722fc9baee, 0x4551231950b75fc4, 1, 0}

// verify reports whether (r, s) is a signature of p over digest. Precondition: neither is zero.
func verify(p *affine, digest *[32]byte, r, s *scalar) bool {
	var e, w, g, k scalar
	e.setBytes(digest)
	w.inverseVar(s)
	g.mul(&e, &w)
	k.mul(r, &w)
	var sum jacobian
	var c, zz fe
	sum.multSum(&c, &g, &k, p)
	zz.mul(&sum.z, &c)
	if zz.isZero() {
		return false
	}
	zz.sqr(&zz)
	return r.isX(&sum.x, &zz)
}

// isX reports whether r is the x modulo n of the point with coordinate x in units of zz, the square
// of its z.
func (r *scalar) isX(x, zz *fe) bool {
	// The point's x is r, or r + n if that is below p. Comparing after a multiplication by z²
	// avoids the inverse.
	rx := fe(*r)
	var t fe
	t.mul(&rx, zz)
	if t.equalVar(x) {
		return true
	}
	if !rx.less(&primeLessOrder) {
		return false
	}
	n := fe(order)
	rx.add(&rx, &n)
	t.mul(&rx, zz)
	return t.equalVar(x)
}

// less reports whether x < y, both normalized.
func (x *fe) less(y *fe) bool {
	for i := 3; i >= 0; i-- {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

// fromPoint sets r to the x of p modulo n and returns the recovery ID: bit 0 is set if y is odd,
// bit 1 if x is at least n. Precondition: p is normalized.
func (r *scalar) fromPoint(p *affine) (recovery byte) {
	var x [32]byte
	p.x.putBytes(&x)
	return byte(p.y[0])&1 | byte(r.setBytes(&x))&2
}

// sign sets r and s <= (n-1)/2 to the signature over e with key d and nonce k, and returns the
// recovery ID. It fails if r or s would be zero, which no one has seen happen. Precondition: d and
// k are not zero.
func sign(r, s, d, k, e *scalar) (recovery byte, ok bool) {
	var point jacobian
	var p affine
	point.multBase(k)
	p.set(&point)
	recovery = r.fromPoint(&p)
	var t scalar
	t.mul(r, d)
	t.add(&t, e)
	s.inverse(k)
	s.mul(s, &t)
	// -s is a valid signature too, for the nonce -k and therefore the other y.
	high := s.highMask()
	t.negate(s)
	s.choose(&t, high)
	clear(t[:])
	return recovery ^ byte(high)&1, r.zeroMask()|s.zeroMask() == 0
}
