// Package enr reads, verifies, writes and signs Ethereum Node Records (EIP-778, enr.md) of the
// identity scheme "v4".
//
// # Glossary
//
//   - record: signed, versioned statement of a node about itself, a sorted list of pairs
//   - pair: key (a byte string) and value (any RLP value)
//   - seq: version of a record; the higher one of the same node ID replaces the lower
//   - identity scheme: how a record is signed and how its node ID follows from it; only "v4" exists
//   - node ID: keccak256 of the uncompressed public key x || y, 32 bytes
//   - log distance: bit length of the XOR of two node IDs, 0 to 256
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
// The signature is made over keccak256 of the RLP list of the content, that is, of the content
// with a list header of its own, which is not on the wire.
//
// # Three forms, by ownership
//
//   - [View] borrows the caller's bytes. Making and reading one allocates nothing. Its
//     structure has been checked, its signature has not. It is valid as long as its bytes
//     are neither changed nor reused.
//   - [Record] owns its bytes, is verified and never changes. Share it freely.
//   - [Builder] collects pairs; its Sign makes a Record.
//
// A [Cache] turns a View whose identical bytes were verified before into the same Record again.
//
// # What is checked when
//
// Parsing checks the structure of the whole record: sizes, canonical RLP, sorted unique keys, the
// identity scheme, and signature and public key as the scheme wants them. An error there rejects
// the record.
//
// Every other entry is optional and has a verdict of its own. A value that does not fit its key
// (port 0 or 70000, an ip of 16 bytes, an IPv4-mapped ip6, a list) does not spoil the rest: the
// accessor reports the entry as absent, [View.Check] says why, and the record is stored and relayed
// byte for byte. Nobody can be contacted at such an entry.
//
// For an identity scheme other than "v4" neither signature nor public key is looked at, and
// Verify returns [ErrScheme].
package enr
