package k256

import "crypto/sha256"

// nonces generates the nonces of a signature by RFC 6979, 3.2, with HMAC-SHA256, with one
// difference: the digest is used unreduced, as in decred's package. The RFC (bits2octets) and
// libsecp256k1 reduce it modulo n first. The results differ for digests of n or more, one in 2^128,
// and both are valid signatures. No two digests share a nonce here.
type nonces struct{ key, v [32]byte }

// init restarts for one key and digest (3.2, steps b to g).
func (n *nonces) init(priv, digest *[32]byte) {
	for i := range n.v {
		n.v[i] = 1
	}
	n.key = [32]byte{}
	var message [longestMessage]byte
	copy(message[33:], priv[:])
	copy(message[65:], digest[:])
	for separator := range byte(2) {
		copy(message[:], n.v[:])
		message[32] = separator
		n.key = hmacSHA256(&n.key, message[:])
		n.v = hmacSHA256(&n.key, n.v[:])
	}
	clear(message[:])
}

// next sets k to the next candidate (step h) and reports whether it is valid: 0 < k < n.
func (n *nonces) next(k *scalar) bool {
	n.v = hmacSHA256(&n.key, n.v[:])
	return k.setKey(&n.v)
}

// skip continues after an unused candidate.
func (n *nonces) skip() {
	var message [33]byte
	copy(message[:], n.v[:])
	n.key = hmacSHA256(&n.key, message[:])
	n.v = hmacSHA256(&n.key, n.v[:])
}

// longestMessage is the longest message of hmacSHA256: that of init.
const longestMessage = 32 + 1 + 32 + 32

// hmacSHA256 computes HMAC-SHA256 (RFC 2104) on the stack. It panics if message is longer than
// longestMessage.
func hmacSHA256(key *[32]byte, message []byte) [32]byte {
	if len(message) > longestMessage {
		panic("curve: message for HMAC is too long")
	}
	var inner [sha256.BlockSize + longestMessage]byte
	var outer [sha256.BlockSize + 32]byte
	copy(inner[:], key[:])
	copy(outer[:], key[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := sha256.BlockSize + copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], sum[:])
	sum = sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	return sum
}
