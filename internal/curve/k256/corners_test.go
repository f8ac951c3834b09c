package k256

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// signedBig returns the value of d.
func signedBig(d *signed) *big.Int {
	z := new(big.Int)
	for i := 4; i >= 0; i-- {
		z.Lsh(z, stepsPerWord).Add(z, big.NewInt(d[i]))
	}
	return z
}

// bigSigned returns z in limbs of 62 bits. The highest limb holds the sign.
func bigSigned(z *big.Int) (d signed) {
	mask := big.NewInt(wordMask)
	rest := new(big.Int).Set(z)
	for i := range 4 {
		d[i] = new(big.Int).And(rest, mask).Int64()
		rest.Rsh(rest, stepsPerWord)
	}
	d[4] = rest.Int64()
	return d
}

// TestApplyBounds checks the invariant of invert: for d and e in (-2m, m), including the ends,
// apply returns numbers in (-2m, m) that are congruent to the exact quotients.
func TestApplyBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, m := range []*modulus{&modPrime, &modOrder} {
		big1, bigM := big.NewInt(1), signedBig(&m.m)
		low := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).Neg(bigM), 1), big1)
		high := new(big.Int).Sub(bigM, big1)
		ends := []*big.Int{low, new(big.Int).Neg(bigM), new(big.Int).Neg(high), big.NewInt(-1), new(big.Int), big1, high}
		word := new(big.Int).ModInverse(new(big.Int).Lsh(big1, stepsPerWord), bigM)
		check := func(name string, a, b int64, d, e *big.Int, got *signed) {
			t.Helper()
			want := new(big.Int).Mul(big.NewInt(a), d)
			want.Add(want, new(big.Int).Mul(big.NewInt(b), e)).Mul(want, word).Mod(want, bigM)
			z := signedBig(got)
			if z.Cmp(low) < 0 || z.Cmp(high) > 0 {
				t.Fatalf("%s of %x and %x with factors %d and %d is %x: out of bounds", name, d, e, a, b, z)
			}
			if z.Mod(z, bigM).Cmp(want) != 0 {
				t.Fatalf("%s of %x and %x with factors %d and %d: %x, want %x", name, d, e, a, b, z, want)
			}
		}
		// Some matrices are those of division steps. The others are at the bounds of matrix, which
		// division steps hardly ever reach.
		row := func() (a, b int64) {
			a = r.Int64N(1<<stepsPerWord + 1)
			b = 1<<stepsPerWord - a
			return a * int64(1-2*r.IntN(2)), b * int64(1-2*r.IntN(2))
		}
		for range 300 {
			var x matrix
			switch r.IntN(3) {
			case 0:
				x.steps(int64(r.IntN(20)-10), r.Uint64()|1, r.Uint64())
			case 1:
				x.stepsVar(int64(r.IntN(20)-10), r.Uint64()|1, r.Uint64())
			default:
				x.u, x.v = row()
				x.q, x.r = row()
			}
			for _, d := range ends {
				for _, e := range ends {
					nd, ne := bigSigned(d), bigSigned(e)
					m.apply(&x, &nd, &ne)
					check("d", x.u, x.v, d, e, &nd)
					check("e", x.q, x.r, d, e, &ne)
				}
			}
		}
	}
}

// TestStepsAgree: both implementations of division steps take the same steps. Other steps may also
// lead to an inverse, but without a proven bound of their number.
func TestStepsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for i := range short(20000) {
		f, g, zeta := r.Uint64()|1, r.Uint64(), int64(r.IntN(40)-20)
		if i%3 == 0 {
			g = g >> r.IntN(64) << r.IntN(64) // runs of zeros
		}
		var a, b matrix
		za, zb := a.steps(zeta, f, g), b.stepsVar(zeta, f, g)
		if a != b || za != zb {
			t.Fatalf("f %x, g %x, zeta %d: %d and %d, zeta %d and %d", f, g, zeta, a, b, za, zb)
		}
	}
}

// TestOneBit: a number that differs from 0, p or n in one bit, in any limb, is not mistaken for it.
func TestOneBit(t *testing.T) {
	for _, base := range []*big.Int{new(big.Int), bigP, bigN} {
		for bit := range 256 {
			x := new(big.Int).SetBit(base, bit, base.Bit(bit)^1)
			checkField(t, fromBig(x), fromBig(base))
			checkField(t, fromBig(base), fromBig(x))
			checkScalar(t, fromBig(x), fromBig(base))
		}
	}
}

// TestNormalizeBounds: normalize maps (-2m, m) to [0, m), negated or not.
func TestNormalizeBounds(t *testing.T) {
	for _, m := range []*modulus{&modPrime, &modOrder} {
		bigM := signedBig(&m.m)
		for _, factor := range []int64{-2, -1, 0, 1} {
			for i := int64(-3); i <= 3; i++ {
				z := new(big.Int).Mul(bigM, big.NewInt(factor))
				z.Add(z, big.NewInt(i))
				if z.Cmp(new(big.Int).Lsh(new(big.Int).Neg(bigM), 1)) <= 0 || z.Cmp(bigM) >= 0 {
					continue
				}
				for _, sign := range []int64{0, -1} {
					d := bigSigned(z)
					m.normalize(&d, sign)
					want := new(big.Int).Mul(z, big.NewInt(2*sign+1))
					if got := signedBig(&d); got.Cmp(want.Mod(want, bigM)) != 0 {
						t.Errorf("%x, sign %d: %x, want %x", z, sign, got, want)
					}
				}
			}
		}
	}
}

