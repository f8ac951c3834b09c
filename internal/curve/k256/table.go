package k256

import "sync"

// oddMultiples sets table to p, 3p, 5p and so on, in units of c, which it also sets. They are not
// normalized.
func oddMultiples(table []affine, c *fe, p *affine) {
	// In units of the z of 2p, 2p is affine. Each further multiple is the previous one plus 2p, and
	// its z is the previous z times H.
	var two jacobian
	two.set(p)
	two.double(&two)
	step := affine{two.x, two.y}
	var next jacobian
	next.set(p)
	next.scale(&two.z)
	table[0] = affine{next.x, next.y}
	var room [16]fe
	ratio := room[:]
	if len(table) > len(ratio) {
		ratio = make([]fe, len(table))
	}
	var h chord
	for i := 1; i < len(table); i++ {
		h.through(&next, &next.z, &step)
		h.end(&next, &next)
		table[i] = affine{next.x, next.y}
		ratio[i] = h.h
	}
	c.mul(&next.z, &two.z)
	// Convert all to the z of the last one.
	f := feOne
	for i := len(table) - 1; i > 0; i-- {
		f.mul(&f, &ratio[i])
		table[i-1].scale(&f)
	}
}

// scale converts q to units of c.
func (q *affine) scale(c *fe) {
	var t fe
	t.sqr(c)
	q.x.mul(&q.x, &t)
	t.mul(&t, c)
	q.y.mul(&q.y, &t)
}

// scale converts x and y to units of c.
func (r *jacobian) scale(c *fe) {
	q := affine{r.x, r.y}
	q.scale(c)
	r.x, r.y = q.x, q.y
}

const (
	// A secret scalar is used in groups of 5 bits. Each bit counts +1 or -1, so digits are odd,
	// from -31 to 31, and a table has 16 multiples.
	secretBits  = 5
	secretSize  = 1 << (secretBits - 1)
	baseWindows = 52 // for 260 bits

	// Widths of the digits of public scalars, which are odd or zero: for multiples of any point,
	// and for those of G.
	publicBits = 5
	publicSize = 1 << (publicBits - 2)
	fixedBits  = 10
	fixedSize  = 1 << (fixedBits - 2)
)

// multiples are the tables of G, 85 KiB. They are built on first use, in a millisecond.
type multiples struct {
	secret [baseWindows][secretSize]affine // odd multiples of 32^i·G
	low    [fixedSize]affine               // odd multiples of G
	high   [fixedSize]affine               // odd multiples of 2^128·G
}

var base = sync.OnceValue(func() *multiples {
	t := new(multiples)
	p := generator
	for i := range t.secret {
		table(t.secret[i][:], &p)
		p.shift(secretBits)
	}
	p = generator
	table(t.low[:], &p)
	p.shift(128)
	table(t.high[:], &p)
	return t
})

// table sets t to the odd multiples of p, normalized.
func table(t []affine, p *affine) {
	var c fe
	oddMultiples(t, &c, p)
	c.inverse(&c)
	for i := range t {
		t[i].scale(&c)
		t[i].x.normalize(&t[i].x)
		t[i].y.normalize(&t[i].y)
	}
}

// shift multiplies q by 2^n.
func (q *affine) shift(n int) {
	var r jacobian
	r.set(q)
	for range n {
		r.double(&r)
	}
	q.set(&r)
}

// pick sets q to the multiple of digit w, 2w - 31, where w has 5 bits. t holds the odd multiples
// from 1 to 31.
func (q *affine) pick(t *[secretSize]affine, w uint64) {
	negative := w>>(secretBits-1) - 1
	entry(q, t, (w^negative)%secretSize)
	var y fe
	y.negate(&q.y)
	q.y.choose(&y, negative)
}

// entryGeneric sets q to t[index]. It reads all of t.
func entryGeneric(q *affine, t *[secretSize]affine, index uint64) {
	var x, y fe
	for i := range t {
		m := maskZero(uint64(i) ^ index)
		for j := range x {
			x[j] |= t[i].x[j] & m
			y[j] |= t[i].y[j] & m
		}
	}
	q.x, q.y = x, y
}
