package curve

import (
	"errors"
	"testing"
)

// faulty is a Curve with a fault in one of its methods.
type faulty struct {
	Curve
	where string
}

func (f faulty) PublicKey(priv *[32]byte) (pub [33]byte, err error) {
	pub, err = f.Curve.PublicKey(priv)
	if f.where == "public key" {
		pub[0] ^= 1
	}
	return pub, err
}

func (f faulty) Decompress(pub *[33]byte) (xy [64]byte, err error) {
	xy, err = f.Curve.Decompress(pub)
	switch f.where {
	case "y":
		xy[63] ^= 1
	case "takes any prefix":
		return xy, nil
	}
	return xy, err
}

func (f faulty) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	switch f.where {
	case "verifies all":
		return true
	case "verifies none":
		return false
	}
	return f.Curve.Verify(pub, digest, sig)
}

func (f faulty) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	switch f.where {
	case "verifies all by coordinates":
		return true
	case "verifies none by coordinates":
		return false
	case "off the curve":
		near := *xy
		near[63] ^= 1
		return f.Curve.VerifyPoint(xy, digest, sig) || f.Curve.VerifyPoint(&near, digest, sig)
	}
	return f.Curve.VerifyPoint(xy, digest, sig)
}

func (f faulty) Sign(priv, digest *[32]byte) (sig [64]byte, err error) {
	sig, err = f.Curve.Sign(priv, digest)
	if f.where == "signature" {
		sig[40] ^= 1
	}
	return sig, err
}

func (f faulty) ECDH(priv *[32]byte, pub *[33]byte) (secret [33]byte, err error) {
	secret, err = f.Curve.ECDH(priv, pub)
	if f.where == "secret" {
		secret[32] ^= 1
	}
	return secret, err
}

// TestSelfTestNotices breaks one method after the other.
func TestSelfTestNotices(t *testing.T) {
	if err := SelfTest(); err != nil {
		t.Error(err)
	}
	for _, e := range engines {
		if err := knownAnswers(e.Curve); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		for _, where := range []string{"public key", "y", "takes any prefix", "verifies all", "verifies none",
			"verifies all by coordinates", "verifies none by coordinates", "off the curve", "signature", "secret"} {
			if err := knownAnswers(faulty{e.Curve, where}); !errors.Is(err, ErrSelfTest) {
				t.Errorf("%s, %s: %v", e.name, where, err)
			}
		}
	}
}

func BenchmarkSelfTest(b *testing.B) {
	for b.Loop() {
		if err := knownAnswers(Default()); err != nil {
			b.Fatal(err)
		}
	}
}
