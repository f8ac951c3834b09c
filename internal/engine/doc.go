// Package engine is the protocol of Node Discovery v5.1: datagrams in, datagrams out. It opens no
// socket, starts no goroutine and reads no clock: time, randomness and datagrams come from outside.
// The same code serves kernel sockets and a simulated network with virtual time.
//
// # Glossary
//
//   - engine: all state of one node that its workers share
//   - worker: what one goroutine needs to drive the engine: scratch memory, randomness, an outbox
//   - batch: datagrams that a worker takes in before it answers them
//   - call: a request of this node that waits for its answer
//   - job: work that takes a hundred times as long as a message and waits in a bounded queue
//
// # A datagram's way
//
//	Add         unmask, name the parts                                 for the whole batch
//	Flush       warm the sessions                                      for the whole batch
//	            message    open -> answer into the outbox
//	                       does not open -> WHOAREYOU into the outbox
//	            WHOAREYOU  call by nonce and source -> job
//	            handshake  live challenge by source and ID -> job
//	RunTask      handshake, or the records of a NODES answer
//	Tick        timeouts, revalidation, lookups, expiry
//
// # Who owns what
//
// A [Worker] is owned by one goroutine; an [Engine] is shared. A program has one worker for each
// socket, some that run jobs, and one for Tick and requests. Datagrams given to Add must stay as
// they are until Flush returns. What the engine keeps it copies.
//
// # What an unauthenticated datagram can do
//
// It can be dropped and counted, be answered by one WHOAREYOU that is not larger than itself, take
// one place in the bounded table of challenges, and, while a challenge for its source and ID lives,
// one place in the bounded queue of jobs. It changes nothing else.
package engine
