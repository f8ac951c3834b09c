// Package netaddr holds all rules about IP addresses: address families, the canonical form of an
// address, classes of reach, and the network prefixes that limits count by.
//
// # Terminology
//
//	family   IPv4 or IPv6. An IPv4-mapped IPv6 address belongs to IPv4.
//	class    who can reach an address: global, private, loopback or special.
//	site     the prefix that one subscriber is given as a rule: an IPv4 /24, an IPv6 /48.
//	width    one prefix length that limits count by, from narrow to wide.
//
// Every function accepts IPv4-mapped addresses and addresses with a zone, and none allocates.
package netaddr
