package k256

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// checkScalar compares every function of scalar with math/big on x and y modulo n.
func checkScalar(t *testing.T, x, y scalar) {
	t.Helper()
	raw := toBig(x)
	reduced := x.reduce(0)
	if want := raw.Cmp(bigN) >= 0; want != (reduced == 1<<64-1) || !want && reduced != 0 {
		t.Fatalf("%x: reduce says %x", raw, reduced)
	}
	y.reduce(0)
	bx, by := toBig(x), toBig(y)
	check := func(name string, got scalar, want *big.Int) {
		t.Helper()
		if toBig(got).Cmp(want.Mod(want, bigN)) != 0 {
			t.Fatalf("%s of %x, %x: %x, want %x", name, bx, by, toBig(got), want)
		}
	}
	check("reduce", x, raw)
	var z scalar
	z.add(&x, &y)
	check("add", z, new(big.Int).Add(bx, by))
	z.negate(&x)
	check("negate", z, new(big.Int).Neg(bx))
	z.mul(&x, &y)
	check("mul", z, new(big.Int).Mul(bx, by))
	z.half(&x)
	z.add(&z, &z)
	check("half", z, new(big.Int).Set(bx))
	if high := bx.Cmp(new(big.Int).Rsh(bigN, 1)) > 0; high != (x.highMask() == 1<<64-1) || !high && x.highMask() != 0 {
		t.Fatalf("%x: highMask %x", bx, x.highMask())
	}
	if zero := bx.Sign() == 0; zero != (x.zeroMask() == 1<<64-1) || !zero && x.zeroMask() != 0 {
		t.Fatalf("%x: zeroMask %x", bx, x.zeroMask())
	}

	// The halves have the correct sum and are small.
	k1, k2 := x.split()
	z.mul(&k2, &minusLambda)
	z.negate(&z)
	z.add(&z, &k1)
	check("sum of halves", z, new(big.Int).Set(bx))
	for _, half := range []scalar{k1, k2} {
		b, width, negative := toBig(half), uint(publicBits), half.highMask() != 0
		if negative {
			b.Sub(b, bigN)
		}
		if b.BitLen() > 128 {
			t.Fatalf("half of %x: %x", bx, b)
		}
		var d digits
		checkDigits(t, &d, d.setHalf(&half, width), width, b)
	}
	var low, high digits
	checkDigits(t, &low, low.set(x[0], x[1], false, fixedBits), fixedBits, toBig([4]uint64{x[0], x[1]}))
	checkDigits(t, &high, high.set(x[2], x[3], false, fixedBits), fixedBits, toBig([4]uint64{x[2], x[3]}))
}

// checkDigits checks the documented properties of digits.
func checkDigits(t *testing.T, d *digits, n int, width uint, want *big.Int) {
	t.Helper()
	sum, last := new(big.Int), -int(width)
	for i, digit := range d {
		if digit == 0 {
			continue
		}
		if i >= n || digit&1 == 0 || digit >= 1<<(width-1) || digit <= -1<<(width-1) || i-last < int(width) {
			t.Fatalf("%x: digit %d of %d is %d, after that at %d", want, i, n, digit, last)
		}
		last = i
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(digit)), uint(i)))
	}
	if n != last+1 && want.Sign() != 0 || sum.Cmp(want) != 0 {
		t.Fatalf("%x: %d digits, sum %x", want, n, sum)
	}
}

func TestScalar(t *testing.T) {
	numbers(func(x, y [4]uint64) { checkScalar(t, x, y) })
}

