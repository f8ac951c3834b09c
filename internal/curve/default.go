package curve

// Default returns the implementation of this build; see the package comment.
//
// The compiler inlines it, and then resolves a call such as Default().Verify(...) at compile time.
// Arguments on the caller's stack therefore do not escape.
func Default() Curve { return engine{} }

// RecoverableSize is the size of a signature with its recovery ID.
const RecoverableSize = SignatureSize + 1

// SignRecoverable is Sign of Default with the recovery ID, 0 to 3, as last byte. With the ID the
// public key can be computed from signature and digest. Lists of nodes in DNS use such signatures.
// SignRecoverable is not part of Curve, because no packet and no record needs it. ErrPrivateKey:
// priv is zero or not below the group order.
func SignRecoverable(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [RecoverableSize]byte, err error) {
	return engine{}.SignRecoverable(priv, digest)
}
