// Package limiter limits datagrams by source address and by source prefix. It opens no socket,
// starts no goroutine and reads no clock.
//
// # Terminology
//
//	source      the address of a datagram, or a prefix that contains it
//	level       a prefix length with a limit of its own, see limits.Rates
//	bucket      the token bucket of a source: it holds Burst datagrams and gains PerSecond each
//	            second
//	idle        a source with a full bucket; forgetting it changes nothing
//	new source  a source that has no entry yet
//	TAT         theoretical arrival time, the state of a bucket in the generic cell rate algorithm
//	            (GCRA): the time at which the bucket is full again
//
// # Two budgets
//
// Anyone can forge a source address. A node therefore keeps two budgets, each a Limiter:
//
//	unverified  charged for packets that do not decrypt: messages without a session, handshakes
//	verified    charged for requests inside a session, to the address of the session
//
// A packet that decrypts is never charged to the unverified budget. A flood with the forged address
// of a peer therefore uses up the unverified budget of that address, and the peer's session still
// works. During the flood no new session can start from that address, because a limit by source
// cannot tell the two senders apart. A datagram over the limit is dropped and has no other effect.
// In particular it does not ban the source, which may be forged.
//
// # Memory
//
// Each level has a table of sets. A seeded hash of the prefix selects the set. A set takes four
// cache lines:
//
//	  0        24                 240      248     256
//	+--------+--------+-- ~ --+--------+--------+-------+
//	| entry0 | entry1 |       | entry9 | shared |       |
//	+--------+--------+-- ~ --+--------+--------+-------+
//	entry:  prefix, high word | prefix, low word | TAT
//
// Allow accepts a datagram if it moves the TAT to no more than Burst intervals from now. A source
// whose TAT is in the past is idle.
//
// A new source takes the entry that has been idle for longest. Both the idle and the new source
// have full buckets, so this changes nobody's allowance. If no entry of the set is idle, the new
// source is charged to a bucket that all new sources of the set share; no entry is evicted. One
// datagram keeps an entry busy for one interval, 10 ms by default. Filling a table therefore takes
// sets × 10 × rate datagrams a second, a million by default, in any order.
//
// Allow checks the widest level first, and charges or stores nothing unless all levels accept the
// datagram. Sources inside an exhausted prefix therefore take no entries, and an address over its
// limit does not use up the allowance of its neighbors.
//
// # Concurrency
//
// A Limiter is safe for concurrent use and has no locks. The TAT of an entry is also its version:
// it only grows, so a successful compare-and-swap proves that the entry still belongs to the prefix
// that was read after the TAT. A goroutine that takes over an entry first stores a mark that keeps
// other goroutines away while it writes the prefix. Two goroutines that see the same new source at
// the same time may give it two entries. One of them falls idle unused, so the source gains one
// burst, once.
package limiter
