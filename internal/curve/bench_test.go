package curve

import "testing"

// Engines take turns, so that a noisy machine is noisy for both.
func benchmark(b *testing.B, f func(c Curve) func()) {
	for _, c := range engines {
		run := f(c.Curve)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	key, digest := b32(gx), b32(gy)
	benchmark(b, func(c Curve) func() {
		pub, _ := c.PublicKey(key)
		sig, _ := c.Sign(key, digest)
		return func() {
			if !c.Verify(&pub, digest, &sig) {
				b.Fatal("rejected")
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key, digest := b32(gx), b32(gy)
	benchmark(b, func(c Curve) func() { return func() { c.Sign(key, digest) } })
}

func BenchmarkECDH(b *testing.B) {
	key, pub := b32(gx), b33("02"+gx)
	benchmark(b, func(c Curve) func() { return func() { c.ECDH(key, pub) } })
}

func BenchmarkPublicKey(b *testing.B) {
	key := b32(gx)
	benchmark(b, func(c Curve) func() { return func() { c.PublicKey(key) } })
}

func BenchmarkDecompress(b *testing.B) {
	pub := b33("02" + gx)
	benchmark(b, func(c Curve) func() { return func() { c.Decompress(pub) } })
}
