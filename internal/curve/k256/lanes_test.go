//go:build amd64 && !purego

package k256

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

func needLanes(t *testing.T) {
	t.Helper()
	if !hasLanes {
		t.Skip("probed for AVX-512 F and IFMA: this processor has none")
	}
}

// laneValue returns the number in a lane.
func laneValue(z *laneElements, lane int) *big.Int {
	x := new(big.Int)
	for i := 4; i >= 0; i-- {
		x.Lsh(x, 52).Add(x, new(big.Int).SetUint64(z[i][lane]))
	}
	return x
}

// setLane sets a lane to x, which is below 2^260.
func setLane(z *laneElements, lane int, x *big.Int) {
	rest := new(big.Int).Set(x)
	for i := range z {
		z[i][lane] = new(big.Int).And(rest, big.NewInt(mask52)).Uint64()
		rest.Rsh(rest, 52)
	}
}

// laneLimb returns a limb that often is an extreme one.
func laneLimb(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return mask52
	case 1:
		return r.Uint64() & 1
	default:
		return r.Uint64() & mask52
	}
}

// below returns an element with extreme limbs below the given number of tenths of p.
func below(r *rand.Rand, tenths int64) *big.Int {
	bound := new(big.Int).Mul(bigP, big.NewInt(tenths))
	bound.Div(bound, big.NewInt(10))
	x := new(big.Int)
	for range 5 {
		x.Lsh(x, 52).Add(x, new(big.Int).SetUint64(laneLimb(r)))
	}
	switch {
	case r.IntN(8) == 0:
		x.Sub(bound, big.NewInt(1))
	case r.IntN(8) == 0:
		x.SetInt64(int64(r.IntN(3)))
	}
	return x.Mod(x, bound)
}

func sameResidue(x, y *big.Int) bool {
	d := new(big.Int).Sub(x, y)
	return d.Mod(d, bigP).Sign() == 0
}

// checkBound fails unless the limbs of z are limbs and its value is below a number of tenths of p.
func checkBound(t *testing.T, name string, z *laneElements, lane int, tenths int64) {
	t.Helper()
	for i := range z {
		if z[i][lane] > mask52 {
			t.Fatalf("%s: limb %d is %x", name, i, z[i][lane])
		}
	}
	bound := new(big.Int).Mul(bigP, big.NewInt(tenths))
	if x := laneValue(z, lane); x.Mul(x, big.NewInt(10)).Cmp(bound) >= 0 {
		t.Fatalf("%s: %x is not below %d tenths of p", name, laneValue(z, lane), tenths)
	}
}

// TestLanesField compares products, squares and conversions with math/big, for all elements that
// five limbs can hold.
func TestLanesField(t *testing.T) {
	needLanes(t)
	r := rand.New(rand.NewPCG(11, 12))
	for round := range short(5000) {
		var x, y, z laneElements
		for lane := range lanes {
			for i := range x {
				x[i][lane], y[i][lane] = laneLimb(r), laneLimb(r)
			}
		}
		n := 1 + round%3
		for lane := range lanes {
			var e fe
			x.get(&e, lane)
			if !sameResidue(toBig(e), laneValue(&x, lane)) {
				t.Fatalf("%x becomes %x", laneValue(&x, lane), e)
			}
			var back laneElements
			back.set(lane, &e)
			if laneValue(&back, lane).Cmp(toBig(e)) != 0 {
				t.Fatalf("%x becomes %x", e, laneValue(&back, lane))
			}
		}
		check := func(name string, lane int, want *big.Int) {
			t.Helper()
			checkBound(t, name, &z, lane, 11)
			if got := laneValue(&z, lane); !sameResidue(got, want) {
				t.Fatalf("%s of %x, %x: %x, want %x", name, laneValue(&x, lane), laneValue(&y, lane), got, want)
			}
		}
		lanesMul(&z, &x, &y)
		for lane := range lanes {
			check("product", lane, new(big.Int).Mul(laneValue(&x, lane), laneValue(&y, lane)))
		}
		lanesSqr(&z, &x, n)
		for lane := range lanes {
			check("square", lane, new(big.Int).Exp(laneValue(&x, lane), big.NewInt(1<<n), bigP))
		}
	}
}

// jacobianAt returns the point of a lane.
func jacobianAt(r *laneJacobian, lane int) (p jacobian) {
	r.x.get(&p.x, lane)
	r.y.get(&p.y, lane)
	r.z.get(&p.z, lane)
	return p
}

