// Package curve is the one place where secp256k1 arithmetic happens. Everything above it sees
// fixed-size byte arrays and the Curve interface, so that one
// engine can replace another without a change elsewhere.
//
// Glossary and layout:
//
//	private key   32 bytes   scalar k, big-endian, 1 <= k < n (n is the order of the group)
//	public key    33 bytes   compressed point: 0x02 (y even) or 0x03 (y odd), then x, big-endian
//	point         64 bytes   x || y, each big-endian and padded to 32 bytes
//	digest        32 bytes   output of a hash function; this package never hashes messages
//	signature     64 bytes   r || s, each big-endian; no recovery ID
//	secret        33 bytes   the compressed point k·P (discv5-wire.md, ecdh)
//
// Ownership: arguments are read during the call only, results are returned by value.
// No method keeps a pointer and no method writes to its arguments.
//
// Engines: Default is the arithmetic of the build. Without build tags that is this module's own,
// package k256. The tag decred replaces all of it by that of the Decred project, package decred,
// which works on smaller limbs and takes several times as long. A program links one of the two; the
// tests run with both and compare them.
//
// Side channels: k256 takes the same time, and reads the same addresses, for all private keys and
// nonces. Its documentation says how, and which functions do not. decred runs in variable time, as
// its functions say in their names. Both overwrite their copies of private scalars before they
// return.
package curve

import "github.com/fastdisc/discv5/internal/curve/curveerr"

// Sizes in bytes.
const (
	PrivateKeySize   = 32 // scalar
	PublicKeySize    = 33 // compressed point
	PointSize        = 64 // x || y
	DigestSize       = 32 // what is signed
	SignatureSize    = 64 // r || s
	SharedSecretSize = 33 // compressed point
)

// Errors of this package.
var (
	ErrPrivateKey = curveerr.ErrPrivateKey
	ErrPublicKey  = curveerr.ErrPublicKey
)

// Curve is the secp256k1 arithmetic that discv5 needs. Implementations are safe for
// concurrent use and hold no state that a call changes.
type Curve interface {
	// PublicKey returns the compressed public key of priv.
	// ErrPrivateKey: priv is zero or not below the group order.
	PublicKey(priv *[PrivateKeySize]byte) (pub [PublicKeySize]byte, err error)

	// Decompress returns the coordinates x || y of pub, from which the "v4" identity scheme
	// derives the node ID (enr.md, "v4" Identity Scheme).
	// ErrPublicKey: pub is not the compressed form of a point on the curve.
	Decompress(pub *[PublicKeySize]byte) (xy [PointSize]byte, err error)

	// Verify reports whether sig is pub's signature over digest. It accepts the canonical form
	// only: 0 < r < n and 0 < s <= n/2. With s above n/2 anybody could turn one valid
	// signature into another.
	Verify(pub *[PublicKeySize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool

	// VerifyPoint is Verify with the coordinates that Decompress returned, which saves the square
	// root. It rejects coordinates that are not those of a point.
	VerifyPoint(xy *[PointSize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte) bool

	// Sign signs digest with priv. The nonce is derived as in RFC 6979, so equal input gives
	// equal output, and s <= n/2.
	// ErrPrivateKey: priv is zero or not below the group order.
	Sign(priv *[PrivateKeySize]byte, digest *[DigestSize]byte) (sig [SignatureSize]byte, err error)

	// ECDH returns the compressed point priv·pub, not hashed: it is the input keying material
	// of the session keys (discv5-theory.md, Step 3; discv5-wire.md, ecdh).
	// ErrPrivateKey and ErrPublicKey as above.
	ECDH(priv *[PrivateKeySize]byte, pub *[PublicKeySize]byte) (secret [SharedSecretSize]byte, err error)
}
