package simnet

import (
	"bytes"
	"crypto/sha256"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// hashCurve has the shape of the arithmetic on secp256k1 and none of its security: everybody can
// calculate everything. It keeps the properties that handshakes rely on: both sides get the same
// secret, other keys give other secrets, and a signature fits one key and one digest.
//
//	ephemeral public key   0x02 | private key
//	signature              H("sign", public key, digest) twice
//	secret                 0x02 | H("ecdh", both public keys, lower one first)
//
// The node's own public key is that on secp256k1, which its record names, so that node IDs stay
// what they are.
type hashCurve struct {
	scalar [curve.PrivateKeySize]byte
	pub    [curve.PublicKeySize]byte
}

func newHashCurve(k *enr.PrivateKey) *hashCurve { return &hashCurve{k.Bytes(), k.PublicKey()} }

// PublicKey implements curve.Curve.
func (c *hashCurve) PublicKey(priv *[curve.PrivateKeySize]byte) (pub [curve.PublicKeySize]byte, err error) {
	if *priv == c.scalar {
		return c.pub, nil
	}
	if *priv == ([curve.PrivateKeySize]byte{}) {
		return pub, curve.ErrPrivateKey
	}
	pub[0] = 2
	copy(pub[1:], priv[:])
	return pub, nil
}

// Decompress implements curve.Curve. Every key of the right form has a point, which is not on
// secp256k1.
func (c *hashCurve) Decompress(pub *[curve.PublicKeySize]byte) (xy [curve.PointSize]byte, err error) {
	if pub[0] != 2 && pub[0] != 3 {
		return xy, curve.ErrPublicKey
	}
	copy(xy[:], pub[1:])
	xy[curve.PointSize-1] = pub[0] & 1
	return xy, nil
}

// Sign implements curve.Curve.
func (c *hashCurve) Sign(priv *[curve.PrivateKeySize]byte, digest *[curve.DigestSize]byte) (sig [curve.SignatureSize]byte, err error) {
	pub, err := c.PublicKey(priv)
	if err != nil {
		return sig, err
	}
	return signature(&pub, digest), nil
}

// Verify implements curve.Curve.
func (c *hashCurve) Verify(pub *[curve.PublicKeySize]byte, digest *[curve.DigestSize]byte, sig *[curve.SignatureSize]byte) bool {
	return signature(pub, digest) == *sig
}

// VerifyPoint implements curve.Curve.
func (c *hashCurve) VerifyPoint(xy *[curve.PointSize]byte, digest *[curve.DigestSize]byte, sig *[curve.SignatureSize]byte) bool {
	var pub [curve.PublicKeySize]byte
	pub[0] = 2 | xy[curve.PointSize-1]&1
	copy(pub[1:], xy[:])
	return c.Verify(&pub, digest, sig)
}

func signature(pub *[curve.PublicKeySize]byte, digest *[curve.DigestSize]byte) (sig [curve.SignatureSize]byte) {
	h := hash('s', pub[:], digest[:])
	copy(sig[:], h[:])
	copy(sig[len(h):], h[:])
	return sig
}

// ECDH implements curve.Curve.
func (c *hashCurve) ECDH(priv *[curve.PrivateKeySize]byte, pub *[curve.PublicKeySize]byte) (secret [curve.SharedSecretSize]byte, err error) {
	if pub[0] != 2 && pub[0] != 3 {
		return secret, curve.ErrPublicKey
	}
	own, err := c.PublicKey(priv)
	if err != nil {
		return secret, err
	}
	low, high := own[:], pub[:]
	if bytes.Compare(low, high) > 0 {
		low, high = high, low
	}
	h := hash('e', low, high)
	secret[0] = 2
	copy(secret[1:], h[:])
	return secret, nil
}

func hash(what byte, a, b []byte) [sha256.Size]byte {
	var buf [1 + 2*curve.PublicKeySize]byte
	buf[0] = what
	n := 1 + copy(buf[1:], a)
	n += copy(buf[n:], b)
	return sha256.Sum256(buf[:n])
}
