// Package fuzz holds fuzz targets that span packages, and the seeds that they and others start
// from. It has tests only. Targets of one package are beside it; targets that compare with another
// implementation are in fuzz/diff and fuzz/libsecp, modules of their own. make fuzz runs all of
// them; see docs/FUZZING.md.
//
// # Targets of this package
//
//	FuzzEngine     one engine; a script of datagrams, honest and false, of requests and of time
//	FuzzNetwork    three engines; a script of requests, and of the fate of each datagram
//	FuzzHandshake  a handshake packet that was changed is refused, one that was not is accepted
//	FuzzMessage    a message packet that was changed does not open, one that was not does
//
// # Targets elsewhere
//
//	aead           FuzzDerive, FuzzGCM, FuzzMask
//	cmd/discv5     FuzzRecord, FuzzValue, FuzzPacket, FuzzParseTopic
//	codec          FuzzDecodePacket, FuzzDecodeMessage, FuzzEncode
//	dnsdisc        FuzzParseLink, FuzzParseRoot, FuzzParseBranch, FuzzEntry, FuzzWalk
//	enr            FuzzBuild, FuzzEnode, FuzzParse, FuzzText
//	fastpath       FuzzFindControl, FuzzGSO
//	fastpath/xdp   FuzzFrame, FuzzSteering
//	forks          FuzzParseGenesis
//	internal/curve FuzzCurve, FuzzVerify, FuzzECDH, FuzzSign
//	internal/curve/k256 FuzzBatch, FuzzField, FuzzScalar
//	internal/entry FuzzParse
//	internal/netaddr FuzzClass
//	internal/quote FuzzText
//	internal/rlp   FuzzValue
//	internal/limiter FuzzAllow
//	limits         FuzzParseRules, FuzzCheck
//	internal/engine FuzzRequestTable
//	internal/lookup FuzzLookup
//	nat            FuzzParse, FuzzTransaction, FuzzSearchAnswer
//	internal/session FuzzMap
//	table          FuzzTable
//	topic          FuzzAdvertiser, FuzzRegistrar, FuzzSearch
//	fuzz/diff      FuzzRecord, FuzzRecordText, FuzzEnode, FuzzMessage, FuzzPacket
//	fuzz/diff      FuzzHandshake, FuzzTree
//	fuzz/libsecp   FuzzSecret, FuzzAgreement, FuzzVerdict
//
// # Glossary
//
//   - script: the input of a target that runs a state machine: each byte chooses what happens next,
//     or with what
//   - peer: a node that does what the script says, byte by byte, and not what the protocol demands
//   - seed: an input that a target starts from; a file below testdata/fuzz, which plain go test
//     runs too
package fuzz
