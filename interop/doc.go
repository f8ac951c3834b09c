// Package interop runs the bootnode against go-ethereum, over real sockets and
// as real processes. It is a module of its own so that the product never
// depends on go-ethereum. The package holds tests only.
//
// # What is tested
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
//
// # How to run
//
//	go test ./...                          everything, about two minutes with a warm cache
//	go test -run Swarm -v                  prints convergence, recall and relay figures
//	DISCV5_CONFORMANCE_ROUNDS=20 go test -run Conformance -timeout 30m
//
// The first run compiles go-ethereum, which takes minutes on a small machine.
// "go tool -n devp2p" does that ahead of time.
//
// # Environment
//
//	DISCV5_BOOTNODE             path of a ready bootnode binary; default: built from
//	                            ../cmd/bootnode
//	DISCV5_DEVP2P               path of a ready devp2p binary; default: built by "go tool"
//	                            at the version in go.mod
//	DISCV5_CONFORMANCE_ROUNDS   rounds of the suite, each with a fresh bootnode; default 1
//	DISCV5_LISTEN2_IPV6         second IPv6 address of the tester; default: any other
//	                            address of the loopback interface besides ::1
//	DISCV5_TABLE_METRIC         name of the gauge of table entries; default: any gauge with
//	                            "table" or "bucket" in its name that grows with the swarm
//
// # Glossary
//
// Bootnode means the process under test. Peer means a go-ethereum node inside
// the test process. Capacity of a table means how many of the existing nodes
// fit in it: 16 for each log distance, with 240 and below sharing one bucket.
package interop
