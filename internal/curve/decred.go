package curve

import (
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Decred returns the engine in pure Go by the Decred project, which tests compare Native with.
//
// It is written to be inlined: a call such as Decred().Verify(...) is then resolved when
// compiling, and arguments on the caller's stack stay there.
func Decred() Curve { return decred{} }

type decred struct{}

func (decred) PublicKey(priv *[PrivateKeySize]byte) (pub [PublicKeySize]byte, err error) {
	var k secp256k1.ModNScalar
	defer k.Zero()
	if !setScalar(&k, priv) {
		return pub, ErrPrivateKey
	}
	var p secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&k, &p)
	compress(&pub, &p)
	return pub, nil
}

func (decred) Decompress(pub *[PublicKeySize]byte) (xy [PointSize]byte, err error) {
	var x, y secp256k1.FieldVal
	if !decompress(&x, &y, pub) {
		return xy, ErrPublicKey
	}
	x.PutBytes((*[32]byte)(xy[:32]))
	y.PutBytes((*[32]byte)(xy[32:]))
	return xy, nil
}

func (decred) Verify(pub *[PublicKeySize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool {
	var x, y secp256k1.FieldVal
	return decompress(&x, &y, pub) && verify(&x, &y, digest, sig)
}

func (decred) VerifyPoint(xy *[PointSize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool {
	var x, y secp256k1.FieldVal
	if x.SetBytes((*[32]byte)(xy[:32]))|y.SetBytes((*[32]byte)(xy[32:])) != 0 {
		return false
	}
	return secp256k1.NewPublicKey(&x, &y).IsOnCurve() && verify(&x, &y, digest, sig)
}

func verify(x, y *secp256k1.FieldVal, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool {
	var r, s secp256k1.ModNScalar
	if !setScalar(&r, (*[32]byte)(sig[:32])) || !setScalar(&s, (*[32]byte)(sig[32:])) || s.IsOverHalfOrder() {
		return false
	}
	return ecdsa.NewSignature(&r, &s).Verify(digest[:], secp256k1.NewPublicKey(x, y))
}

func (decred) Sign(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [SignatureSize]byte, err error) {
	var k secp256k1.PrivateKey
	defer k.Zero()
	if !setScalar(&k.Key, priv) {
		return sig, ErrPrivateKey
	}
	out := ecdsa.Sign(&k, digest[:])
	r, s := out.R(), out.S()
	r.PutBytes((*[32]byte)(sig[:32]))
	s.PutBytes((*[32]byte)(sig[32:]))
	return sig, nil
}

func (decred) ECDH(priv *[PrivateKeySize]byte, pub *[PublicKeySize]byte) (secret [SharedSecretSize]byte, err error) {
	var k secp256k1.ModNScalar
	defer k.Zero()
	if !setScalar(&k, priv) {
		return secret, ErrPrivateKey
	}
	var p, q secp256k1.JacobianPoint
	if !decompress(&p.X, &p.Y, pub) {
		return secret, ErrPublicKey
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

// decompress sets x and y, both normalized, to the point that pub encodes and reports whether
// there is one.
func decompress(x, y *secp256k1.FieldVal, pub *[PublicKeySize]byte) bool {
	if pub[0] != secp256k1.PubKeyFormatCompressedEven && pub[0] != secp256k1.PubKeyFormatCompressedOdd {
		return false
	}
	if x.SetBytes((*[32]byte)(pub[1:])) != 0 { // x is not below the field prime
		return false
	}
	odd := pub[0] == secp256k1.PubKeyFormatCompressedOdd
	return secp256k1.DecompressY(x, odd, y) // normalizes y when there is one
}

// compress writes the compressed form of p, which is not the point at infinity.
// It leaves p in affine coordinates.
func compress(dst *[PublicKeySize]byte, p *secp256k1.JacobianPoint) {
	p.ToAffine()
	dst[0] = secp256k1.PubKeyFormatCompressedEven | byte(p.Y.IsOddBit())
	p.X.PutBytes((*[32]byte)(dst[1:]))
}
