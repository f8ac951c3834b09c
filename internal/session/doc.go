// Package session keeps who this node shares keys with, and how it comes to share them: the
// sharded session map, the challenges that are out, the requests that wait for an answer, and the
// arithmetic of the handshake (discv5-theory.md, Sessions).
//
// # Glossary
//
//   - session key: endpoint and node ID of a peer; a peer at another endpoint is another session
//   - keys: the two ciphers, one for each direction, that a handshake made
//   - challenge: a WHOAREYOU that this node sent and whose handshake it waits for
//   - initiator: who sent the message that was challenged, and so sends the handshake
//   - recipient: who sent WHOAREYOU
//
// # The keys of a session
//
// A session has up to three pairs of keys. A message is tried with each, in this order:
//
//	current   both sides have used them, or the peer proved that it has them
//	next      this node sent a handshake and has seen no answer yet
//	previous  what current was before; packets that crossed a handshake still open
//
// A message that opens with next keys makes them current. Both sides may start a handshake at once;
// each then ends with both pairs, and whichever the other uses will open. They settle on the pair
// of the handshake that the node with the lower ID made: a message that opens with that pair makes
// it current also when it is the previous one. Only a message that opened changes a session:
// nothing else that arrives does.
//
// # Layout
//
//	Map
//	  shard 0..n-1                    by the low bits of a seeded hash of the session key
//	    mutex
//	    sessions    index []uint64    hash tag, slot: open addressing, no pointers
//	                slots []slot      session key, *Keys: current, next, previous
//	  challenges                      buckets of 15 with locks of their own; see challengeTable
//
// A session costs two ciphers of 768 bytes, 64 bytes of Keys, a slot and two index words; see
// [SessionSize]. A session with next or previous keys costs that much more until they are dropped.
//
// # Locks
//
// A shard's mutex is held for a look-up or a change of that shard, never while something is
// decrypted or calculated. Keys are immutable but for their counter, so a worker goes on using
// those that it found, whatever happens to the session meanwhile.
package session
