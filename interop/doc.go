// Package interop runs the bootnode and the library against other implementations, over real
// sockets and as real processes: go-ethereum, the Rust crate discv5 and the npm package
// @chainsafe/discv5. It is a separate module, so that the product never depends on go-ethereum. The
// package has tests only.
//
// # Tests
//
//	TestConformance, TestConformanceIPv6   go-ethereum's own suite, "devp2p discv5 test",
//	                                       as a process against the bootnode; one Go
//	                                       subtest for each test of the suite
//	TestSwarm                              50 go-ethereum nodes that know only the bootnode
//	                                       must find each other through it
//	TestDirect, TestDirectIPv6             single requests in both directions, and the
//	                                       handshake after either side has lost its sessions
//	TestRecordEndpoint                     --extip decides the endpoint in the record
//	TestStopSignals                        SIGINT and SIGTERM end the bootnode with code 0
//	TestRust, TestTypeScript               a node of the library and a foreign one: handshakes
//	                                       started by either side, PING, FINDNODE and TALK both
//	                                       ways, restarts and record updates of either side
//	TestMixedNetwork                       4 nodes of each of the four implementations around a
//	                                       bootnode: lookups from each kind find nodes of each kind
//	TestTrial                              a release, unpacked, as the bootnode of a private
//	                                       consensus network of go-ethereum and Rust nodes, through
//	                                       two forks, beside nodes of other networks
//	TestMixedOddNetwork                    the same with odd nodes, bootnodes among them: bad
//	                                       optional entries, records with another address or none,
//	                                       rewritten source ports; tables and lookups of this
//	                                       project's nodes find at least as many nodes as those of
//	                                       go-ethereum
//
// # How to run
//
//	go test ./...                          everything, about three minutes with a filled build cache
//	go test -run Swarm -v                  prints convergence, recall and relay figures
//	DISCV5_CONFORMANCE_ROUNDS=20 go test -run Conformance -timeout 30m
//
// The first run compiles go-ethereum, which takes minutes on a small machine. "go tool -n devp2p"
// does that ahead of time, and "go test -run Drivers" the same for other implementations.
//
// # Foreign implementations
//
// rust/ and js/ each hold a small program, the driver, that runs one node of a foreign
// implementation. Cargo.lock and package-lock.json pin the dependencies. The tests build the
// drivers, with cargo and npm, in the user's cache directory. If a toolchain or its registry is
// missing, the tests that need it report what they probed and are skipped, or fail if
// DISCV5_INTEROP_REQUIRE is 1. The first build of the Rust driver takes minutes on a small machine.
//
// A driver reads commands from standard input and writes answers to standard output, one JSON
// object per line. A command has "id", a number, "cmd", its name, and the fields of the table. The
// answer has the same "id" and either "error", a text, or the fields of the table. Commands may
// overlap, and answers come in any order. Records are in their enr: form, keys, IDs and payloads in
// hexadecimal, addresses as 127.0.0.1:9000 or [::1]:9000.
//
//	cmd       fields                     answer    meaning
//	start     key, addr, timeout,        record    first command: starts the node on addr, with a
//	          record                               timeout for answers in milliseconds, default
//	                                               2000; record, if present, is its earlier record
//	record                               record    the node's current record
//	update    field, value               record    sets a text in the node's record; the Rust
//	                                               driver also takes hex for bytes
//	add       record                               puts a node into the table
//	table                                records   the nodes in the table
//	ping      record                     seq,      sends PING to the node of that record; the
//	                                     endpoint  content of PONG
//	findnode  record, distances          records   sends FINDNODE
//	talk      record, protocol, payload  payload   sends TALKREQ
//	lookup    target                     records   looks up the nodes closest to an ID
//	exit                                           ends the process with code 0
//
// The answer to TALKREQ with the protocol "echo" is its payload. Other answers are empty. The end
// of standard input also means exit.
//
// # Environment
//
//	DISCV5_BOOTNODE             path of a ready bootnode binary; default: built from
//	                            ../cmd/bootnode
//	DISCV5_RELEASE              archive or .deb of a release for TestTrial; default: programs built
//	                            from ../cmd
//	DISCV5_DEVP2P               path of a ready devp2p binary; default: built by "go tool"
//	                            at the version in go.mod
//	DISCV5_CONFORMANCE_ROUNDS   rounds of the suite, each with a fresh bootnode; default 1
//	DISCV5_LISTEN2_IPV6         second IPv6 address of the tester; default: any other
//	                            address of the loopback interface besides ::1
//	DISCV5_INTEROP_REQUIRE      1: a missing toolchain or registry is a failure, not a skip
//	DISCV5_INTEROP_CACHE        directory for the builds of the drivers; default: discv5-interop in
//	                            the user's cache directory
//	DISCV5_TABLE_METRIC         name of the gauge of table entries; default: any gauge with
//	                            "table" or "bucket" in its name that grows with the swarm
//
// # Terminology
//
//	bootnode  the process under test
//	peer      a go-ethereum node inside the test process
//	own node  a node of this project inside the test process
//	driver    a process with a foreign node
//	capacity  of a table: how many of the existing nodes fit in it, which is 16 per log distance,
//	          with 240 and below in one bucket
package interop
