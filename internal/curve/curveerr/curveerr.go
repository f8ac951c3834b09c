// Package curveerr holds the errors that all implementations of the curve return. It is separate so
// that a program links only one implementation. Package curve exports the errors.
package curveerr

import "errors"

// Errors of package curve.
var (
	ErrPrivateKey = errors.New("secp256k1: private key is zero or not below the group order")
	ErrPublicKey  = errors.New("secp256k1: public key is not a compressed point on secp256k1")
)
