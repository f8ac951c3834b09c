package k256

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var (
	bigP, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16)
	bigN, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
)

// toBig converts four limbs.
func toBig(x [4]uint64) *big.Int {
	z := new(big.Int)
	for i := 3; i >= 0; i-- {
		z.Lsh(z, 64).Add(z, new(big.Int).SetUint64(x[i]))
	}
	return z
}

// fromBig returns x modulo 2^256 in limbs.
func fromBig(x *big.Int) (z [4]uint64) {
	y := new(big.Int).And(x, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)))
	for i := range z {
		z[i] = y.Uint64()
		y.Rsh(y, 64)
	}
	return z
}

// limb returns a random limb, often one at which carries start or end.
func limb(r *rand.Rand) uint64 {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return 1<<64 - 1
	case 2:
		return r.Uint64N(4)
	case 3:
		return -r.Uint64N(1 << 34)
	}
	return r.Uint64()
}

// edges returns 256-bit numbers around special ones.
func edges() (list [][4]uint64) {
	for _, base := range []*big.Int{
		new(big.Int), bigP, bigN, new(big.Int).Sub(bigP, bigN), new(big.Int).Lsh(big.NewInt(1), 256), new(big.Int).Lsh(big.NewInt(1), 128),
		new(big.Int).Rsh(bigN, 1), new(big.Int).Rsh(bigP, 1), toBig(minusLambda), new(big.Int).Sub(bigN, toBig(minusLambda)), toBig(beta), big.NewInt(fold),
	} {
		for i := int64(-3); i <= 3; i++ {
			list = append(list, fromBig(new(big.Int).Add(base, big.NewInt(i))))
		}
	}
	return list
}

// short returns n, or a tenth of n under go test -short.
func short(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// numbers calls f with pairs of edges and of random numbers.
func numbers(f func(x, y [4]uint64)) {
	list := edges()
	for _, x := range list {
		for _, y := range list {
			f(x, y)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	// Products that are small modulo p or n are those that pass 2^256 once more when they are
	// reduced.
	for _, shift := range []uint{0, 32, 64, 65, 66, 128, 129, 130, 131, 132} {
		for range 40 {
			z := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), shift), new(big.Int).Rsh(big.NewInt(r.Int64()), r.UintN(63)))
			for _, m := range []*big.Int{bigP, bigN} {
				x := new(big.Int).Add(new(big.Int).Mod(toBig([4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}), m), big.NewInt(1))
				y := new(big.Int).ModInverse(x, m)
				f(fromBig(x), fromBig(y.Mul(y, z).Mod(y, m)))
			}
			if root := new(big.Int).ModSqrt(z, bigP); root != nil {
				f(fromBig(root), fromBig(root))
				f(fromBig(root.Sub(bigP, root)), fromBig(root))
			}
		}
	}
	for range short(20000) {
		f([4]uint64{limb(r), limb(r), limb(r), limb(r)}, [4]uint64{limb(r), limb(r), limb(r), limb(r)})
	}
}

// checkField compares every function of fe on x and y with math/big.
func checkField(t *testing.T, x, y fe) {
	t.Helper()
	bx, by := toBig(x), toBig(y)
	check := func(name string, got fe, want *big.Int) {
		t.Helper()
		if d := new(big.Int).Sub(toBig(got), want); d.Mod(d, bigP).Sign() != 0 {
			t.Fatalf("%s of %x, %x: %x, want %x", name, x, y, got, want)
		}
	}
	var z, g fe
	z.add(&x, &y)
	check("add", z, new(big.Int).Add(bx, by))
	z.sub(&x, &y)
	check("sub", z, new(big.Int).Sub(bx, by))
	z.subDouble(&x, &y)
	check("subDouble", z, new(big.Int).Sub(bx, new(big.Int).Lsh(by, 1)))
	z.negate(&x)
	check("negate", z, new(big.Int).Neg(bx))
	z.threeHalves(&x)
	z.add(&z, &z)
	check("threeHalves", z, new(big.Int).Mul(bx, big.NewInt(3)))
	z.mul(&x, &y)
	feMulGeneric(&g, &x, &y)
	if z != g {
		t.Fatalf("mul of %x, %x: %x, and generic %x", x, y, z, g)
	}
	check("mul", z, new(big.Int).Mul(bx, by))
	z.sqr(&x)
	feSqrGeneric(&g, &x, 1)
	if z != g {
		t.Fatalf("sqr of %x: %x, and generic %x", x, z, g)
	}
	check("sqr", z, new(big.Int).Mul(bx, bx))
	feSqr(&z, &x, 3)
	feSqrGeneric(&g, &x, 3)
	if z != g {
		t.Fatalf("three squarings of %x: %x, and generic %x", x, z, g)
	}
	check("three squarings", z, new(big.Int).Exp(bx, big.NewInt(8), nil))
	z.normalize(&x)
	check("normalize", z, bx)
	if toBig(z).Cmp(bigP) >= 0 {
		t.Fatalf("%x normalized: %x", x, z)
	}
	zero := new(big.Int).Mod(bx, bigP).Sign() == 0
	if x.isZero() != zero || (x.zeroMask() == 1<<64-1) != zero || !zero && x.zeroMask() != 0 {
		t.Fatalf("%x: isZero %v, zeroMask %x", x, x.isZero(), x.zeroMask())
	}
	if x.equalVar(&y) != (new(big.Int).Mod(new(big.Int).Sub(bx, by), bigP).Sign() == 0) {
		t.Fatalf("%x, %x: equal %v", x, y, x.equalVar(&y))
	}
}

func TestField(t *testing.T) {
	numbers(func(x, y [4]uint64) { checkField(t, x, y) })
}

// checkFieldSlow compares what takes longer.
func checkFieldSlow(t *testing.T, x fe) {
	t.Helper()
	bx := new(big.Int).Mod(toBig(x), bigP)
	var z fe
	z.inverse(&x)
	want := new(big.Int)
	if bx.Sign() != 0 {
		want.ModInverse(bx, bigP)
	}
	if toBig(z).Cmp(want) != 0 {
		t.Fatalf("inverse of %x: %x, want %x", x, z, want)
	}
	if ok := z.sqrt(&x); ok != (big.Jacobi(bx, bigP) >= 0) {
		t.Fatalf("sqrt of %x: %v", x, ok)
	} else if z.sqr(&z); ok && !z.equalVar(&x) {
		t.Fatalf("sqrt of %x is none", x)
	}
}

func TestFieldInverseAndRoot(t *testing.T) {
	i := 0
	numbers(func(x, _ [4]uint64) {
		if i++; i%20 == 0 {
			checkFieldSlow(t, x)
		}
	})
	for _, x := range edges() {
		checkFieldSlow(t, x)
	}
}

func BenchmarkField(b *testing.B) {
	x := fe{1, 2, 3, 1 << 60}
	x.sqr(&x)
	y := x
	for name, f := range map[string]func(){
		"mul": func() { x.mul(&x, &y) }, "mul/generic": func() { feMulGeneric(&x, &x, &y) },
		"sqr": func() { x.sqr(&x) }, "sqr/generic": func() { feSqrGeneric(&x, &x, 1) },
		"add": func() { x.add(&x, &y) }, "threeHalves": func() { x.threeHalves(&x) }, "subDouble": func() { x.subDouble(&x, &y) },
		"inverse": func() { x.inverse(&x) }, "sqrt": func() { x.sqrt(&y) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
