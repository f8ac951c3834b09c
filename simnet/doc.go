// Package simnet is a network of real discv5 nodes inside one process, on virtual time. The
// engines, sessions, tables and lookups are those of the module; sockets, clocks and chance are
// made up here. A day passes in seconds to minutes, and a seed makes a run happen again, datagram
// for datagram.
//
// It is for tests: of this module, and of programs that use it. Datagrams are late, lost, doubled
// and overtaken; nodes sit behind NATs, crash, come back, are suspended and have their clocks
// moved; the network falls apart and heals; strangers send under addresses that are not theirs. All
// along, an audit checks what must hold whatever happens.
//
// # Glossary
//
//   - network: all nodes and sockets, and the one virtual clock
//   - node: an engine with a key, a record, one or two addresses and a clock of its own
//   - socket: an address that a test sends from and receives at by itself, such as an attacker's
//   - place: a point on the globe; the delay of a datagram follows from the places of its ends
//   - conditions: what befalls datagrams: delay, loss, copies
//   - NAT: a box with one public address and hosts behind it
//   - side: the part of a network that has fallen apart in which a node is
//   - fate: what became of a datagram
//   - trace: a hash of every datagram, its time and its fate; equal traces mean equal runs
//   - audit: the checks of the invariants, see [Violation]
//   - swarm: a population of nodes that come and go, and the measurements of it
//
// # How it runs
//
// There is one goroutine: the caller's. [Network.Run] takes the earliest event off a heap, sets the
// clock to its time and lets it happen: a datagram arrives, a node's tick is due, a function of the
// test is called. Nothing else happens in between, so a test may look at any state of any node when
// Run has returned, and in the functions that it hands to the network. Methods that let time pass
// cannot be called from there.
//
//	Network ── events: datagrams under way, ticks, functions
//	  ├─ Node    engine, worker, clock ──┐
//	  ├─ Socket  a test's own ───────────┼── address → host: the routes
//	  └─ NAT     mappings, hosts behind ─┘
//
// A node is ticked when its engine has something to do, on the grid of 50 ms on which a real node
// is ticked always, and at least every ten minutes. The ticks that are left out would have done
// nothing.
//
// # Who owns what
//
// A Network and all that belongs to it are used by one goroutine at a time. Networks have nothing
// in common: tests with networks of their own may run in parallel. Slices handed to a function of
// the test are valid during the call.
//
// # Cryptography
//
// All of it is real unless [Config].InsecureCurve is set: then the arithmetic of handshakes is
// replaced by hashes, which takes a hundredth of the time and is no cryptography at all. Records,
// ciphers and packets stay real.
package simnet
