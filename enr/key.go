package enr

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/fastdisc/discv5/internal/curve"
)

// Sizes in bytes.
const (
	PrivateKeySize   = curve.PrivateKeySize
	PublicKeySize    = curve.PublicKeySize // compressed
	SignatureSize    = curve.SignatureSize // r || s
	SharedSecretSize = curve.SharedSecretSize
)

// PrivateKey is the identity of a node: a secp256k1 scalar with the public key and node ID
// that follow from it. It never changes and is safe for concurrent use. The zero value is not
// a key.
//
// However it is formatted, package fmt never prints the scalar.
type PrivateKey struct {
	scalar [PrivateKeySize]byte
	pub    [PublicKeySize]byte
	id     ID
}

// ErrSelfTest means that the arithmetic on the curve computes wrong results on this machine.
var ErrSelfTest = curve.ErrSelfTest

// selfTest asks once in a process whether the arithmetic works. Tests replace it.
var selfTest = curve.SelfTest

// GenerateKey makes a key from rand, which must be cryptographically secure. It reads 32 bytes,
// and again in the rare case that they are out of range. The error is that of rand, or
// ErrPrivateKey when rand keeps returning values out of range, which no working source does.
// ErrSelfTest, wrapped: no key that this machine makes can be relied on.
func GenerateKey(rand io.Reader) (*PrivateKey, error) {
	if err := selfTest(); err != nil {
		return nil, fmt.Errorf("enr: generating key: %w", err)
	}
	const attempts = 8 // each fails with probability 2^-128
	var b [PrivateKeySize]byte
	defer clear(b[:])
	for range attempts {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return nil, fmt.Errorf("enr: generating key: %w", err)
		}
		if k, err := ParsePrivateKey(b[:]); err == nil {
			return k, nil
		}
	}
	return nil, ErrPrivateKey
}

// ParsePrivateKey reads a scalar of exactly 32 bytes, big-endian. It copies b.
// ErrPrivateKey: wrong length, zero, or not below the group order.
func ParsePrivateKey(b []byte) (*PrivateKey, error) {
	if len(b) != PrivateKeySize {
		return nil, ErrPrivateKey
	}
	k := &PrivateKey{scalar: [PrivateKeySize]byte(b)}
	var err error
	if k.pub, err = curve.Default().PublicKey(&k.scalar); err != nil {
		clear(k.scalar[:])
		return nil, ErrPrivateKey
	}
	if k.id, err = PublicKeyID(&k.pub); err != nil {
		clear(k.scalar[:])
		return nil, ErrPrivateKey
	}
	return k, nil
}

// ParsePrivateKeyHex reads 64 hexadecimal digits, optionally after "0x" and optionally followed
// by one or two CR or LF, as key files have them.
// ErrPrivateKey: anything else, or a value that ParsePrivateKey rejects.
func ParsePrivateKeyHex(s string) (*PrivateKey, error) {
	for range 2 {
		if n := len(s); n > 0 && (s[n-1] == '\n' || s[n-1] == '\r') {
			s = s[:n-1]
		}
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		s = s[2:]
	}
	var b [PrivateKeySize]byte
	defer clear(b[:])
	if len(s) != 2*len(b) {
		return nil, ErrPrivateKey
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return nil, ErrPrivateKey // the error of package hex would quote a digit of the key
	}
	return ParsePrivateKey(b[:])
}

// Bytes returns the scalar, 32 bytes big-endian. This is the secret; the caller keeps it safe.
func (k *PrivateKey) Bytes() [PrivateKeySize]byte { return k.scalar }

// PublicKey returns the compressed public key.
func (k *PrivateKey) PublicKey() [PublicKeySize]byte { return k.pub }

// ID returns the node ID.
func (k *PrivateKey) ID() ID { return k.id }

// Sign signs a digest and returns r || s, deterministic and with low s: the signature of
// records and of the handshake's id-signature. ErrPrivateKey: k is the zero value.
func (k *PrivateKey) Sign(digest *[32]byte) ([SignatureSize]byte, error) {
	sig, err := curve.Default().Sign(&k.scalar, digest)
	if err != nil {
		return sig, ErrPrivateKey
	}
	return sig, nil
}

// ECDH returns the compressed shared point of k and pub, from which session keys are derived
// (discv5-theory.md, Step 3). ErrPublicKey: pub is not a point on the curve.
// ErrPrivateKey: k is the zero value.
func (k *PrivateKey) ECDH(pub *[33]byte) ([SharedSecretSize]byte, error) {
	secret, err := curve.Default().ECDH(&k.scalar, pub)
	switch err {
	case nil:
		return secret, nil
	case curve.ErrPublicKey:
		return secret, ErrPublicKey
	default:
		return secret, ErrPrivateKey
	}
}

// String names the key by its node ID and does not reveal it.
func (k PrivateKey) String() string { return "private key of " + k.id.Short() }

// Format writes String for every verb, so that none, %x and %#v included, reveals the key.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }
