package k256

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

func limbs(n *cryptotest.Number) [4]uint64 { return fromBig(new(big.Int).SetBytes(n[:])) }

// TestPublishedInverses runs bitcoin-core's inverses. Some need 567 of the 590 division steps.
// Random numbers never need that many; they finish within 9 words.
func TestPublishedInverses(t *testing.T) {
	var lists struct{ FE, Scalar [][2]cryptotest.Number }
	cryptotest.Load(t, "core_inverse", &lists)
	counts := cryptotest.Counts{}
	for _, pair := range lists.FE {
		for i := range pair {
			x, want := fe(limbs(&pair[i])), fe(limbs(&pair[1-i]))
			var z fe
			z.inverse(&x)
			z.normalize(&z)
			if z != want {
				t.Errorf("inverse of %x modulo p: %x, want %x", x, z, want)
			}
			counts["field"]++
		}
	}
	for _, pair := range lists.Scalar {
		for i := range pair {
			x, want := scalar(limbs(&pair[i])), scalar(limbs(&pair[1-i]))
			var z, public scalar
			z.inverse(&x)
			public.inverseVar(&x)
			if z != want || public != want {
				t.Errorf("inverse of %x modulo n: %x and %x, want %x", x, z, public, want)
			}
			counts["scalar"]++
		}
	}
	counts.Check(t, cryptotest.Counts{"field": 92, "scalar": 74})
}

// TestPublishedProducts runs bitcoin-core's products and squares of scalars.
func TestPublishedProducts(t *testing.T) {
	var list []struct {
		X, Y, XY cryptotest.Number
		XX       cryptotest.Number `json:"yy"` // the square of x, in spite of its name
	}
	cryptotest.Load(t, "core_scalar_mul", &list)
	counts := cryptotest.Counts{}
	for i, c := range list {
		x, y := scalar(limbs(&c.X)), scalar(limbs(&c.Y))
		x.reduce(0)
		y.reduce(0)
		var xy, yx, xx scalar
		xy.mul(&x, &y)
		yx.mul(&y, &x)
		xx.mul(&x, &x)
		if xy != scalar(limbs(&c.XY)) || yx != xy || xx != scalar(limbs(&c.XX)) {
			t.Errorf("case %d: %x, %x and %x", i, xy, yx, xx)
		}
		counts["product"]++
	}
	counts.Check(t, cryptotest.Counts{"product": 33})
}

// TestPublishedSplits runs bitcoin-core's scalars with the longest halves.
func TestPublishedSplits(t *testing.T) {
	var list []cryptotest.Number
	cryptotest.Load(t, "core_split_bounds", &list)
	counts := cryptotest.Counts{}
	for i := range list {
		x := limbs(&list[i])
		checkScalar(t, x, scalar{1})
		var opposite scalar
		opposite.negate((*scalar)(&x))
		checkScalar(t, opposite, scalar{1})
		counts["scalar"]++
	}
	counts.Check(t, cryptotest.Counts{"scalar": 20})
}

// TestPublishedHMAC runs Wycheproof's HMAC for keys of 32 bytes, as nonces use, with messages up to
// the length of those of nonces. Longer ones are refused.
func TestPublishedHMAC(t *testing.T) {
	type group struct{ KeySize, TagSize int }
	type test struct {
		TCID          int
		Key, Msg, Tag cryptotest.Hex
		Result        string
	}
	var file cryptotest.Wycheproof[group, test]
	cryptotest.Load(t, "wycheproof_hmac_sha256_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			switch {
			case len(c.Key) != 32:
				counts["other key"]++
			case len(c.Msg) > longestMessage:
				if !refuses(func() { hmacSHA256((*[32]byte)(c.Key), c.Msg) }) {
					t.Errorf("test %d: %d bytes are hashed", c.TCID, len(c.Msg))
				}
				counts["too long"]++
			default:
				mac := hmacSHA256((*[32]byte)(c.Key), c.Msg)
				if bytes.Equal(mac[:g.Params.TagSize/8], c.Tag) != (c.Result == "valid") {
					t.Errorf("test %d: %x, %s is %x", c.TCID, mac, c.Result, c.Tag)
				}
				counts[c.Result]++
			}
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 46, "invalid": 108, "too long": 8, "other key": 12})
}

// refuses reports whether f panics.
func refuses(f func()) (refused bool) {
	defer func() { refused = recover() != nil }()
	f()
	return false
}
