// Package prefixquota counts items by the network prefixes of their addresses and limits how many
// one prefix may hold. Identities cost nothing, addresses cost little, and prefixes cost money. So
// every table, map and queue that unauthenticated peers can fill is divided by prefix. The node
// table, the session map, the handshake queue, the TALK handlers and the votes all use this
// package.
//
// # Terminology
//
//	width   a counted prefix length, from narrow to wide:
//	        Host  IPv4 /32, IPv6 /64    one machine, or one link
//	        Site  IPv4 /24, IPv6 /48    what one subscriber usually gets
//	        Wide  IPv4 /16, IPv6 /32    what one provider usually holds
//	limit   the number of items that one prefix of a width may hold
//	load    the used fraction of the limit of an address's fullest prefix
//	exempt  an address whose items are counted but not limited
//
// # Rules
//
// An item counts in all three prefixes of its address, and every limit applies. Limits may be
// suspended while little is in use (Config.Free): a nearly empty queue serves everyone.
//
// The owner of a full container compares loads to make room. [Quota.Displaces] reports whether a
// candidate should replace an item: after the exchange, the load of the candidate is lower than the
// load of the item was before. Each exchange lowers the list of all loads in lexicographic order,
// so exchanges end, and no two prefixes can evict each other in turn.
//
// # Private networks
//
// Loopback is exempt unless Config.Strict is set, because no host accepts such a source from a
// network. Private addresses are exempt while [Quota.SetExemptPrivate] says so: all nodes of a
// private network share one prefix, while at a public node a private source address is forged, or
// belongs to an unverified host on the same link. Items are counted whether exempt or not, so the
// exemption may change at any time.
//
// # Memory and concurrency
//
// A Quota has at most one map entry per width of each counted item. It is not safe for concurrent
// use: the owner of the container counts under the container's lock. In steady state no method
// allocates.
package prefixquota
