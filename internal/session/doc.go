// Package session holds the keys that this node shares with its peers, and establishes them: the
// sharded session map, the live challenges, and the cryptography of the handshake
// (discv5-theory.md, Sessions).
//
// # Terminology
//
//	session key  endpoint and node ID of a peer; a peer at another endpoint has another session
//	keys         the two ciphers, one per direction, that a handshake produced
//	challenge    a WHOAREYOU that this node sent and whose handshake it expects
//	initiator    the node whose message was challenged, and which sends the handshake
//	recipient    the node that sent WHOAREYOU
//
// # The keys of a session
//
// A session has up to three pairs of keys. A message is tried with each, in this order:
//
//	current   both sides have used them, or the peer proved that it has them
//	next      this node sent a handshake and has seen no answer yet
//	previous  the former current keys; they decrypt packets that crossed a handshake
//
// A message that decrypts with the next keys makes them current. If both sides start a handshake at
// the same time, each ends with both pairs, and either pair decrypts. Both sides then agree on the
// pair from the handshake of the node with the lower ID: a message that decrypts with that pair
// makes it current even if it is the previous one. Only a message that decrypts changes a session.
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
// A session takes two ciphers of up to 768 bytes, 64 bytes of Keys, a slot and two index words: 2
// KiB at most. Next or previous keys add their ciphers until they are dropped.
//
// # Locks
//
// Methods hold a shard's mutex for a lookup or a change of that shard, never during cryptography.
// Keys are immutable except for their counter, so a worker can use keys that it found, whatever
// happens to the session.
package session
