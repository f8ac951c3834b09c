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

// PrivateKey is the identity of a node: a secp256k1 scalar with its public key and node ID. It is
// immutable and safe for concurrent use. The zero value is not a key.
//
// Package fmt never prints the scalar, whatever the verb.
type PrivateKey struct {
	scalar [PrivateKeySize]byte
	pub    [PublicKeySize]byte
	id     ID
}

// ErrSelfTest means that curve arithmetic computes wrong results on this machine.
var ErrSelfTest = curve.ErrSelfTest

// selfTest checks the arithmetic once per process. Tests replace it.
var selfTest = curve.SelfTest

// GenerateKey makes a key from rand, which must be cryptographically secure. It reads 32 bytes, and
// retries in the rare case that they are out of range. It returns the error of rand, ErrPrivateKey
// if rand keeps returning values out of range, which no working source does, or an error that wraps
// ErrSelfTest if this machine computes wrong results.
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

// ParsePrivateKey parses a scalar of exactly 32 bytes, big-endian. It copies b. ErrPrivateKey:
// wrong length, zero, or not below the group order.
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

// ParsePrivateKeyHex parses 64 hexadecimal digits, optionally after "0x" and optionally followed by
// one or two CR or LF, as key files have them. ErrPrivateKey: anything else, or a value that
// ParsePrivateKey rejects.
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

// Bytes returns the scalar, 32 bytes big-endian. It is secret; the caller must protect it.
func (k *PrivateKey) Bytes() [PrivateKeySize]byte { return k.scalar }

// PublicKey returns the compressed public key.
func (k *PrivateKey) PublicKey() [PublicKeySize]byte { return k.pub }

// ID returns the node ID.
func (k *PrivateKey) ID() ID { return k.id }

// Sign signs a digest and returns r || s. The signature is deterministic and has a low s. It serves
// records and the id-signature of handshakes. ErrPrivateKey: k is the zero value.
func (k *PrivateKey) Sign(digest *[32]byte) ([SignatureSize]byte, error) {
	sig, err := curve.Default().Sign(&k.scalar, digest)
	if err != nil {
		return sig, ErrPrivateKey
	}
	return sig, nil
}

// ECDH returns the compressed shared point of k and pub, the input of session keys
// (discv5-theory.md, Step 3). ErrPublicKey: pub is not a point on the curve. ErrPrivateKey: k is
// the zero value.
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

// String returns a text with the node ID, which does not reveal the key.
func (k PrivateKey) String() string { return "private key of " + k.id.Short() }

// Format writes String for every verb, so that none, not even %x or %#v, reveals the key.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }
