// Package decred implements curve.Curve with the arithmetic of the Decred project. Programs built
// with the tag decred use it, and the tests compare package k256 with it.
//
// It uses smaller limbs than k256 and takes several times as long. It runs in variable time, as the
// names of its functions say. It overwrites copies of private scalars.
package decred

import (
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/fastdisc/discv5/internal/curve/curveerr"
)

// Engine implements curve.Curve, which documents the methods. It has no state.
type Engine struct{}

// PublicKey returns the compressed public key of priv.
func (Engine) PublicKey(priv *[32]byte) (pub [33]byte, err error) {
	var k secp256k1.ModNScalar
	defer k.Zero()
	if !setScalar(&k, priv) {
		return pub, curveerr.ErrPrivateKey
	}
	var p secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&k, &p)
	compress(&pub, &p)
	return pub, nil
}

// Decompress returns the coordinates of pub.
func (Engine) Decompress(pub *[33]byte) (xy [64]byte, err error) {
	var x, y secp256k1.FieldVal
	if !decompress(&x, &y, pub) {
		return xy, curveerr.ErrPublicKey
	}
	x.PutBytes((*[32]byte)(xy[:32]))
	y.PutBytes((*[32]byte)(xy[32:]))
	return xy, nil
}

// Verify reports whether sig is the canonical signature of pub over digest.
func (Engine) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	var x, y secp256k1.FieldVal
	return decompress(&x, &y, pub) && verify(&x, &y, digest, sig)
}

// VerifyPoint is Verify for the coordinates of a public key.
func (Engine) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	var x, y secp256k1.FieldVal
	if x.SetBytes((*[32]byte)(xy[:32]))|y.SetBytes((*[32]byte)(xy[32:])) != 0 {
		return false
	}
	return secp256k1.NewPublicKey(&x, &y).IsOnCurve() && verify(&x, &y, digest, sig)
}

func verify(x, y *secp256k1.FieldVal, digest *[32]byte, sig *[64]byte) bool {
	var r, s secp256k1.ModNScalar
	if !setScalar(&r, (*[32]byte)(sig[:32])) || !setScalar(&s, (*[32]byte)(sig[32:])) || s.IsOverHalfOrder() {
		return false
	}
	return ecdsa.NewSignature(&r, &s).Verify(digest[:], secp256k1.NewPublicKey(x, y))
}

// Sign signs digest with priv and the nonce of RFC 6979.
func (Engine) Sign(priv *[32]byte, digest *[32]byte) (sig [64]byte, err error) {
	var k secp256k1.PrivateKey
	defer k.Zero()
	if !setScalar(&k.Key, priv) {
		return sig, curveerr.ErrPrivateKey
	}
	out := ecdsa.Sign(&k, digest[:])
	r, s := out.R(), out.S()
	r.PutBytes((*[32]byte)(sig[:32]))
	s.PutBytes((*[32]byte)(sig[32:]))
	return sig, nil
}

// SignRecoverable is Sign with the recovery ID, 0 to 3, as last byte.
func (Engine) SignRecoverable(priv, digest *[32]byte) (sig [65]byte, err error) {
	var k secp256k1.PrivateKey
	defer k.Zero()
	if !setScalar(&k.Key, priv) {
		return sig, curveerr.ErrPrivateKey
	}
	// The compact form starts with the recovery ID plus 27, or plus 31 for a compressed key.
	compact := ecdsa.SignCompact(&k, digest[:], false)
	copy(sig[:], compact[1:])
	sig[64] = compact[0] - 27
	return sig, nil
}

// ECDH returns the compressed point priv·pub.
func (Engine) ECDH(priv *[32]byte, pub *[33]byte) (secret [33]byte, err error) {
	var k secp256k1.ModNScalar
	defer k.Zero()
	if !setScalar(&k, priv) {
		return secret, curveerr.ErrPrivateKey
	}
	var p, q secp256k1.JacobianPoint
	if !decompress(&p.X, &p.Y, pub) {
		return secret, curveerr.ErrPublicKey
	}
	p.Z.SetInt(1)
	// The group has prime order and 0 < k < n, so the product is never the point at infinity.
	secp256k1.ScalarMultNonConst(&k, &p, &q)
	compress(&secret, &q)
	return secret, nil
}

// setScalar sets k to b and reports whether 0 < b < n.
func setScalar(k *secp256k1.ModNScalar, b *[32]byte) bool {
	overflow := k.SetBytes(b)
	return overflow|k.IsZeroBit() == 0
}

// decompress sets x and y, both normalized, to the point that pub encodes. It returns false if
// there is none.
func decompress(x, y *secp256k1.FieldVal, pub *[33]byte) bool {
	if pub[0] != secp256k1.PubKeyFormatCompressedEven && pub[0] != secp256k1.PubKeyFormatCompressedOdd {
		return false
	}
	if x.SetBytes((*[32]byte)(pub[1:])) != 0 { // x is not below the field prime
		return false
	}
	odd := pub[0] == secp256k1.PubKeyFormatCompressedOdd
	return secp256k1.DecompressY(x, odd, y) // normalizes y on success
}

// compress writes the compressed form of p, which must not be the point at infinity. It makes p
// affine.
func compress(dst *[33]byte, p *secp256k1.JacobianPoint) {
	p.ToAffine()
	dst[0] = secp256k1.PubKeyFormatCompressedEven | byte(p.Y.IsOddBit())
	p.X.PutBytes((*[32]byte)(dst[1:]))
}