// TestScalarCarries causes two carries of mul that hardly any product causes.
func TestScalarCarries(t *testing.T) {
	over := toBig(overflow)
	unit := new(big.Int).Lsh(big.NewInt(1), 128)
	r := rand.New(rand.NewPCG(9, 10))
	for shift := range uint(62) {
		for range 20 {
			delta := new(big.Int).SetUint64(1<<shift + r.Uint64N(1<<shift))
			// The last step starts delta below 2^256 and adds overflow once or twice.
			y := toBig([4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()})
			y.Mod(y, bigN)
			for u := int64(2); u <= 3; u++ {
				x := new(big.Int).Mul(over, big.NewInt(u))
				x.Sub(x, delta).Mul(x, new(big.Int).ModInverse(y, bigN)).Mod(x, bigN)
				checkScalar(t, fromBig(x), fromBig(y))
			}
			// The second step starts delta below a multiple of 2^256. The upper half of x times
			// overflow plus the lower half times 2^128 makes that number, and about one in five
			// upper halves is large enough for more than the multiple 1.
			upper := new(big.Int).ModInverse(over, unit)
			upper.Mul(upper, delta).Neg(upper).Mod(upper, unit)
			lower := new(big.Int).Mul(upper, over)
			lower.Add(lower, delta).Rsh(lower, 128).Neg(lower).Mod(lower, unit)
			checkScalar(t, fromBig(upper.Lsh(upper, 128).Add(upper, lower)), fromBig(unit))
		}
	}
}

func checkScalarInverse(t *testing.T, x scalar) {
	t.Helper()
	x.reduce(0)
	var z scalar
	z.inverse(&x)
	want := new(big.Int)
	if x != (scalar{}) {
		want.ModInverse(toBig(x), bigN)
	}
	if toBig(z).Cmp(want) != 0 {
		t.Fatalf("inverse of %x: %x, want %x", x, z, want)
	}
	if z.inverseVar(&x); toBig(z).Cmp(want) != 0 {
		t.Fatalf("inverseVar of %x: %x, want %x", x, z, want)
	}
}

func TestScalarInverse(t *testing.T) {
	i := 0
	numbers(func(x, _ [4]uint64) {
		if i++; i%10 == 0 {
			checkScalarInverse(t, x)
		}
	})
	for _, x := range edges() {
		checkScalarInverse(t, x)
	}
}

// TestConstants checks the constants against their comments.
func TestConstants(t *testing.T) {
	one := big.NewInt(1)
	lambda := new(big.Int).Sub(bigN, toBig(minusLambda))
	sum := func(l *big.Int, m *big.Int) *big.Int {
		s := new(big.Int).Mul(l, l)
		return s.Mod(s.Add(s.Add(s, l), one), m)
	}
	if sum(lambda, bigN).Sign() != 0 || sum(toBig(beta), bigP).Sign() != 0 {
		t.Error("lambda and beta are no roots of 1")
	}
	b1 := new(big.Int).Neg(toBig(minusB1))
	b2 := new(big.Int).Sub(bigN, toBig(minusB2))
	for i, v := range [][2]string{{"3086d221a7d46bcde86c90e49284eb15", b1.Text(16)}, {"114ca50f7a8e2f3f657c1108d9d44cfd8", b2.Text(16)}} {
		a, _ := new(big.Int).SetString(v[0], 16)
		b, _ := new(big.Int).SetString(v[1], 16)
		if a.Add(a, b.Mul(b, lambda)).Mod(a, bigN).Sign() != 0 {
			t.Errorf("basis vector %d is not in the lattice", i+1)
		}
	}
	rounded := func(b *big.Int) *big.Int {
		q := new(big.Int).Lsh(b, 385)
		return q.Rsh(q.Add(q.Div(q, bigN), one), 1)
	}
	if toBig(glv1).Cmp(rounded(b2)) != 0 || toBig(glv2).Cmp(rounded(new(big.Int).Neg(b1))) != 0 {
		t.Error("glv1 or glv2")
	}
	ones := func(n uint) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(one, n), one) }
	split := new(big.Int).Mul(new(big.Int).Add(one, lambda), ones(129))
	if toBig(baseOffset).Cmp(new(big.Int).Mod(ones(baseWindows*secretBits), bigN)) != 0 || toBig(splitOffset).Cmp(split.Mod(split, bigN)) != 0 {
		t.Error("baseOffset or splitOffset")
	}
	if toBig(overflow).Cmp(new(big.Int).Sub(new(big.Int).Lsh(one, 256), bigN)) != 0 || toBig(halfOrder).Cmp(new(big.Int).Rsh(bigN, 1)) != 0 ||
		toBig(order).Cmp(bigN) != 0 || toBig(prime).Cmp(bigP) != 0 || toBig(primeLessOrder).Cmp(new(big.Int).Sub(bigP, bigN)) != 0 {
		t.Error("order or prime")
	}
}
