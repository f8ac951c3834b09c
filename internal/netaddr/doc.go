// Package netaddr holds all rules about IP addresses: families, the canonical form, classes of
// reach, and the network prefixes that limits count by.
//
// # Terminology
//
//	family   IPv4 or IPv6; an IPv4-mapped IPv6 address belongs to IPv4
//	class    the scope of an address: global, private, loopback or special
//	site     the prefix that one subscriber usually gets: an IPv4 /24, an IPv6 /48
//	wide     the prefix that one provider usually holds: an IPv4 /16, an IPv6 /32
//
// Every function accepts IPv4-mapped addresses and addresses with a zone. No function allocates.
package netaddr
