// Package prefixquota counts things by the network prefixes of their addresses and bounds how many
// one prefix may hold. Identities cost nothing, addresses cost little, and prefixes cost money:
// every table, map and queue that strangers can fill is divided by prefix. The node table, the
// session map, the handshake queue, the TALK handlers and the votes all count with this package.
//
// # Terminology
//
//	width   one prefix length that is counted, from narrow to wide:
//	        Host  IPv4 /32, IPv6 /64    one machine, or one link
//	        Site  IPv4 /24, IPv6 /48    what one subscriber is given as a rule
//	        Wide  IPv4 /16, IPv6 /32    what one provider holds as a rule
//	limit   how many items one prefix of a width may hold
//	load    how far the fullest of an address's prefixes has used its limit
//	exempt  an address whose items are counted, and to which no limit applies
//
// # Rules
//
// An item counts in all three prefixes of its address, and every limit applies. Limits may be
// suspended while little is in use (Config.Free): a queue that is nearly empty serves whoever
// comes.
//
// The owner of a full container compares loads to make room. [Quota.Displaces] reports whether a
// candidate should take the place of an item: after the exchange the load of the candidate is lower
// than the load of the item was before. Each exchange lowers the list of all loads in lexicographic
// order, so exchanges end, and no two prefixes can evict each other in turn.
//
// # Private networks
//
// Loopback is exempt unless Config.Strict is set: no host accepts such a source from a network.
// Private addresses are exempt while [Quota.SetExemptPrivate] says so: inside a private network all
// nodes share one prefix, while at a public node a private source address is a lie or a stranger on
// the same link. Items are counted whether exempt or not, so the exemption may change at any time.
//
// # Memory and concurrency
//
// A Quota has at most one map entry for each width of each item that it counts. It is not safe for
// concurrent use: the owner of the container counts under the lock of that container. In steady
// state no method allocates.
package prefixquota
