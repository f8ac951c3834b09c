package aead

import (
	"crypto/rand"
	"fmt"
	"testing"
)

var sizes = []int{16, 32, 100, 300, 1100}

func BenchmarkSeal(b *testing.B) {
	nonce := new([12]byte)
	buf := make([]byte, 1280)
	for name, make := range implementations {
		c := make(&[16]byte{1})
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.Seal(buf[:71], nonce, buf[71:71+n], buf[:71])
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	nonce := new([12]byte)
	buf, work := make([]byte, 1280), make([]byte, 1280)
	for name, make := range implementations {
		c := make(&[16]byte{1})
		for _, n := range sizes {
			sealed := c.Seal(nil, nonce, buf[:n], buf[:71])
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m := work[:copy(work, sealed)] // in place, as packets are
					if _, err := c.Open(m[:0], nonce, m, buf[:71]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNewCipher(b *testing.B) {
	key := new([16]byte)
	b.ReportAllocs()
	for b.Loop() {
		NewCipher(key)
	}
}

// BenchmarkPrefetch walks over more ciphers than the cache holds, in batches of 64, and seals a
// small message with each. The difference between the two cases is what prefetching a batch saves.
func BenchmarkPrefetch(b *testing.B) {
	const n, batch = 1 << 17, 64
	ciphers := make([]Cipher, n)
	for i := range ciphers {
		ciphers[i] = NewCipher(&[16]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	nonce := new([12]byte)
	buf := make([]byte, 256)
	for _, prefetch := range []bool{false, true} {
		b.Run(fmt.Sprintf("prefetch=%v", prefetch), func(b *testing.B) {
			at, done := uint32(1), 0
			var picked [batch]uint32
			for b.Loop() {
				if done%batch == 0 {
					for i := range picked {
						at = at*1664525 + 1013904223
						picked[i] = at >> 15
						if prefetch {
							ciphers[picked[i]].Prefetch()
						}
					}
				}
				ciphers[picked[done%batch]].Seal(buf[:71], nonce, buf[71:103], buf[:71])
				done++
			}
		})
	}
}

func BenchmarkMaskOnce(b *testing.B) {
	id, iv := new([32]byte), new([16]byte)
	for _, n := range []int{16, 47, 55, 71, 300} {
		buf := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				MaskOnce(buf, id, iv)
			}
		})
		b.Run(fmt.Sprintf("%d/generic", n), func(b *testing.B) {
			for b.Loop() {
				var rk roundKeys
				expandKeyGeneric(&rk, (*[16]byte)(id[:]))
				xorKeyStreamGeneric(buf, &rk, iv, 0)
			}
		})
	}
}

func BenchmarkMaskXOR(b *testing.B) {
	id, iv := new([32]byte), new([16]byte)
	for _, v := range []struct {
		name string
		m    *Mask
	}{{"own", NewMask(id)}, {"block", &Mask{block: newBlock(id)}}} {
		for _, n := range []int{16, 55, 71} {
			buf := make([]byte, n)
			b.Run(fmt.Sprintf("%s/%d", v.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					v.m.XOR(buf, iv, 0)
				}
			})
		}
		buf := make([]byte, 55)
		b.Run(v.name+"/16+39", func(b *testing.B) {
			for b.Loop() {
				v.m.XOR(buf[:16], iv, 0)
				v.m.XOR(buf[16:], iv, 16)
			}
		})
	}
}

func BenchmarkDeriveKeys(b *testing.B) {
	secret, id, challengeData := new([33]byte), new([32]byte), make([]byte, ChallengeDataSize)
	b.ReportAllocs()
	for b.Loop() {
		DeriveKeys(secret, challengeData, id, id)
	}
}

func BenchmarkIDSignatureDigest(b *testing.B) {
	pub, id, challengeData := new([33]byte), new([32]byte), make([]byte, ChallengeDataSize)
	b.ReportAllocs()
	for b.Loop() {
		IDSignatureDigest(challengeData, pub, id)
	}
}

func BenchmarkRandom(b *testing.B) {
	r, err := NewRandom(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{12, 28} {
		p := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Read(p)
			}
		})
	}
	b.Run("Uint32n", func(b *testing.B) {
		for b.Loop() {
			r.Uint32n(1000)
		}
	})
	b.Run("Next", func(b *testing.B) {
		b.ReportAllocs()
		var c Counter
		nonce := new([12]byte)
		for b.Loop() {
			c.Next(nonce, r)
		}
	})
}
