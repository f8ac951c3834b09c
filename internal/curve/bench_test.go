package curve

import "testing"

func BenchmarkVerify(b *testing.B)      { verifying(b, native()) }
func BenchmarkVerifyPoint(b *testing.B) { verifyingPoint(b, native()) }
func BenchmarkSign(b *testing.B)        { signing(b, native()) }
func BenchmarkECDH(b *testing.B)        { agreeing(b, native()) }
func BenchmarkPublicKey(b *testing.B)   { generating(b, native()) }
func BenchmarkDecompress(b *testing.B)  { decompressing(b, native()) }

// BenchmarkReference measures the reference implementation.
func BenchmarkReference(b *testing.B) {
	b.Run("Verify", func(b *testing.B) { verifying(b, reference()) })
	b.Run("VerifyPoint", func(b *testing.B) { verifyingPoint(b, reference()) })
	b.Run("Sign", func(b *testing.B) { signing(b, reference()) })
	b.Run("ECDH", func(b *testing.B) { agreeing(b, reference()) })
	b.Run("PublicKey", func(b *testing.B) { generating(b, reference()) })
	b.Run("Decompress", func(b *testing.B) { decompressing(b, reference()) })
}

func verifying(b *testing.B, c Curve) {
	key, digest := b32(gx), b32(gy)
	pub, _ := c.PublicKey(key)
	sig, _ := c.Sign(key, digest)
	b.ReportAllocs()
	for b.Loop() {
		if !c.Verify(&pub, digest, &sig) {
			b.Fatal("rejected")
		}
	}
}

func verifyingPoint(b *testing.B, c Curve) {
	key, digest := b32(gx), b32(gy)
	pub, _ := c.PublicKey(key)
	xy, _ := c.Decompress(&pub)
	sig, _ := c.Sign(key, digest)
	b.ReportAllocs()
	for b.Loop() {
		if !c.VerifyPoint(&xy, digest, &sig) {
			b.Fatal("rejected")
		}
	}
}

func signing(b *testing.B, c Curve) {
	key, digest := b32(gx), b32(gy)
	c.Sign(key, digest) // also builds the tables
	b.ReportAllocs()
	for b.Loop() {
		c.Sign(key, digest)
	}
}

func agreeing(b *testing.B, c Curve) {
	key, pub := b32(gx), b33("02"+gx)
	b.ReportAllocs()
	for b.Loop() {
		c.ECDH(key, pub)
	}
}

func generating(b *testing.B, c Curve) {
	key := b32(gx)
	c.PublicKey(key)
	b.ReportAllocs()
	for b.Loop() {
		c.PublicKey(key)
	}
}

func decompressing(b *testing.B, c Curve) {
	pub := b33("02" + gx)
	b.ReportAllocs()
	for b.Loop() {
		c.Decompress(pub)
	}
}
