// Package limits decides which hosts a node talks to: [Access] holds bans, permits and a
// netrestrict, and [Rates] are the rate limits of a source. The package knows addresses and 32-byte
// node IDs, and nothing else of the protocol. It opens no socket, starts no goroutine and reads no
// clock.
//
// # Terminology
//
//	target       a node ID, an address or an address range
//	ban          drop packets from the target
//	permit       ignore bans and rate limits of the target
//	netrestrict  a list of the only ranges that the node talks to
//	source       the address of a datagram, or a prefix that contains it
//
// # Rules files
//
// [ParseRules] reads a file of targets with optional durations. A [Rule] is one line of it.
// [Access.Update] applies the rules and removes those that an earlier version of the file held.
//
// # Concurrency
//
// An Access is safe for concurrent use. It publishes an immutable view behind an atomic pointer: a
// check takes no lock and allocates nothing. A change copies the lists, so it takes time in
// proportion to the number of entries.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package limits
