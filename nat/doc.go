// Package nat finds the address and port under which the internet sees a node behind a router that
// does network address translation (NAT), and asks the router to forward packets. Nothing runs
// until you call [Mapper.Start].
//
//	cfg, err := nat.Parse("upnp")
//	m, err := nat.NewMapper(cfg, nat.Options{Port: 9000, Report: func(e nat.Event) { … }})
//	err = m.Start(ctx)
//	defer m.Close() // deletes the mapping
//
// # Terminology
//
//	gateway        the router between the node's network and the internet
//	internal port  the UDP port of the node's socket
//	external port  the port of the gateway that leads to the node's socket
//	endpoint       external address and external port, for the node's record
//	mapping        the gateway's promise to forward packets to the internal port
//	lease          the duration of a mapping
//
// # Methods
//
//	none    do nothing
//	extip   the user knows the address; no packet is sent
//	upnp    UPnP Internet Gateway Device 1 and 2: search by SSDP, description and control by HTTP
//	pmp     NAT-PMP, RFC 6886
//	any     upnp and pmp in parallel; the first gateway that grants a mapping is used
//	stun    a server on the internet reports the source address of a packet, RFC 8489; no mapping
//
// UPnP and NAT-PMP serve IPv4 only. IPv6 has no translation: the address comes from extip, stun or
// the votes of peers.
//
// # STUN
//
// The Mapper queries a STUN server from a socket of its own. It cannot use the node's socket,
// because the kernel filter of that socket drops the answer, which is shorter than the shortest
// discv5 packet (63 bytes). A router may translate each socket to another port. The Mapper
// therefore learns the address, and assumes that the external port is the port of the node's
// socket.
//
// A STUN answer is 20 bytes of header and 12 (IPv4) or 24 (IPv6) bytes of the attribute that
// matters, often followed by others:
//
//	 0      2        4          8                 20     22       24  25       26     28
//	+------+--------+----------+-----------------+------+--------+---+--------+------+---------+
//	| type | length | cookie   | transaction ID  | type | length | 0 | family | port | address |
//	| 0101 |        | 2112a442 | 12 random bytes | 0020 | 8, 20  |   | 1, 2   |   masked       |
//	+------+--------+----------+-----------------+------+--------+---+--------+------+---------+
//
// Only the random transaction ID and the source address tell an answer from a forged one.
//
// # Trust
//
// The package does not trust gateways and servers. It bounds the size and number of answers. It
// searches for UPnP gateways only on interfaces with a private address. Descriptions and control
// URLs must be on the host that answered the search; redirects and proxies are not followed, and
// names are not resolved. An external address that is not global is an error ([ErrNotGlobal]),
// because the gateway is then behind another one. Leases below [MinLease] are refused.
//
// # Ownership
//
// A Mapper has one goroutine, which calls Options.Report and starts helpers that end with each
// attempt. The package neither logs nor has state outside a Mapper.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package nat
