// Package enr parses, verifies, builds and signs Ethereum Node Records (EIP-778, enr.md) of the
// identity scheme "v4".
//
// # Terminology
//
//	record           a signed, versioned statement of a node about itself: a sorted list of pairs
//	pair             a key (byte string) and a value (any RLP value); also called entry
//	seq              the version of a record; a higher one replaces a lower one of the same node
//	identity scheme  the rules for signature and node ID; only "v4" exists
//	node ID          keccak256 of the uncompressed public key x || y, 32 bytes
//	log distance     the bit length of the XOR of two node IDs, 0 to 256
//
// # Layout
//
// A record is one RLP list of at most 300 bytes:
//
//	+--------+------------------+-----+--------+----------+--------+----------+----
//	| header | signature        | seq | key 1  | value 1  | key 2  | value 2  | ...
//	| 1..3 B | 2 + 64 B, r || s | RLP | string | any RLP  | string | any RLP  |
//	+--------+------------------+-----+--------+----------+--------+----------+----
//	         |                  |<------------ content, hashed and signed --------->
//
// The signature signs keccak256 of the content as an RLP list of its own. The header of that list
// is not on the wire.
//
// # Types and ownership
//
//   - [View] refers to the caller's bytes. Making and reading a View allocates nothing. Its
//     structure is checked, its signature is not. It is valid until its bytes are changed or
//     reused.
//   - [Record] owns its bytes, is verified and immutable. You can share it freely.
//   - [Builder] collects pairs; its Sign method returns a Record.
//
// A [Cache] maps equal Views to one verified Record.
//
// # Validation
//
// Parsing checks the structure of the whole record: sizes, canonical RLP, sorted unique keys, the
// identity scheme, and the form of signature and public key. An error there rejects the record.
//
// All other entries are optional and judged separately. A value that does not fit its key (port 0
// or 70000, an ip of 16 bytes, an IPv4-mapped ip6, a list) does not invalidate the record: the
// accessor reports the entry as absent, [View.Check] returns the reason, and the record is stored
// and relayed byte for byte. Such an entry is never used to contact a node.
//
// For identity schemes other than "v4", parsing ignores signature and public key, and Verify
// returns [ErrScheme].
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package enr
