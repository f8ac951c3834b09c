package k256

import "github.com/fastdisc/discv5/internal/curve/batch"

// Engine implements curve.Curve, which documents the methods. It has no state.
type Engine struct{}

// PublicKey returns the compressed public key of priv.
func (Engine) PublicKey(priv *[32]byte) (pub [33]byte, err error) {
	err = PublicKey(&pub, priv)
	return pub, err
}

// Decompress returns the coordinates of pub.
func (Engine) Decompress(pub *[33]byte) (xy [64]byte, err error) {
	err = Decompress(&xy, pub)
	return xy, err
}

// Verify reports whether sig is the canonical signature of pub over digest.
func (Engine) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	return Verify(pub, digest, sig)
}

// VerifyPoint is Verify for the coordinates of a public key.
func (Engine) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	return VerifyPoint(xy, digest, sig)
}

// Sign signs digest with priv and the nonce of RFC 6979.
func (Engine) Sign(priv *[32]byte, digest *[32]byte) (sig [64]byte, err error) {
	_, err = Sign(&sig, priv, digest)
	return sig, err
}

// SignRecoverable is Sign with the recovery ID, 0 to 3, as last byte.
func (Engine) SignRecoverable(priv, digest *[32]byte) (sig [65]byte, err error) {
	sig[64], err = Sign((*[64]byte)(sig[:64]), priv, digest)
	return sig, err
}

// ECDH returns the compressed point priv·pub.
func (Engine) ECDH(priv *[32]byte, pub *[33]byte) (secret [33]byte, err error) {
	err = ECDH(&secret, priv, pub)
	return secret, err
}

// Batches reports whether batches save time on this processor.
func (Engine) Batches() bool { return hasLanes }

// DecompressBatch is Decompress for each element of d.
func (Engine) DecompressBatch(d []batch.Decompression) { DecompressBatch(d) }

// VerifyBatch is VerifyPoint for each element of v.
func (Engine) VerifyBatch(v []batch.Verification) { VerifyBatch(v) }

// ECDHBatch is ECDH of priv for each element of a.
func (Engine) ECDHBatch(priv *[32]byte, a []batch.Agreement) error { return ECDHBatch(priv, a) }
