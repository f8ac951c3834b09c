package aead

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	kdfInfo     = "discovery v5 key agreement"
	idProofText = "discovery v5 identity proof"

	// ChallengeDataSize is the size in bytes of challenge data, an unmasked WHOAREYOU packet:
	// masking IV (16), static header (23) and authdata (24).
	ChallengeDataSize = 63

	hashSize    = sha256.Size
	hmacPadSize = sha256.BlockSize
	kdfInfoSize = len(kdfInfo) + 32 + 32
	idProofSize = len(idProofText) + ChallengeDataSize + 33 + 32
	// longestMessage is the longest message of hmacSHA256 in bytes: info and a block number.
	longestMessage = kdfInfoSize + 1

	hmacInnerPad = 0x3636363636363636
	hmacOuterPad = 0x5c5c5c5c5c5c5c5c
)

// DeriveKeys computes the two session keys of a handshake with HKDF-SHA256 (discv5-theory.md,
// Handshake Steps, step 3):
//
//	prk      = HKDF-Extract(salt: challengeData, IKM: secret)
//	key-data = HKDF-Expand(prk, "discovery v5 key agreement" || initiator || recipient, 32 bytes)
//
// secret is the compressed point of the key agreement. challengeData is the unmasked WHOAREYOU
// packet, usually of [ChallengeDataSize] bytes; any length works. initiator and recipient are node
// IDs. The initiator seals with initiatorKey and opens with recipientKey, and the recipient does
// the reverse.
//
// DeriveKeys allocates nothing, and erases the buffers that held secret and prk.
func DeriveKeys(secret *[33]byte, challengeData []byte, initiator, recipient *[32]byte) (initiatorKey, recipientKey [KeySize]byte) {
	// 32 bytes are one block of output, so Expand is one HMAC over info and the byte 1.
	var info [longestMessage]byte
	n := copy(info[:], kdfInfo)
	n += copy(info[n:], initiator[:])
	n += copy(info[n:], recipient[:])
	info[n] = 1

	prk := hmacSHA256(challengeData, secret[:])
	keys := hmacSHA256(prk[:], info[:])
	clear(prk[:])
	initiatorKey = [KeySize]byte(keys[:KeySize])
	recipientKey = [KeySize]byte(keys[KeySize:])
	clear(keys[:])
	return initiatorKey, recipientKey
}

// hmacSHA256 computes HMAC-SHA256 (RFC 2104) in stack buffers. It panics if msg is longer than
// longestMessage.
func hmacSHA256(key, msg []byte) [hashSize]byte {
	if len(msg) > longestMessage {
		panic("aead: message for HMAC is too long")
	}
	var inner [hmacPadSize + longestMessage]byte
	var outer [hmacPadSize + hashSize]byte
	if len(key) > hmacPadSize {
		h := sha256.Sum256(key)
		copy(inner[:], h[:])
		clear(h[:])
	} else {
		copy(inner[:], key)
	}
	// Word by word: a loop over bytes took longer than the hash of a block.
	for i := 0; i < hmacPadSize; i += 8 {
		k := binary.NativeEndian.Uint64(inner[i:])
		binary.NativeEndian.PutUint64(inner[i:], k^hmacInnerPad)
		binary.NativeEndian.PutUint64(outer[i:], k^hmacOuterPad)
	}
	n := hmacPadSize + copy(inner[hmacPadSize:], msg)
	h := sha256.Sum256(inner[:n])
	copy(outer[hmacPadSize:], h[:])
	mac := sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	clear(h[:])
	return mac
}

// IDSignatureDigest returns the hash that the identity signature of a handshake signs
// (discv5-theory.md, Handshake Steps, step 3: id-signature-input):
//
//	sha256("discovery v5 identity proof" || challengeData || ephemeralPub || recipient)
//
// ephemeralPub is the compressed ephemeral public key of the handshake, recipient the ID of the
// node that sent WHOAREYOU. IDSignatureDigest allocates nothing if challengeData has
// [ChallengeDataSize] bytes, as in the protocol.
func IDSignatureDigest(challengeData []byte, ephemeralPub *[33]byte, recipient *[32]byte) [32]byte {
	var buf [idProofSize]byte
	input := append(buf[:0], idProofText...)
	input = append(input, challengeData...)
	input = append(input, ephemeralPub[:]...)
	input = append(input, recipient[:]...)
	return sha256.Sum256(input)
}
