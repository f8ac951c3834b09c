package cryptotest

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"testing"
)

// Digest hashes message and returns the value that ECDSA signs on a 256-bit curve: the first 32
// bytes, or a shorter hash padded with zeros at the front (SEC 1, 4.1.3).
func Digest(t testing.TB, hash string, message []byte) (digest [32]byte) {
	t.Helper()
	var sum []byte
	switch hash {
	case "SHA-1":
		h := sha1.Sum(message)
		sum = h[:]
	case "SHA-224":
		h := sha256.Sum224(message)
		sum = h[:]
	case "SHA-256":
		h := sha256.Sum256(message)
		sum = h[:]
	case "SHA-384":
		h := sha512.Sum384(message)
		sum = h[:]
	case "SHA-512":
		h := sha512.Sum512(message)
		sum = h[:]
	case "SHA3-256":
		h := sha3.Sum256(message)
		sum = h[:]
	case "SHA3-512":
		h := sha3.Sum512(message)
		sum = h[:]
	case "SHAKE128":
		sum = sha3.SumSHAKE128(message, 32)
	case "SHAKE256":
		sum = sha3.SumSHAKE256(message, 64)
	default:
		t.Fatalf("hash %q is not known", hash)
	}
	sum = sum[:min(len(sum), len(digest))]
	copy(digest[len(digest)-len(sum):], sum)
	return digest
}
