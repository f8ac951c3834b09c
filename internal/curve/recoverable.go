package curve

import (
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// RecoverableSize is the size of a signature with its recovery ID.
const RecoverableSize = SignatureSize + 1

// SignRecoverable is Sign of Decred with the recovery ID, 0 to 3, as last byte: with it the public key follows from signature
// and digest. Lists of nodes in DNS are signed so. It is no part of Curve, as no packet and no record needs it.
// ErrPrivateKey: priv is zero or not below the group order.
func SignRecoverable(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [RecoverableSize]byte, err error) {
	var k secp256k1.PrivateKey
	defer k.Zero()
	if !setScalar(&k.Key, priv) {
		return sig, ErrPrivateKey
	}
	// The engine puts the recovery ID first and adds 27 to it for keys that are not compressed.
	compact := ecdsa.SignCompact(&k, digest[:], false)
	copy(sig[:], compact[1:])
	sig[SignatureSize] = compact[0] - 27
	return sig, nil
}
