package curve

import "github.com/fastdisc/discv5/internal/curve/k256"

// Native returns this module's own engine, package k256.
//
// It is written to be inlined: a call such as Native().Verify(...) is then resolved when
// compiling, and arguments on the caller's stack stay there.
func Native() Curve { return native{} }

type native struct{}

func (native) PublicKey(priv *[PrivateKeySize]byte) (pub [PublicKeySize]byte, err error) {
	err = k256.PublicKey(&pub, priv)
	return pub, err
}

func (native) Decompress(pub *[PublicKeySize]byte) (xy [PointSize]byte, err error) {
	err = k256.Decompress(&xy, pub)
	return xy, err
}

func (native) Verify(pub *[PublicKeySize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool {
	return k256.Verify(pub, digest, sig)
}

func (native) VerifyPoint(xy *[PointSize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool {
	return k256.VerifyPoint(xy, digest, sig)
}

func (native) Sign(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [SignatureSize]byte, err error) {
	_, err = k256.Sign(&sig, priv, digest)
	return sig, err
}

func (native) ECDH(priv *[PrivateKeySize]byte, pub *[PublicKeySize]byte) (secret [SharedSecretSize]byte, err error) {
	err = k256.ECDH(&secret, priv, pub)
	return secret, err
}