// TestShiftCarry uses scalars for which the rounding of k·g/2^384 carries from the lower word of
// the result to the upper one. That happens to one scalar in 2^65.
func TestShiftCarry(t *testing.T) {
	unit := new(big.Int).Lsh(big.NewInt(1), 384)
	half := new(big.Int).Rsh(unit, 1)
	r := rand.New(rand.NewPCG(13, 14))
	for _, g := range []*[4]uint64{&glv1, &glv2} {
		bigG := toBig(*g)
		limit := new(big.Int).Rsh(new(big.Int).Mul(bigN, bigG), 384+64)
		for range short(60) {
			// The product is just above (c·2^64 - 1/2)·2^384.
			c := new(big.Int).Mod(toBig([4]uint64{r.Uint64(), r.Uint64()}), limit)
			k := new(big.Int).Lsh(c.Add(c, big.NewInt(1)), 64)
			k.Mul(k, unit).Sub(k, half).Add(k, bigG).Sub(k, big.NewInt(1)).Div(k, bigG)
			if k.Cmp(bigN) >= 0 {
				continue
			}
			x := fromBig(k)
			if z := mulShift384((*scalar)(&x), g); z[0] != 0 || toBig(z).Cmp(new(big.Int).Lsh(c, 64)) != 0 {
				t.Fatalf("%x: %x, want %x followed by zeros", k, z, c)
			}
			checkScalar(t, x, scalar{1})
			var p, q jacobian
			var unitZ fe
			p.mult((*scalar)(&x), &generator)
			q.multSum(&unitZ, &scalar{}, (*scalar)(&x), &generator)
			want := plainG().mul(k).String()
			if got, public := toPlain(&p, &feOne).String(), toPlain(&q, &unitZ).String(); got != want || public != want {
				t.Fatalf("%x·G = %s and %s, want %s", k, got, public, want)
			}
		}
	}
}

// TestRecovery: the recovery ID has the parity of y, and tells whether x is at least n. One point
// in 2^128 has such an x, and no nonce for one is known.
func TestRecovery(t *testing.T) {
	found := [4]int{}
	for _, base := range []*big.Int{new(big.Int), bigN} {
		for i := int64(1); i < 200; i++ {
			x := new(big.Int).Add(base, big.NewInt(i))
			var pub [33]byte
			x.FillBytes(pub[1:])
			for odd := range byte(2) {
				pub[0] = 2 + odd
				var p affine
				if !p.decompress(&pub) {
					continue
				}
				var r scalar
				want := odd
				if base == bigN {
					want |= 2
				}
				if id := r.fromPoint(&p); id != want || toBig(r).Cmp(new(big.Int).Mod(x, bigN)) != 0 {
					t.Errorf("point with x = %x, odd %d: r = %x, recovery ID %d", x, odd, r, id)
				}
				found[want]++
			}
		}
	}
	for id, n := range found {
		if n < 50 {
			t.Errorf("%d points with recovery ID %d", n, id)
		}
	}
}

// cubeRoot returns y with y³ = x modulo p, or nil. p is 7 modulo 9.
func cubeRoot(x *big.Int) *big.Int {
	e := new(big.Int).Add(bigP, big.NewInt(2))
	y := new(big.Int).Exp(x, e.Div(e, big.NewInt(9)), bigP)
	if new(big.Int).Exp(y, big.NewInt(3), bigP).Cmp(new(big.Int).Mod(x, bigP)) != 0 {
		return nil
	}
	return y
}

// TestPointTwice: coordinates at or above p are refused, even if they are congruent to those of a
// point. The test makes a digest and a signature for a point with an unknown key.
func TestPointTwice(t *testing.T) {
	check := func(x, y *big.Int, which string) {
		p := &plain{x, y}
		// R = 2·G + 3·P, r = R.x, s = r/3, e = 2·s.
		r := plainG().mul(big.NewInt(2)).add(p.mul(big.NewInt(3))).x
		s := new(big.Int).Mul(r, new(big.Int).ModInverse(big.NewInt(3), bigN))
		s.Mod(s, bigN)
		e := new(big.Int).Lsh(s, 1)
		if s.Cmp(new(big.Int).Rsh(bigN, 1)) > 0 {
			s.Sub(bigN, s)
		}
		var digest [32]byte
		e.Mod(e, bigN).FillBytes(digest[:])
		var sig, xy [64]byte
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		x.FillBytes(xy[:32])
		y.FillBytes(xy[32:])
		if !VerifyPoint(&xy, &digest, &sig) {
			t.Fatalf("signature of (%x, %x) is refused", x, y)
		}
		for name, z := range map[string][2]*big.Int{"x": {new(big.Int).Add(x, bigP), y}, "y": {x, new(big.Int).Add(y, bigP)}} {
			if z[0].BitLen() > 256 || z[1].BitLen() > 256 {
				continue
			}
			z[0].FillBytes(xy[:32])
			z[1].FillBytes(xy[32:])
			if VerifyPoint(&xy, &digest, &sig) {
				t.Errorf("point with %s + p in place of %s is taken", name, name)
			}
			if name != which {
				t.Errorf("tried %s, want %s", name, which)
			}
		}
	}
	found := 0
	for i := int64(1); i < 40; i++ {
		square := new(big.Int).Add(big.NewInt(i*i*i), big.NewInt(7))
		if y := square.ModSqrt(square, bigP); y != nil {
			check(big.NewInt(i), y, "x")
			found++
		}
		cube := big.NewInt(i*i - 7)
		if x := cubeRoot(cube.Mod(cube, bigP)); x != nil {
			check(x, big.NewInt(i), "y")
			found++
		}
	}
	if found < 10 {
		t.Errorf("%d points", found)
	}
}
