package dnsdisc

import (
	"encoding/base32"
	"strings"

	"golang.org/x/crypto/sha3"
)

// base32Encoding is that of hashes and keys (dnsdisc.md, References).
var base32Encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

const (
	// hashSize is how many bytes of keccak256 a hash made here has, as in the field.
	hashSize = 16
	// A hash that is read has minHash to maxHash bytes. The specification leaves the length open;
	// shorter ones could be met by trying.
	minHash, maxHash = 12, 32
	// sameHash is how many characters two hashes of different length of one entry have in common:
	// all bits of minHash bytes that fill a character.
	sameHash = minHash * 8 / 5
)

// HashOf returns the label below which an entry with the given text stands: the first 16 bytes of
// its keccak256 in base32, 26 characters.
func HashOf(text string) string {
	sum := keccak256(text)
	return base32Encoding.EncodeToString(sum[:hashSize])
}

// checkHash reports whether s is a hash in its one canonical form.
func checkHash(s string) bool {
	b, ok := decodeBase32(s)
	return ok && len(b) >= minHash && len(b) <= maxHash
}

// hasHash reports whether hash, which checkHash has passed, is one of text.
func hasHash(text, hash string) bool {
	want, _ := decodeBase32(hash)
	sum := keccak256(text)
	return string(sum[:len(want)]) == string(want)
}

// decodeBase32 is strict: it takes upper case alone, no padding and no white space, and unused bits
// must be zero.
func decodeBase32(s string) ([]byte, bool) {
	// which package base32 would skip
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
