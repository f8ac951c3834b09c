package k256

// The code of this file serves secret scalars: no branch and no address depends on them.
//
// It writes a scalar as a sum of all powers of two up to some 2^l, each of them once, added or
// subtracted. If bit b of v stands for (2b-1), then v stands for 2v - (2^l - 1), so v = (k + 2^l -
// 1)/2 mod n stands for k. In groups of 5 bits each digit is odd and not zero, and takes one
// addition.

// 2^260 - 1, and (1 + lambda)(2^129 - 1), modulo n.
var (
	baseOffset  = scalar{0x02da1732fc9bebef, 0x551231950b75fc44, 0x14, 0}
	splitOffset = scalar{0xb5c2c1dcde9798d9, 0x589ae84826ba29e4, 0xc2bdd6bf7c118d6b, 0xa4e88a7dcb13034e}
	twoTo128    = scalar{0, 0, 1, 0}
)

// multBase sets r to k·G. Precondition: k is not 0.
//
// The sum up to digit i-1 is an odd number below 32^i in size, and the next digit has at least that
// size. The two are neither equal nor opposite, also modulo n, as long as 32^(i+1) is below n. That
// holds for all digits except the last.
func (r *jacobian) multBase(k *scalar) {
	t := base()
	var v scalar
	v.add(k, &baseOffset)
	v.half(&v)
	var q affine
	q.pick(&t.secret[0], window(&v, 0))
	r.set(&q)
	for i := 1; i < baseWindows-1; i++ {
		q.pick(&t.secret[i], window(&v, i))
		r.add(&q)
	}
	q.pick(&t.secret[baseWindows-1], window(&v, baseWindows-1))
	r.addComplete(&q)
	clear(v[:])
}

// window returns digit i of v.
func window(v *scalar, i int) uint64 {
	bit := uint(i) * secretBits
	w := v[bit/64] >> (bit % 64)
	if bit%64 > 64-secretBits && bit/64 < 3 {
		w |= v[bit/64+1] << (64 - bit%64)
	}
	return w % (1 << secretBits)
}

// splitWindows is the number of digits of each half of a scalar: 26 for 130 bits.
const splitWindows = 26

// mult sets r to k·p. Precondition: k is not 0.
//
// k is split into two halves, k1 + k2·lambda, with separate digits. Before an addition, r is (a +
// b·lambda)·p, where a and b are the parts of both halves so far. The addition of d·p, for a digit
// d, fails if r is d·p, -d·p or infinity. That requires (a, b), (a - d, b) or (a + d, b) to be in
// the lattice of split; the same holds for lambda·d·p. In all rounds except the last these numbers
// are below 2^126, so both would have to be 0. But after a round a and b are odd; after the
// doublings they are even and still not 0; and a digit makes its part odd. The two additions of the
// last round use the complete formula.
func (r *jacobian) mult(k *scalar, p *affine) {
	var s scalar
	s.add(k, &splitOffset)
	s.half(&s)
	v1, v2 := s.split()
	v1.add(&v1, &twoTo128) // between 0 and 2^129
	v2.add(&v2, &twoTo128)

	var t1, t2 [secretSize]affine
	var c fe
	oddMultiples(t1[:], &c, p)
	for i := range t1 {
		t2[i].y = t1[i].y
		t2[i].x.mul(&t1[i].x, &beta)
	}
	var q affine
	q.pick(&t1, window(&v1, splitWindows-1))
	r.set(&q)
	q.pick(&t2, window(&v2, splitWindows-1))
	r.add(&q)
	for i := splitWindows - 2; ; i-- {
		for range secretBits {
			r.double(r)
		}
		q.pick(&t1, window(&v1, i))
		if i == 0 {
			break
		}
		r.add(&q)
		q.pick(&t2, window(&v2, i))
		r.add(&q)
	}
	r.addComplete(&q)
	q.pick(&t2, window(&v2, 0))
	r.addComplete(&q)
	r.z.mul(&r.z, &c)
	clear(s[:])
	clear(v1[:])
	clear(v2[:])
}
