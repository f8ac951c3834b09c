// Package aead implements the symmetric cryptography of Node Discovery v5.1: session ciphers, the
// header mask, key derivation of the handshake, and random numbers for nonces.
//
// It serves a data path that handles packets in batches. Only constructors allocate. The package
// has no global state and reads no clock.
//
// # Layout of a packet
//
//	 0          16                       39                    39+a
//	+------------+------------------------+---------------------+-----------------+-----+
//	| masking IV | static header, 23 B    | authdata, a bytes   | message         | tag |
//	+------------+------------------------+---------------------+-----------------+-----+
//	             '-- masked: AES-128-CTR ------------------------'
//	             .   key = destination node ID[:16], IV = masking IV
//	'-- authenticated, as read before masking ------------------'-- AES-128-GCM ---------'
//
// The header mask hides the protocol from simple filters. It does not protect anything: its key is
// half of a node ID and its IV is on the wire, so both are public, and the mask need not be
// computed in constant time. Message keys are secret. The package uses them only in instructions
// whose time does not depend on data, or in crypto/aes and crypto/cipher.
//
// # Terminology
//
//	session key     an AES-128 key for one direction between two nodes; see [Cipher]
//	nonce           12 bytes that must not repeat under a session key; see [Counter]
//	challenge data  the 63 bytes of an unmasked WHOAREYOU packet: the salt of the key
//	                derivation, and part of what the identity signature signs
//	initiator       the node that sent the handshake packet
//	recipient       the node that sent WHOAREYOU
//	key stream      the output of AES-CTR, which is XORed into a header
//	key schedule    the eleven round keys of AES-128
//
// # Ownership
//
// A [Cipher] is safe for concurrent use. A [Mask] and a [Random] are not: each belongs to one
// goroutine, usually a worker. All senders under one session key share a [Counter]. No function
// keeps a slice or an array pointer that it was given.
//
// # Implementations
//
// A [Cipher] is AES-128-GCM of crypto/cipher, or on amd64 of this package; gcm.go says why.
// [MaskOnce] has three implementations with equal results: assembly for the AES instructions of
// amd64, assembly for those of arm64, and portable Go. The package detects the processor's features
// when the program starts. The build tag purego selects the portable implementations. Tests and
// fuzz targets compare them all.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package aead
