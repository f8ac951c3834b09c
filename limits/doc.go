// Package limits decides from where datagrams are taken: rate limits per source address and prefix
// ([Limiter]), and lists of bans, permits and a netrestrict ([Access]). It knows addresses and
// 32-byte node IDs, nothing else of the protocol. It opens no socket, starts no goroutine and reads
// no clock.
//
// # Glossary
//
//   - source: the address of a datagram, or a prefix that it lies in
//   - level: one of the prefixes of a source that have a limit of their own, see [Rates]
//   - bucket: what a source may still send. It holds Burst datagrams and gains PerSecond each
//     second.
//   - idle: a source whose bucket is full. Forgetting it changes nothing.
//   - newcomer: a source that has no entry of its own yet
//   - target: a node ID, an address or a range of addresses on a list
//   - netrestrict: a list of the only ranges that may talk to this node at all
//
// # Two budgets
//
// A source address proves nothing: anybody can send in anybody's name. Hence two budgets, each a
// Limiter:
//
//	unverified  charged for what did not open: messages without working keys, handshakes
//	verified    charged for requests inside a session, to the address of the session
//
// A datagram that opens is never charged to the unverified budget. So who floods in the name of a
// peer uses up what strangers at that address may send, and the peer's session is served as before.
// While it lasts no new session can start from that address: a limit by source cannot tell the two
// apart. A limit that was exceeded drops the datagram and does nothing else. It is no reason for a
// ban, as the flood may be somebody else's.
//
// # The limiter's memory
//
// Each level has a table of sets, which a seeded hash of the prefix chooses. A set takes four cache
// lines:
//
//	  0        24                 240         248     256
//	+--------+--------+-- ~ --+--------+-----------+-------+
//	| entry0 | entry1 |       | entry9 | newcomers |       |
//	+--------+--------+-- ~ --+--------+-----------+-------+
//	entry:  prefix, high word | prefix, low word | TAT
//
// TAT is the theoretical arrival time of GCRA, the one word that a token bucket comes down to: the
// moment at which the bucket is full again. A datagram is allowed if it moves TAT to no more than
// Burst intervals from now. TAT in the past means idle.
//
// A newcomer takes the entry that has been idle for longest. As an idle source has a full bucket,
// and a newcomer gets a full one, this changes nobody's allowance. If no entry of the set is idle
// nobody is evicted: the newcomer is charged to the bucket that all newcomers of the set share. One
// datagram keeps an entry busy for one interval, 10 ms by default, so that only a flood of sources
// of sets x 10 x rate, by default a million datagrams a second, crowds a table at all, whatever
// order it comes in.
//
// The widest level is looked at first, and nothing is charged or remembered unless all levels allow
// it. So the sources inside one exhausted prefix take no entries, and a single address that exceeds
// its limit does not use up what its neighbours have.
//
// # Concurrency
//
// Both types may be used by any number of goroutines. A Limiter has no locks: an entry's TAT is a
// version as well. It only grows, and changing it by compare-and-swap proves that the entry still
// belongs to the prefix that was read after it. Who takes over an entry first swaps in a mark that
// keeps others away while the prefix is written. Two workers that meet the same newcomer at once
// may give it two entries, of which one falls idle unused: once, it gets one burst more.
//
// Access publishes an immutable view behind an atomic pointer. Reading it takes no lock and
// allocates nothing. A change copies: it takes time in proportion to the number of entries.
package limits
