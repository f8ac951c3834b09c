// Package curve provides secp256k1 arithmetic. Its callers see fixed-size byte arrays and the Curve
// interface, so one implementation can replace another without other changes.
//
// Terminology and layout:
//
//	private key   32 bytes   scalar k, big-endian, 1 <= k < n (n is the order of the group)
//	public key    33 bytes   compressed point: 0x02 (y even) or 0x03 (y odd), then x, big-endian
//	point         64 bytes   x || y, each big-endian and padded to 32 bytes
//	digest        32 bytes   output of a hash function; this package never hashes messages
//	signature     64 bytes   r || s, each big-endian; no recovery ID
//	secret        33 bytes   the compressed point k·P (discv5-wire.md, ecdh)
//
// Ownership: methods do not keep or change their arguments, and return results by value.
//
// Implementations: Default is the arithmetic of the build. Without build tags that is this module's
// package k256. The tag decred replaces all of it with that of the Decred project, package decred,
// which uses smaller limbs and takes several times as long. A program links one of the two. The
// tests run with both and compare them.
//
// Side channels: k256 takes the same time and reads the same addresses for all private keys and
// nonces. Its documentation explains how, and lists the exceptions. decred takes variable time, as
// the names of its functions say. Both overwrite their copies of private scalars.
package curve

import "github.com/fastdisc/discv5/internal/curve/curveerr"

// Sizes in bytes.
const (
	PrivateKeySize   = 32 // scalar
	PublicKeySize    = 33 // compressed point
	PointSize        = 64 // x || y
	DigestSize       = 32 // the signed hash
	SignatureSize    = 64 // r || s
	SharedSecretSize = 33 // compressed point
)

// Errors of this package.
var (
	ErrPrivateKey = curveerr.ErrPrivateKey
	ErrPublicKey  = curveerr.ErrPublicKey
)

// Curve is the secp256k1 arithmetic that discv5 needs. Implementations are immutable and safe for
// concurrent use.
type Curve interface {
	// PublicKey returns the compressed public key of priv.
	// ErrPrivateKey: priv is zero or not below the group order.
	PublicKey(priv *[PrivateKeySize]byte) (pub [PublicKeySize]byte, err error)

	// Decompress returns the coordinates x || y of pub, from which the "v4" identity scheme
	// derives the node ID (enr.md, "v4" Identity Scheme).
	// ErrPublicKey: pub is not the compressed form of a point on the curve.
	Decompress(pub *[PublicKeySize]byte) (xy [PointSize]byte, err error)

	// Verify reports whether sig is pub's signature over digest. It accepts the canonical form
	// only: 0 < r < n and 0 < s <= n/2. If it accepted s above n/2, anyone could turn a valid
	// signature into another one.
	Verify(pub *[PublicKeySize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool

	// VerifyPoint is Verify with the coordinates that Decompress returned, which saves the square
	// root. It rejects coordinates of no point on the curve.
	VerifyPoint(xy *[PointSize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool

	// Sign signs digest with priv. The nonce is derived as in RFC 6979, so equal input gives
	// equal output, and s <= n/2.
	// ErrPrivateKey: priv is zero or not below the group order.
	Sign(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [SignatureSize]byte, err error)

	// ECDH returns the compressed point priv·pub, not hashed: the input keying material of session
	// keys (discv5-theory.md, Step 3; discv5-wire.md, ecdh). ErrPrivateKey and ErrPublicKey as
	// above.
	ECDH(priv *[PrivateKeySize]byte, pub *[PublicKeySize]byte) (secret [SharedSecretSize]byte, err error)
}
