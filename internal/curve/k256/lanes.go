//go:build amd64 && !purego

package k256

import (
	"sync"

	"github.com/fastdisc/discv5/internal/curve/batch"
)

// The functions of this file do up to eight operations together, in the lanes of AVX-512 vectors,
// with the algorithms of the functions for one: secret.go, public.go, field_exp.go. The
// differences:
//
//   - A field element has five limbs of 52 bits, as the multiplication of IFMA takes. The limbs of
//     arguments and results are below 2^52, and elements below 16p, which is below 2^260. Each sum
//     in lanes_amd64.s states its bound.
//   - All lanes do the same additions, so public scalars have digits that are never zero too.
//   - An addition of equal or opposite points makes z zero, and z then stays zero. The operation of
//     such a lane is done again with the functions for one. For signatures an attacker can choose
//     numbers with which that happens, which costs no more than one verification. For secret keys
//     it depends on the key only, and has a probability of 2^-120.

// mask52 is the largest limb.
const mask52 = 1<<52 - 1

// laneElements are eight field elements: limb i of the element of a lane is at [i][lane].
type laneElements [5][lanes]uint64

// laneAffine and laneJacobian are eight points.
type (
	laneAffine   struct{ x, y laneElements }
	laneJacobian struct{ x, y, z laneElements }
)

// laneScratch is memory for the assembly.
type laneScratch [3]laneElements

// laneState is memory for one batch. It has no pointers and its size is a multiple of 64, so
// the allocator aligns it to cache lines.
type laneState struct {
	x, betaX, y [secretSize]laneElements // of the odd multiples, in units of c; betaX is beta·x
	ratio       [secretSize]laneElements
	r           laneJacobian
	q           laneAffine
	c, cz, h    laneElements
	scratch     laneScratch

	k1, k2 [lanes]scalar // halves of the scalars, with an offset
	g      [lanes]scalar // multiples of G, with an offset
	digit  [lanes]uint64
}

var laneStates = sync.Pool{New: func() any { return new(laneState) }}

// set sets the element of a lane to x.
func (z *laneElements) set(lane int, x *fe) {
	z[0][lane] = x[0] & mask52
	z[1][lane] = (x[0]>>52 | x[1]<<12) & mask52
	z[2][lane] = (x[1]>>40 | x[2]<<24) & mask52
	z[3][lane] = (x[2]>>28 | x[3]<<36) & mask52
	z[4][lane] = x[3] >> 16
}

// setAll sets the elements of all lanes to x.
func (z *laneElements) setAll(x *fe) {
	for lane := range lanes {
		z.set(lane, x)
	}
}

// get sets x to the element of a lane.
func (z *laneElements) get(x *fe, lane int) {
	l0, l1, l2, l3, l4 := z[0][lane], z[1][lane], z[2][lane], z[3][lane], z[4][lane]
	x[0] = l0 | l1<<52
	x[1] = l1>>12 | l2<<40
	x[2] = l2>>24 | l3<<28
	x[3] = l3>>36 | l4<<16
	x.add(x, &fe{l4 >> 48 * fold})
}

var laneBeta = sync.OnceValue(func() *laneElements {
	b := new(laneElements)
	b.setAll(&beta)
	return b
})

// multiples sets the tables of s to the odd multiples of the points in s.q, as oddMultiples does.
func (s *laneState) multiples() {
	two := &s.r
	two.x, two.y = s.q.x, s.q.y
	two.z.setAll(&feOne)
	lanesDouble(two, &s.scratch, 1)
	step := laneAffine{two.x, two.y}
	s.cz = two.z
	// The point in units of the z of the double.
	lanesSqr(&s.c, &s.cz, 1)
	lanesMul(&two.x, &s.q.x, &s.c)
	lanesMul(&s.c, &s.c, &s.cz)
	lanesMul(&two.y, &s.q.y, &s.c)
	two.z.setAll(&feOne)
	s.x[0], s.y[0] = two.x, two.y
	for i := 1; i < secretSize; i++ {
		lanesAdd(two, &step, &two.z, &s.ratio[i], &s.scratch)
		s.x[i], s.y[i] = two.x, two.y
	}
	lanesMul(&s.c, &two.z, &s.cz)
	f, ff := &s.h, &s.cz
	*f = s.ratio[secretSize-1]
	b := laneBeta()
	for i := secretSize - 2; ; i-- {
		lanesSqr(ff, f, 1)
		lanesMul(&s.x[i], &s.x[i], ff)
		lanesMul(ff, ff, f)
		lanesMul(&s.y[i], &s.y[i], ff)
		if i == 0 {
			break
		}
		lanesMul(f, f, &s.ratio[i])
	}
	// The last one has been the result of an addition; bring it below 2p, as lanesPick requires.
	last := secretSize - 1
	ff.setAll(&feOne)
	lanesMul(&s.x[last], &s.x[last], ff)
	lanesMul(&s.y[last], &s.y[last], ff)
	for i := range s.x {
		lanesMul(&s.betaX[i], &s.x[i], b)
	}
}

// setScalar sets the digits of a lane to those of k, as mult does. Precondition: k is not 0.
func (s *laneState) setScalar(lane int, k *scalar) {
	var v scalar
	v.add(k, &splitOffset)
	v.half(&v)
	v1, v2 := v.split()
	s.k1[lane].add(&v1, &twoTo128)
	s.k2[lane].add(&v2, &twoTo128)
}

// pick sets s.q to the multiples that digit i of the first or the second halves stands for.
func (s *laneState) pick(i int, second bool) {
	k, x := &s.k1, &s.x
	if second {
		k, x = &s.k2, &s.betaX
	}
	for lane := range s.digit {
		s.digit[lane] = window(&k[lane], i)
	}
	lanesPick(&s.q, x, &s.y, &s.digit)
}

// add adds s.q to s.r.
func (s *laneState) add() { lanesAdd(&s.r, &s.q, &s.r.z, &s.h, &s.scratch) }

// mult sets s.r to the products of the scalars and of the points whose multiples s has, plus g·G if
// withBase is set. The points' z is s.r.z·s.c.
func (s *laneState) mult(withBase bool) {
	s.pick(splitWindows-1, false)
	s.r.x, s.r.y = s.q.x, s.q.y
	s.r.z.setAll(&feOne)
	s.pick(splitWindows-1, true)
	s.add()
	bit := (splitWindows - 1) * secretBits
	for bit > 0 {
		next := (bit - 1) / secretBits * secretBits
		if withBase {
			next = max(next, (bit-1)/laneBaseBits*laneBaseBits)
		}
		lanesDouble(&s.r, &s.scratch, bit-next)
		bit = next
		if bit%secretBits == 0 {
			s.pick(bit/secretBits, false)
			s.add()
			s.pick(bit/secretBits, true)
			s.add()
		}
		if withBase && bit%laneBaseBits == 0 && bit < 128 {
			s.addBase(bit / laneBaseBits)
		}
	}
}

// laneBaseBits is the size of digits of g: a byte. All 256 bits of it count +1 or -1, so digits are
// odd, from -255 to 255.
const laneBaseBits = 8

// baseDigits is 2^256 - 1 modulo n, the offset of these digits.
var baseDigits = scalar{0x402da1732fc9bebe, 0x4551231950b75fc4, 1, 0}

// laneEntry is a multiple of G: x, y and -y in limbs of 52 bits.
type laneEntry struct{ x, y, minusY [5]uint64 }

// laneBase are the odd multiples of G, and of 2^128·G, from 1 to 255. They take 30 KiB and are
// built on first use.
var laneBase = sync.OnceValue(func() *[2][1 << (laneBaseBits - 1)]laneEntry {
	t := base()
	b := new([2][1 << (laneBaseBits - 1)]laneEntry)
	limbs := func(z *[5]uint64, x *fe) {
		var e laneElements
		e.set(0, x)
		for i := range z {
			z[i] = e[i][0]
		}
	}
	for i, from := range []*[fixedSize]affine{&t.low, &t.high} {
		for j := range b[i] {
			var y fe
			y.negate(&from[j].y)
			y.normalize(&y)
			limbs(&b[i][j].x, &from[j].x)
			limbs(&b[i][j].y, &from[j].y)
			limbs(&b[i][j].minusY, &y)
		}
	}
	return b
})

