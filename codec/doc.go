// Package codec encodes and decodes packets and messages of Node Discovery v5.1 in the caller's
// buffers. It has no state, does no I/O and allocates nothing. It knows nothing of keys and
// sessions.
//
// # Terminology
//
//	datagram            the payload of a UDP packet, 63 to 1280 bytes
//	packet              a datagram, split into parts; see the layout below
//	header              static header and authdata, masked with a key derived from the
//	                    recipient's node ID
//	message             type byte and RLP list, encrypted and authenticated with a session key
//	authenticated data  masking IV and unmasked header: the AD of the message's AES-GCM
//	challenge data      masking IV and unmasked header of a WHOAREYOU packet
//
// # Layout of a packet
//
//	          0        16                      39                    39+n
//	          +--------+-----------------------+---------------------+-----------------+
//	          | IV  16 | static header      23 | authdata          n | message   m+16  |
//	          +--------+-----------------------+---------------------+-----------------+
//	on wire    clear    masked by AES-128-CTR (key: recipient[:16])   AES-128-GCM
//
//	static header, from offset 16
//	          +-----------------+----------+-------+-----------+-----------------+
//	          | protocol ID   6 | version 2| flag 1| nonce  12 | authdata size 2 |
//	          +-----------------+----------+-------+-----------+-----------------+
//
//	authdata by flag
//	  0 message    | source ID 32 |
//	  1 WHOAREYOU  | ID nonce 16 | record seq 8 |                     no message follows
//	  2 handshake  | source ID 32 | sig size 1 | key size 1 |
//	               | signature 64 | ephemeral key 33 | record 0..300 |
//
// A message is a type byte and an RLP list. The first element of the list is the request ID of at
// most 8 bytes. See discv5-wire.md, sections Packet Encoding and Protocol Messages.
//
// # Ownership
//
// Decoders work in place: [Decoder.Decode] unmasks the caller's buffer, and the slices of a
// [Packet] or a message point into it. They are valid until the caller changes the buffer. Encoders
// append to the caller's slice and keep nothing.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package codec
