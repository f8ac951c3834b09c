package dnsdisc

import (
	"encoding/base32"
	"strings"

	"golang.org/x/crypto/sha3"
)

// base32Encoding is the encoding of hashes and keys (dnsdisc.md, References).
var base32Encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

const (
	// hashSize is the number of bytes of keccak256 in hashes that this package makes, as is common.
	hashSize = 16
	// A parsed hash has minHash to maxHash bytes. The specification does not fix the length;
	// shorter hashes would allow collisions.
	minHash, maxHash = 12, 32
	// sameHash is the number of characters that two hashes of one entry with different lengths have
	// in common: all bits of minHash bytes that fill a character.
	sameHash = minHash * 8 / 5
)

// HashOf returns the label of an entry with the given text: the first 16 bytes of its keccak256 in
// base32, 26 characters.
func HashOf(text string) string {
	sum := keccak256(text)
	return base32Encoding.EncodeToString(sum[:hashSize])
}

// checkHash reports whether s is a hash in canonical form.
func checkHash(s string) bool {
	b, ok := decodeBase32(s)
	return ok && len(b) >= minHash && len(b) <= maxHash
}

// hasHash reports whether hash, which checkHash accepted, is a hash of text.
func hasHash(text, hash string) bool {
	want, _ := decodeBase32(hash)
	sum := keccak256(text)
	return string(sum[:len(want)]) == string(want)
}

// decodeBase32 is strict: it accepts upper case only, no padding and no white space, and unused
// bits must be zero.
func decodeBase32(s string) ([]byte, bool) {
	// Package base32 would skip these.
	if len(s) > base32Encoding.EncodedLen(maxKeySize) || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base32Encoding.DecodeString(s)
	return b, err == nil && base32Encoding.EncodeToString(b) == s
}

// keccak256 hashes with the padding that preceded SHA-3.
func keccak256(text string) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}