// setBase sets the digits of g in a lane.
func (s *laneState) setBase(lane int, g *scalar) {
	s.g[lane].add(g, &baseDigits)
	s.g[lane].half(&s.g[lane])
}

// addBase adds the multiples of G and of 2^128·G that digit i of each half of g stands for.
func (s *laneState) addBase(i int) {
	lanesMul(&s.cz, &s.r.z, &s.c)
	for half, t := range laneBase() {
		for lane := range lanes {
			digit := byte(s.g[lane][2*half+i/8] >> (i % 8 * 8))
			e := &t[digit%128]
			y := &e.y
			if digit < 128 {
				e = &t[127-digit]
				y = &e.minusY
			}
			for j := range e.x {
				s.q.x[j][lane], s.q.y[j][lane] = e.x[j], y[j]
			}
		}
		lanesAdd(&s.r, &s.q, &s.cz, &s.h, &s.scratch)
		if half == 0 {
			lanesMul(&s.cz, &s.r.z, &s.c)
		}
	}
}

// setPoint sets the point of a lane.
func (s *laneState) setPoint(lane int, p *affine) {
	s.q.x.set(lane, &p.x)
	s.q.y.set(lane, &p.y)
}

// verifyLanes is VerifyPoint for up to eight signatures.
func verifyLanes(v []batch.Verification) {
	s := laneStates.Get().(*laneState)
	defer laneStates.Put(s)
	var p [lanes]affine
	var r, inv [lanes]scalar
	for i := range lanes {
		if i < len(v) {
			v[i].OK = setSignature(&r[i], &inv[i], &v[i].Signature) && p[i].setPoint(&v[i].Point)
		}
		if i >= len(v) || !v[i].OK {
			p[i], r[i], inv[i] = generator, scalar{1}, scalar{1}
		}
		s.setPoint(i, &p[i])
	}
	invertAll(&inv)
	for i := range lanes {
		var e, g, k scalar
		if i < len(v) {
			e.setBytes(&v[i].Digest)
		}
		g.mul(&e, &inv[i])
		k.mul(&r[i], &inv[i])
		s.setScalar(i, &k)
		s.setBase(i, &g)
	}
	s.multiples()
	s.mult(true)
	lanesMul(&s.cz, &s.r.z, &s.c)
	for i := range v {
		if !v[i].OK {
			continue
		}
		var x, zz fe
		s.cz.get(&zz, i)
		if zz.isZero() {
			v[i].OK = VerifyPoint(&v[i].Point, &v[i].Digest, &v[i].Signature)
			continue
		}
		zz.sqr(&zz)
		s.r.x.get(&x, i)
		v[i].OK = r[i].isX(&x, &zz)
	}
}

// invertAll inverts public scalars with one inversion. Precondition: none is zero.
func invertAll(k *[lanes]scalar) {
	var before [lanes]scalar // products of the scalars before each one
	product := k[0]
	for i := 1; i < lanes; i++ {
		before[i] = product
		product.mul(&product, &k[i])
	}
	product.inverseVar(&product)
	for i := lanes - 1; i > 0; i-- {
		var z scalar
		z.mul(&product, &before[i])
		product.mul(&product, &k[i])
		k[i] = z
	}
	k[0] = product
}

