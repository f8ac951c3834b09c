// Package diff has fuzz targets that compare this module with go-ethereum's p2p/enr, enode,
// discover/v5wire and dnsdisc. Both get the same bytes. Their verdicts and results must agree, and
// each must decode what the other encodes. The package has tests only, and is a separate module, so
// that the main module does not depend on go-ethereum.
//
// The table differences lists the intended disagreements and their reasons. Any other disagreement
// fails. TestDifferences tries a sample of each entry.
//
// # Targets
//
//	FuzzRecord      bytes of a record, also with a valid signature
//	FuzzRecordText  enr: text
//	FuzzEnode       enode URL
//	FuzzMessage     a decrypted message; both ways
//	FuzzPacket      a datagram: header and authdata
//	FuzzHandshake   a handshake and two messages between the two, started by either, with changes
//	                on the wire
//	FuzzTree        a tree of node records in DNS: made by both, read by both, with any text as an
//	                entry
//
// # Terminology
//
//	ours, theirs  this module, go-ethereum
//	verdict       the errors of both for one input
package diff
