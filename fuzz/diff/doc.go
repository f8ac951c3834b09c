// Package diff holds fuzz targets that compare this module with go-ethereum's p2p/enr, enode,
// discover/v5wire and dnsdisc. The same bytes go into both: their verdicts and what they decode
// have to agree, and what one of them encodes the other one decodes. It has tests only, and is a
// module of its own, so that nothing else depends on go-ethereum.
//
// Where the two differ on purpose, the table differences says in what and why. A disagreement that
// no entry of it explains is a finding; TestDifferences tries a sample of each entry.
//
// # Targets
//
//	FuzzRecord      bytes of a record, also with a good signature
//	FuzzRecordText  enr: text
//	FuzzEnode       enode URL
//	FuzzMessage     a decrypted message; both ways
//	FuzzPacket      a datagram: header and authdata
//	FuzzHandshake   a handshake and two messages between the two, either of them starting, with changes on the way
//	FuzzTree        a tree of node records in DNS: made by both, read by both, with any text as an entry
//
// # Glossary
//
//   - ours, theirs: this module, go-ethereum
//   - verdict: the errors of both about one input
package diff