// agreeLanes is ECDH for up to eight public keys. k is valid.
func agreeLanes(k *scalar, a []batch.Agreement) {
	s := laneStates.Get().(*laneState)
	defer laneStates.Put(s)
	var pub [lanes][33]byte
	for i := range a {
		pub[i] = a[i].PublicKey
	}
	var p [lanes]affine
	ok := s.decompress(&p, &pub)
	for i := range lanes {
		if !ok[i] {
			p[i] = generator
		}
		s.setPoint(i, &p[i])
		s.setScalar(i, k)
	}
	s.multiples()
	s.mult(false)
	lanesMul(&s.r.z, &s.r.z, &s.c)

	// One inversion for all lanes, as in invertAll.
	var z, before [lanes]fe
	var zero [lanes]bool
	product := feOne
	for i := range lanes {
		s.r.z.get(&z[i], i)
		if zero[i] = z[i].isZero(); zero[i] {
			z[i] = feOne
		}
		before[i] = product
		product.mul(&product, &z[i])
	}
	product.inverse(&product)
	for i := lanes - 1; i >= 0; i-- {
		var inv, ii fe
		inv.mul(&product, &before[i])
		product.mul(&product, &z[i])
		if i >= len(a) {
			continue
		}
		a[i].OK = ok[i]
		if zero[i] {
			agree(&a[i].Secret, k, &p[i])
			continue
		}
		var q affine
		s.r.x.get(&q.x, i)
		s.r.y.get(&q.y, i)
		ii.sqr(&inv)
		q.x.mul(&q.x, &ii)
		ii.mul(&ii, &inv)
		q.y.mul(&q.y, &ii)
		q.x.normalize(&q.x)
		q.y.normalize(&q.y)
		q.compress(&a[i].Secret)
	}
	clear(s.k1[:])
	clear(s.k2[:])
	clear(s.digit[:])
	s.r, s.q, s.h, s.scratch = laneJacobian{}, laneAffine{}, laneElements{}, laneScratch{}
	clear(z[:])
	clear(before[:])
}

// decompressLanes is Decompress for up to eight public keys.
func decompressLanes(d []batch.Decompression) {
	s := laneStates.Get().(*laneState)
	defer laneStates.Put(s)
	var pub [lanes][33]byte
	for i := range d {
		pub[i] = d[i].PublicKey
	}
	var p [lanes]affine
	ok := s.decompress(&p, &pub)
	for i := range d {
		d[i].OK = ok[i]
		p[i].x.putBytes((*[32]byte)(d[i].Point[:32]))
		p[i].y.putBytes((*[32]byte)(d[i].Point[32:]))
	}
}

// decompress sets p to the points that pub encode, normalized. Where there is none it returns
// false.
func (s *laneState) decompress(p *[lanes]affine, pub *[lanes][33]byte) (ok [lanes]bool) {
	var square [lanes]fe
	for i := range lanes {
		ok[i] = pub[i][0]|1 == 3 && p[i].x.setBytes((*[32]byte)(pub[i][1:]))
		t := &square[i]
		t.sqr(&p[i].x)
		t.mul(t, &p[i].x)
		t.add(t, &fe{7})
		s.h.set(i, t)
	}
	s.sqrt()
	for i := range lanes {
		q := &p[i]
		s.c.get(&q.y, i)
		var t fe
		t.sqr(&q.y)
		ok[i] = ok[i] && t.equalVar(&square[i])
		q.y.normalize(&q.y)
		if byte(q.y[0])&1 != pub[i][0]&1 {
			q.y.negate(&q.y)
			q.y.normalize(&q.y)
		}
	}
	return ok
}

// sqrt sets s.c to s.h^((p+1)/4), with the steps of fe.sqrt.
func (s *laneState) sqrt() {
	x, t, z := &s.h, &s.cz, &s.c
	x2, x3, x22, x44, x88 := &s.x[0], &s.x[1], &s.x[2], &s.x[3], &s.x[4]
	join := func(z, a, b *laneElements, shift int) {
		lanesSqr(t, a, shift)
		lanesMul(z, t, b)
	}
	join(x2, x, x, 1)
	join(x3, x2, x, 1)
	join(z, x3, x3, 3)
	join(z, z, x3, 3)
	join(z, z, x2, 2)
	join(x22, z, z, 11)
	join(x44, x22, x22, 22)
	join(x88, x44, x44, 44)
	join(z, x88, x88, 88)
	join(z, z, x44, 44)
	join(z, z, x3, 3)
	join(z, z, x22, 23)
	join(z, z, x2, 6)
	lanesSqr(z, z, 2)
}
