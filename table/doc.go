// Package table keeps the nodes that the local node knows: 256 k-buckets by log distance, each with
// a replacement cache, address limits and liveness (discv5-theory.md, Node Table).
//
// # Glossary
//
//   - log distance: the bit length of the XOR of two node IDs, 0..256. 0 is the node itself.
//   - bucket: the nodes of one log distance from the local node, at most k = 16 members.
//   - member: a node in a bucket. It is checked, looked up, and relayed when it is live.
//   - replacement: a node that waits for a slot in a full bucket. It is checked before it takes
//     one. It is not relayed, unless few members are of its address family: then it is checked like
//     a member and relayed to requesters of that family.
//   - live: the node has answered a PING at the endpoint at which it is contacted, and has not
//     failed three times in a row since. Nodes that are not live are never relayed.
//   - record: the signed node record (enr.md), verified and immutable. The table shares it.
//   - relay: to return a node in NODES.
//
// # Life of a node
//
//	Add ----> member, unverified --MarkLive--> live <--MarkLive-- silent --+
//	  |          ^     |                        |                   ^      | credit
//	  | full     |     | 2 failures             +----- 3 failures --+      | used up
//	  v          |     v (1 if another waits)                              v
//	replacement -+    gone <-----------------------------------------------+
//
// Every answered PING is worth one credit, up to 81. One lost answer only brings the next check
// forward (S16). From the second failure in a row each failure cuts the credit to a third, and a
// node without credit is dropped: after two failures when it had answered once or twice, after six
// when it has been there for long. Checks of a failing node come after 3, 6, 12, 24, 30 seconds, so
// a break of a minute in the local network does not cost the table its old nodes.
//
// # Limits
//
// Limits bound the nodes of one prefix at three widths, in a bucket and in the table; see package
// internal/prefixquota. Members that have answered count separately from those that have not, and
// members that fail before they ever answer do not count. So nodes that never answer keep no slot
// from others. In a bucket, a new node displaces an unproven one of its own prefix.
//
// Slots turn over by prefix: a replacement that has just answered replaces a live member whose
// prefixes have more members in the table (S34). A new node at the endpoint of others puts those in
// doubt.
//
// # Ownership
//
// The caller owns time, randomness and the network: it sends the PINGs that Due asks for and
// reports the results. It offers only nodes whose record it has verified and with which it has
// completed a handshake. Nothing from an unauthenticated packet may reach this package.
//
// # Concurrency
//
// A Table is safe for concurrent use. Each bucket has its own lock. The packet path reads (Relay,
// Seq) an immutable value behind an atomic pointer, which every change of a bucket replaces;
// reading it never waits for a writer and allocates nothing. Writers pay for that with one or two
// allocations per change of membership. The lock order is bucket, limits. The table calls no
// function of the caller under a lock.
//
// # Size
//
// An empty table takes 27 KB. A full bucket with its replacements takes 5 KB, its published lists
// at most 3 KB, and each record about 450 bytes, shared with the sessions and lookups that use it.
// In a network of a million nodes about 20 buckets hold anything.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package table
