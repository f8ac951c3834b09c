package k256

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// plain is a reference implementation of points, in affine coordinates over math/big. nil is the
// point at infinity.
type plain struct{ x, y *big.Int }

func (p *plain) add(q *plain) *plain {
	switch {
	case p == nil:
		return q
	case q == nil:
		return p
	}
	slope := new(big.Int)
	if p.x.Cmp(q.x) == 0 {
		if p.y.Cmp(q.y) != 0 {
			return nil
		}
		slope.Mul(big.NewInt(3), new(big.Int).Mul(p.x, p.x))
		slope.Mul(slope, new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), bigP))
	} else {
		slope.Sub(q.x, p.x)
		slope.ModInverse(slope.Mod(slope, bigP), bigP)
		slope.Mul(slope, new(big.Int).Sub(q.y, p.y))
	}
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, bigP)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, bigP)
	return &plain{x, y}
}

func (p *plain) mul(k *big.Int) *plain {
	k = new(big.Int).Mod(k, bigN)
	var sum *plain
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if k.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

func (p *plain) String() string {
	if p == nil {
		return "infinity"
	}
	return fmt.Sprintf("(%x, %x)", p.x, p.y)
}

func plainG() *plain { return &plain{toBig(generator.x), toBig(generator.y)} }

// toPlain converts r, whose z is in units of c.
func toPlain(r *jacobian, c *fe) *plain {
	t := *r
	t.z.mul(&t.z, c)
	if t.z.isZero() {
		return nil
	}
	var q affine
	q.set(&t)
	return &plain{toBig(q.x), toBig(q.y)}
}

// random returns other coordinates of the same point.
func (p *plain) random(r *rand.Rand) (j jacobian) {
	z := fe{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
	if p == nil {
		j.x, j.y = z, z
		return j
	}
	j.set(&affine{fromBig(p.x), fromBig(p.y)})
	j.scale(&z)
	j.z = z
	return j
}

func TestAddition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var points []*plain
	for _, k := range []int64{0, 1, -1, 2, -2, 3, 77} {
		points = append(points, plainG().mul(big.NewInt(k)))
	}
	lambda := new(big.Int).Neg(toBig(minusLambda))
	points = append(points, plainG().mul(lambda), plainG().mul(lambda.Neg(lambda)))
	for _, p := range points {
		j := p.random(r)
		j.double(&j)
		if got, want := toPlain(&j, &feOne).String(), p.add(p).String(); got != want {
			t.Errorf("2·%v = %v, want %v", p, got, want)
		}
		for _, q := range points {
			if q == nil {
				continue
			}
			want := p.add(q).String()
			a := affine{fromBig(q.x), fromBig(q.y)}
			j := p.random(r)
			j.addComplete(&a)
			if got := toPlain(&j, &feOne).String(); got != want {
				t.Errorf("addComplete: %v + %v = %v, want %v", p, q, got, want)
			}
			c := fe{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
			j = p.random(r) // in any units of c
			j.scale(&c)
			var cz fe
			cz.mul(&j.z, &c)
			j.addVar(&a, &c, &cz)
			if got := toPlain(&j, &c).String(); got != want {
				t.Errorf("addVar: %v + %v = %v, want %v", p, q, got, want)
			}
			if p == nil || p.x.Cmp(q.x) == 0 {
				continue
			}
			j = p.random(r)
			j.add(&a)
			if got := toPlain(&j, &feOne).String(); got != want {
				t.Errorf("add: %v + %v = %v, want %v", p, q, got, want)
			}
		}
	}
}

func TestSetPoint(t *testing.T) {
	var xy [64]byte
	generator.x.putBytes((*[32]byte)(xy[:32]))
	generator.y.putBytes((*[32]byte)(xy[32:]))
	var p affine
	if !p.setPoint(&xy) || p != generator {
		t.Errorf("G is read as %x", p)
	}
	for name, change := range map[string]func(*[64]byte){
		"another y":     func(b *[64]byte) { b[63] ^= 1 },
		"another x":     func(b *[64]byte) { b[31] ^= 1 },
		"zeros":         func(b *[64]byte) { *b = [64]byte{} },
		"y not below p": func(b *[64]byte) { prime.putBytes((*[32]byte)(b[32:])) },
		"x not below p": func(b *[64]byte) { prime.putBytes((*[32]byte)(b[:32])) },
	} {
		bad := xy
		if change(&bad); p.setPoint(&bad) {
			t.Errorf("%s: accepted", name)
		}
	}
	// x = p + 1 with the y of x = 1.
	one := affine{x: feOne}
	one.y.sqrt(&fe{8})
	one.y.normalize(&one.y)
	one.x = fe{prime[0] + 1, prime[1], prime[2], prime[3]}
	one.x.putBytes((*[32]byte)(xy[:32]))
	one.y.putBytes((*[32]byte)(xy[32:]))
	if p.setPoint(&xy) {
		t.Error("x = p + 1: accepted")
	}
}

func TestTables(t *testing.T) {
	m := base()
	check := func(name string, table []affine, p *plain) {
		two := p.add(p)
		for i, q := range table {
			if got := (&plain{toBig(q.x), toBig(q.y)}).String(); got != p.String() {
				t.Fatalf("%s: multiple %d is %v, want %v", name, 2*i+1, got, p)
			}
			p = p.add(two)
		}
	}
	p := plainG()
	for i := range m.secret {
		check(fmt.Sprint("window ", i), m.secret[i][:], p)
		p = p.mul(big.NewInt(1 << secretBits))
	}
	check("low", m.low[:], plainG())
	check("high", m.high[:], plainG().mul(new(big.Int).Lsh(big.NewInt(1), 128)))
	for i := range 2 * secretSize {
		var q affine
		q.pick(&m.secret[0], uint64(i))
		if got, want := (&plain{toBig(q.x), toBig(q.y)}).String(), plainG().mul(big.NewInt(int64(2*i+1-2*secretSize))).String(); got != want {
			t.Errorf("digit %d is %v, want %v", i, got, want)
		}
	}
}

// special returns scalars with possible special cases: small ones, those near powers of two and
// halves, and those with one or two digits in both halves.
func special() (list []scalar) {
	lambda := new(big.Int).Sub(bigN, toBig(minusLambda))
	add := func(k *big.Int) {
		if k.Mod(k, bigN).Sign() != 0 {
			list = append(list, fromBig(k))
		}
	}
	for _, x := range edges() {
		add(toBig(x))
	}
	for a := int64(-64); a <= 64; a += 1 {
		for _, b := range []int64{0, 1, -1, 2, a, -a, 2 * a, 31, -62} {
			k := new(big.Int).Mul(big.NewInt(b), lambda)
			add(k.Add(k, big.NewInt(a)))
			k = new(big.Int).Mul(big.NewInt(a), lambda)
			add(k.Add(k, big.NewInt(b)))
		}
	}
	for i := int64(-64); i <= 64; i++ {
		// at -29 the last digit of multBase equals the sum so far
		add(new(big.Int).Mul(big.NewInt(i), toBig(overflow)))
	}
	for i := range uint(256) {
		k := new(big.Int).Lsh(big.NewInt(1), i)
		add(new(big.Int).Set(k))
		add(new(big.Int).Neg(k))
		add(k.Mul(k, lambda))
	}
	return list
}

// TestMultiplication: the table and the other methods, with G for p, compute the same k·G, and so
// does the reference implementation.
func TestMultiplication(t *testing.T) {
	c := feOne
	compare := func(k scalar, deep bool) {
		var a, b, d jacobian
		a.multBase(&k)
		b.mult(&k, &generator)
		d.multSum(&c, &scalar{}, &k, &generator)
		want := toPlain(&a, &feOne).String()
		if deep {
			want = plainG().mul(toBig(k)).String()
		}
		if x, y, z := toPlain(&a, &feOne).String(), toPlain(&b, &feOne).String(), toPlain(&d, &c).String(); x != want || y != want || z != want {
			t.Fatalf("%x·G = %v by multBase, %v by mult, %v by multSum, want %v", toBig(k), x, y, z, want)
		}
	}
	for i, k := range special() {
		compare(k, i%8 == 0)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range short(300) {
		k := scalar{limb(r), limb(r), limb(r), limb(r)}
		if k.reduce(0); k != (scalar{}) {
			compare(k, false)
		}
	}
}

// TestMultSum computes g·G + k·p for a small multiple p of G, so that intermediate sums are equal
// or opposite.
func TestMultSum(t *testing.T) {
	small := []int64{0, 1, -1, 2, -2, 3, 15, -31, 32}
	lambda := new(big.Int).Neg(toBig(minusLambda))
	for _, p := range []*big.Int{big.NewInt(1), big.NewInt(-1), big.NewInt(2), big.NewInt(3), big.NewInt(-15), lambda, new(big.Int).Lsh(big.NewInt(1), 128)} {
		q := plainG().mul(p)
		for _, g := range small {
			for _, k := range small {
				gs, ks := fromBig(new(big.Int).Mod(big.NewInt(g), bigN)), fromBig(new(big.Int).Mod(big.NewInt(k), bigN))
				var c fe
				var r jacobian
				r.multSum(&c, (*scalar)(&gs), (*scalar)(&ks), &affine{fromBig(q.x), fromBig(q.y)})
				sum := new(big.Int).Mul(p, big.NewInt(k))
				if got, want := toPlain(&r, &c).String(), plainG().mul(sum.Add(sum, big.NewInt(g))).String(); got != want {
					t.Errorf("%d·G + %d·%x·G = %v, want %v", g, k, p, got, want)
				}
			}
		}
	}
}

func FuzzField(f *testing.F) {
	for i, x := range edges() {
		y := edges()[(i*7)%len(edges())]
		f.Add(x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
	}
	f.Fuzz(func(t *testing.T, x0, x1, x2, x3, y0, y1, y2, y3 uint64) {
		checkField(t, fe{x0, x1, x2, x3}, fe{y0, y1, y2, y3})
		checkFieldSlow(t, fe{x0, x1, x2, x3})
	})
}

func FuzzScalar(f *testing.F) {
	for i, x := range edges() {
		y := edges()[(i*7)%len(edges())]
		f.Add(x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
	}
	f.Fuzz(func(t *testing.T, x0, x1, x2, x3, y0, y1, y2, y3 uint64) {
		checkScalar(t, scalar{x0, x1, x2, x3}, scalar{y0, y1, y2, y3})
		checkScalarInverse(t, scalar{x0, x1, x2, x3})
	})
}
