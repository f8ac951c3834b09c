// Package curveerr holds the errors that all implementations of the curve return. They are here so
// that a program links one implementation only. Package curve gives them their public names.
package curveerr

import "errors"

// Errors of package curve.
var (
	ErrPrivateKey = errors.New("curve: private key is zero or not below the group order")
	ErrPublicKey  = errors.New("curve: public key is not a compressed point on secp256k1")
)
