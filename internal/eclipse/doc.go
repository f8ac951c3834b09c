// Package eclipse simulates attackers that want the node tables of a network, and compares rules
// for those tables: this module's and those of go-ethereum.
//
// # Terminology
//
//	rules     how a node table admits, keeps, checks and relays nodes
//	hostile   of the attacker. Hostile nodes answer every PING, and name hostile nodes only
//	order     whether the attacker comes before, with, or after the honest nodes
//	relayed   named in an answer to FINDNODE
//	eclipsed  a lookup whose results are hostile without exception
//	late node an honest node that joins at the end of the run
//	refused   a late node that nobody relays minutes after it has joined
//
// # Model
//
// There are no packets. A contact of two nodes is a handshake that succeeds: the node that started
// it offers the other one to its table as found, and the other one offers it as inbound. Time
// passes in seconds. Honest nodes join through three bootnodes, make lookups for their own ID and
// for random targets, and check table members as their rules ask. Tables and lookups of this
// module are the real packages, driven as package engine drives them; the rules of go-ethereum are
// modeled after what its table does, see gethTable.
//
// The attacker has hosts in a number of /24s, each in a /16 of its own, and as many identities as
// it likes. It contacts every honest node it knows at a steady rate, from all its /24s in turn,
// with IDs made for the buckets of that node. All its nodes answer all the time.
//
// The honest nodes live in /24s of their own; two of five are at one of 20 providers with a /16
// each.
//
// Everything runs in one goroutine and follows from a seed.
package eclipse
