// Package nat finds out under which address and port the rest of the world sees a node behind a
// router (network address translation), and asks the router to let traffic through. Nothing runs
// until [Mapper.Start] is called.
//
//	cfg, err := nat.Parse("upnp")
//	m, err := nat.NewMapper(cfg, nat.Options{Port: 9000, Report: func(e nat.Event) { … }})
//	err = m.Start(ctx)
//	defer m.Close() // deletes the mapping
//
// # Words
//
//   - gateway: the router between the node's network and the Internet.
//   - internal port: the UDP port of the node's socket. external port: the port of the gateway that
//     leads to it.
//   - endpoint: external address and external port; what a node puts into its record.
//   - mapping: the gateway's promise to pass on what arrives at the external port. lease: how long
//     it holds.
//
// # Methods
//
//	none    nothing is done
//	extip   the user says the address; no packet is sent
//	upnp    UPnP Internet Gateway Device 1 and 2: search by SSDP, description and control by HTTP
//	pmp     NAT-PMP, RFC 6886
//	any     upnp and pmp at a time; the first that answers and grants a mapping is used
//	stun    a server on the Internet says where a packet came from, RFC 8489; makes no mapping
//
// UPnP and NAT-PMP as they are used here know IPv4 only. IPv6 has no translation: its address comes
// from extip, stun or the votes of peers.
//
// # STUN and the node's own socket
//
// A router may translate each socket to another port, so only a request that leaves through the
// node's socket learns the node's port. Without [Options.Send], the Mapper asks from a socket of
// its own: the address is then known and the port is supposed to be that of the node. With
// Options.Send, requests leave through the node's socket, and the node hands every datagram that is
// not discv5 to [Mapper.Receive]. A [Transaction] is the same as pure functions.
//
// A STUN answer is 20 bytes of header and 12 (IPv4) or 24 (IPv6) bytes of the attribute that
// matters, often followed by others:
//
//	 0      2        4              8                  20     22       24   25       26     28
//	+------+--------+--------------+------------------+------+--------+----+--------+------+---------+
//	| type | length | magic cookie | transaction ID   | type | length | 0  | family | port | address |
//	| 0101 |        | 2112a442     | 12 random bytes  | 0020 | 8, 20  |    | 1, 2   |   masked       |
//	+------+--------+--------------+------------------+------+--------+----+--------+------+---------+
//
// It can be shorter than the shortest discv5 packet (63 bytes), and a random 12 bytes of
// transaction ID and the source address are all that tells it from a forged one.
//
// # Trust
//
// Whatever answers is not trusted. Answers have a largest size and number. UPnP is looked for on
// interfaces with a private address only; descriptions and control URLs must be on the very host
// that answered the search, redirections and proxies are not used, and names are not resolved. An
// external address that is not global is an error ([ErrNotGlobal]): the gateway is behind another
// one. Leases below [MinLease] are refused.
//
// # Ownership
//
// A Mapper has one goroutine, which calls Options.Report and, while a method is at work, starts
// helpers that end with it. The package neither logs nor has state outside a Mapper.
package nat
