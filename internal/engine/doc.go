// Package engine is the protocol of Node Discovery v5.1: datagrams in, datagrams out. It opens no
// socket, starts no goroutine and reads no clock. Time, randomness and datagrams come from outside,
// so the same code serves kernel sockets and a simulated network on virtual time.
//
// # Glossary
//
//   - engine: the state of one node, shared by its workers
//   - worker: what one goroutine needs to drive the engine: scratch memory, randomness, a
//     PacketWriter
//   - batch: the datagrams that a worker takes in before it answers them
//   - call: an outstanding request of this node
//   - task: slow work in a bounded queue: a handshake, or the records of a NODES response
//   - peer: the node at the other end of a session or a request, with its endpoint
//   - responder: a node that has answered and is not in the table
//   - unsolicited peer: a node that made contact without having been contacted
//
// # Life of a packet
//
//	Add       unmask and parse the header                           for the whole batch
//	Flush     prefetch the sessions                                 for the whole batch
//	          message    opens -> response to the PacketWriter
//	                     does not open -> WHOAREYOU to the PacketWriter
//	          WHOAREYOU  find the call by nonce and source -> task
//	          handshake  find the challenge by source and ID -> task
//	RunTask   make or examine a handshake, or verify records
//	Tick      timeouts, liveness checks, lookups, expiry
//
// # Files
//
//	worker.go, serve.go, respond.go, replay.go        packets in, requests of peers
//	client.go, requests.go, retry.go, responses.go    requests of this node
//	tasks.go, handshake.go                            the slow path
//	lookup.go, sources.go                             lookups and where they start
//	maintain.go, admission.go, record_updates.go      the table and its records
//	address.go, address_state.go, vote.go, reach.go, local_record.go, endpoints.go
//	                                                  this node's own address and those of others
//
// # Ownership
//
// One goroutine owns a [Worker]; all share the [Engine]. A program has one worker for each socket,
// some that run tasks, and one for Tick and requests. Callers must not change datagrams that they
// gave to Add before Flush returns. The engine copies what it keeps. Records are immutable and
// shared.
//
// # What an unauthenticated datagram can do
//
// The engine can drop and count it, or answer it with one WHOAREYOU that is no larger. The datagram
// can take one slot in the bounded table of challenges and, while a challenge for its source and ID
// is live, one slot in the bounded queue of tasks. It changes nothing else.
package engine
