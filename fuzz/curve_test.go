package fuzz

import (
	"bytes"
	"crypto/sha256"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// quickCurve stands in for secp256k1 where what matters is what happens between nodes, and not
// between attackers and arithmetic: inputs are tried ten times as often. A public key is the
// private one and tells it, except that of the node itself, whose record has the real one; secrets
// and signatures are hashes.
type quickCurve struct {
	scalar [curve.PrivateKeySize]byte
	public [curve.PublicKeySize]byte
}

func newQuickCurve(k *enr.PrivateKey) curve.Curve { return &quickCurve{k.Bytes(), k.PublicKey()} }

func (c *quickCurve) PublicKey(priv *[curve.PrivateKeySize]byte) ([curve.PublicKeySize]byte, error) {
	if *priv == c.scalar {
		return c.public, nil
	}
	return [curve.PublicKeySize]byte(append([]byte{2}, priv[:]...)), nil
}

func (c *quickCurve) Decompress(pub *[curve.PublicKeySize]byte) (xy [curve.PointSize]byte, err error) {
	if pub[0]|1 != 3 {
		return xy, curve.ErrPublicKey
	}
	copy(xy[:], pub[1:])
	xy[63] = pub[0] & 1
	return xy, nil
}

func (c *quickCurve) Sign(priv *[curve.PrivateKeySize]byte, digest *[curve.DigestSize]byte) (sig [curve.SignatureSize]byte, err error) {
	pub, err := c.PublicKey(priv)
	sum := sha256.Sum256(append(pub[:], digest[:]...))
	copy(sig[:], sum[:])
	return sig, err
}

func (c *quickCurve) Verify(pub *[curve.PublicKeySize]byte, digest *[curve.DigestSize]byte, sig *[curve.SignatureSize]byte) bool {
	sum := sha256.Sum256(append(bytes.Clone(pub[:]), digest[:]...))
	return *sig == [curve.SignatureSize]byte(append(sum[:], make([]byte, 32)...))
}

func (c *quickCurve) VerifyPoint(xy *[curve.PointSize]byte, digest *[curve.DigestSize]byte, sig *[curve.SignatureSize]byte) bool {
	pub := [curve.PublicKeySize]byte(append([]byte{2 | xy[63]&1}, xy[:32]...))
	return c.Verify(&pub, digest, sig)
}

func (c *quickCurve) ECDH(priv *[curve.PrivateKeySize]byte, pub *[curve.PublicKeySize]byte) (secret [curve.SharedSecretSize]byte, err error) {
	if _, err := c.Decompress(pub); err != nil {
		return secret, err
	}
	own, err := c.PublicKey(priv)
	a, b := own[:], pub[:]
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	sum := sha256.Sum256(append(bytes.Clone(a), b...))
	copy(secret[1:], sum[:])
	return secret, err
}
