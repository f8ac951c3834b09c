package k256

import "testing"

func BenchmarkParts(b *testing.B) {
	var p jacobian
	p.set(&generator)
	p.double(&p)
	k := scalar{1, 2, 3, 1 << 62}
	k.mul(&k, &k)
	var q affine
	t := base()
	var c fe
	var t1 [16]affine
	k1, _ := k.split()
	var n nonces
	var key, digest [32]byte
	for name, f := range map[string]func(){
		"double": func() { p.double(&p) }, "add": func() { p.add(&generator) }, "addVar": func() { p.addVar(&generator, &feOne, &p.z) },
		"addComplete": func() { p.addComplete(&generator) },
		"pick":        func() { q.pick(&t.secret[3], 5) },
		"split":       func() { k.split() }, "scalar/mul": func() { k.mul(&k, &k) }, "scalar/inverse": func() { k.inverse(&k) }, "scalar/inverseVar": func() { k.inverseVar(&k) },
		"odd16": func() { oddMultiples(t1[:], &c, &generator) }, "odd8": func() { oddMultiples(t1[:8], &c, &generator) },
		"set": func() { q.set(&p) }, "digits": func() { var d digits; d.setHalf(&k1, 5) }, "nonce": func() { n.init(&key, &digest); n.next(&k1) },
		"multBase": func() { p.multBase(&k) }, "mult": func() { p.mult(&k, &generator) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