// TestLanesPoints compares doublings and additions with those of one point, with coordinates up to
// the largest that they accept, and checks the bounds of the results.
func TestLanesPoints(t *testing.T) {
	needLanes(t)
	r := rand.New(rand.NewPCG(13, 14))
	equal := func(name string, a, b *jacobian) {
		t.Helper()
		if !a.x.equalVar(&b.x) || !a.y.equalVar(&b.y) || !a.z.equalVar(&b.z) {
			t.Fatalf("%s: %x, want %x", name, a, b)
		}
	}
	for round := range short(2000) {
		var p laneJacobian
		var q laneAffine
		var cz, h laneElements
		var s laneScratch
		for lane := range lanes {
			setLane(&p.x, lane, below(r, 101))
			setLane(&p.y, lane, below(r, 101))
			setLane(&p.z, lane, below(r, 160))
			setLane(&q.x, lane, below(r, 160))
			setLane(&q.y, lane, below(r, 160))
			setLane(&cz, lane, below(r, 160))
		}
		sum := p
		lanesAdd(&sum, &q, &cz, &h, &s)
		double := p
		n := 1 + round%3
		lanesDouble(&double, &s, n)
		for lane := range lanes {
			one := jacobianAt(&p, lane)
			var a affine
			var c chord
			var z, hl fe
			q.x.get(&a.x, lane)
			q.y.get(&a.y, lane)
			cz.get(&z, lane)
			c.through(&one, &z, &a)
			if h.get(&hl, lane); !hl.equalVar(&c.h) {
				t.Fatalf("H is %x, want %x", hl, c.h)
			}
			want := one
			c.end(&want, &one)
			got := jacobianAt(&sum, lane)
			equal("sum", &got, &want)
			checkBound(t, "x of sum", &sum.x, lane, 51)
			checkBound(t, "y of sum", &sum.y, lane, 31)
			checkBound(t, "z of sum", &sum.z, lane, 11)
			checkBound(t, "H", &h, lane, 121)

			// This formula and that of double give different z, by a factor of 2.
			for range n {
				one.double(&one)
			}
			got = jacobianAt(&double, lane)
			a1, a2 := toPlain(&got, &feOne), toPlain(&one, &feOne)
			if a1.String() != a2.String() {
				t.Fatalf("2^%d times: %v, want %v", n, a1, a2)
			}
			checkBound(t, "x of double", &double.x, lane, 101)
			checkBound(t, "y of double", &double.y, lane, 101)
			checkBound(t, "z of double", &double.z, lane, 21)
		}
	}
}

// TestLanesPick reads every entry in every lane.
func TestLanesPick(t *testing.T) {
	needLanes(t)
	r := rand.New(rand.NewPCG(15, 16))
	var x, y [secretSize]laneElements
	for i := range x {
		for lane := range lanes {
			setLane(&x[i], lane, below(r, 19))
			setLane(&y[i], lane, below(r, 19))
		}
	}
	for shift := range uint64(2 * secretSize) {
		var w [lanes]uint64
		for lane := range w {
			w[lane] = (uint64(lane)*5 + shift) % (2 * secretSize)
		}
		var q laneAffine
		lanesPick(&q, &x, &y, &w)
		for lane, w := range w {
			digit := 2*int(w) - 31
			i := max(digit, -digit) / 2
			want := laneValue(&y[i], lane)
			if digit < 0 {
				want.Neg(want)
			}
			if laneValue(&q.x, lane).Cmp(laneValue(&x[i], lane)) != 0 || !sameResidue(laneValue(&q.y, lane), want) {
				t.Errorf("digit %d in lane %d: wrong point", digit, lane)
			}
			checkBound(t, "y", &q.y, lane, 21)
		}
	}
}

// TestWithoutLanes: processors without the vector instructions compute the same.
func TestWithoutLanes(t *testing.T) {
	needLanes(t)
	defer func() { hasLanes = true }()
	hasLanes = false
	checkBatch(t, &[32]byte{1}, signatures(t, rand.New(rand.NewPCG(1, 2)), lanes), nil)
}

// TestLanesByGODEBUG: an operator can disable the vector instructions at program start.
func TestLanesByGODEBUG(t *testing.T) {
	if !cryptotest.UnderGODEBUG(t, "cpu.avx512f=off", "cpu.avx512ifma=off") {
		return
	}
	if hasLanes {
		t.Error("the lanes are still on")
	}
	t.Run("batch", TestBatch)
}
