package k256

// sqrt sets z to one of the two square roots of x and reports whether there is one. x must not be
// z.
func (z *fe) sqrt(x *fe) bool {
	// x^((p+1)/4), because p is 3 mod 4. The exponent is, from the highest bit, 223 ones, a zero,
	// 22 ones, and 00001100. ones[k] below is x^(2^k - 1), whose exponent is k ones; ones[a+b] =
	// ones[a]^(2^b) · ones[b].
	var x2, x3, x22, x44, x88, t fe
	join := func(z, a *fe, b *fe, shift int) {
		feSqr(&t, a, shift)
		z.mul(&t, b)
	}
	join(&x2, x, x, 1)
	join(&x3, &x2, x, 1)
	join(z, &x3, &x3, 3) // 6
	join(z, z, &x3, 3)   // 9
	join(z, z, &x2, 2)   // 11
	join(&x22, z, z, 11) // 22
	join(&x44, &x22, &x22, 22)
	join(&x88, &x44, &x44, 44)
	join(z, &x88, &x88, 88) // 176
	join(z, z, &x44, 44)    // 220
	join(z, z, &x3, 3)      // 223
	join(z, z, &x22, 23)
	join(z, z, &x2, 6)
	feSqr(z, z, 2)
	t.sqr(z)
	return t.equalVar(x)
}
