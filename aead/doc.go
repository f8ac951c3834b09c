// Package aead holds the symmetric cryptography of Node Discovery v5.1: the session ciphers,
// the header mask, the key derivation of the handshake, and the randomness behind nonces.
//
// It is written for a data path that handles packets in batches. Apart from the constructors
// nothing here allocates per packet, nothing is global, and nothing reads a clock.
//
// # Where the bytes are
//
//	 0          16                       39                    39+a
//	+------------+------------------------+---------------------+-----------------+-----+
//	| masking IV | static header, 23 B    | authdata, a bytes   | message         | tag |
//	+------------+------------------------+---------------------+-----------------+-----+
//	             '-- masked: AES-128-CTR ------------------------'
//	             .   key = destination node ID[:16], IV = masking IV
//	'-- authenticated, as read before masking ------------------'-- AES-128-GCM ---------'
//
// The header mask hides the protocol from simple filters. It is no protection: its key is half of a
// node ID and its IV is on the wire, so both are public and the code that computes it need not run
// in constant time. Message keys are secret: they are handled by instructions whose time does not
// depend on them, or by crypto/aes and crypto/cipher.
//
// # Glossary
//
//   - session key: one AES-128 key for one direction between two nodes; see [Cipher].
//   - nonce: the 12 bytes that make a message unique under its session key; see [Counter].
//   - challenge data: the 63 bytes of an unmasked WHOAREYOU packet, the salt of the key
//     derivation and part of what the identity signature covers.
//   - initiator, recipient: the node that sent the handshake packet, and the node that
//     challenged it with WHOAREYOU.
//   - key stream: the bytes that AES-CTR produces and that are XORed into a header.
//   - key schedule: the eleven round keys that AES-128 makes out of a key.
//
// # Who owns what
//
// A [Cipher] may be shared between goroutines. A [Mask] and a [Random] belong to one goroutine
// each, normally a worker's. A [Counter] is shared by all who send under one session key. No
// function keeps a slice or an array pointer that it was given.
//
// # Implementations
//
// A [Cipher] is AES-128-GCM by crypto/cipher, or on amd64 by this package; gcm.go says why, and
// tests and a fuzz target compare the two. [MaskOnce] has three implementations that give the same
// bytes: assembly with the AES instructions of amd64, assembly with those of arm64, and portable
// Go. The processor is asked once, when the program starts; the build tag purego selects the
// portable ones.
package aead
