package curve

import "github.com/fastdisc/discv5/internal/curve/k256"

// RecoverableSize is the size of a signature with its recovery ID.
const RecoverableSize = SignatureSize + 1

// SignRecoverable is Sign of Native with the recovery ID, 0 to 3, as last byte: with it the public key follows from signature
// and digest. Lists of nodes in DNS are signed so. It is no part of Curve, as no packet and no record needs it.
// ErrPrivateKey: priv is zero or not below the group order.
func SignRecoverable(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [RecoverableSize]byte, err error) {
	sig[SignatureSize], err = k256.Sign((*[SignatureSize]byte)(sig[:]), priv, digest)
	return sig, err
}
