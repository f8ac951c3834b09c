// Package geth gives programs that use go-ethereum's p2p/discover package a discv5 node of this
// module behind the same calls. To switch, change one import:
//
//	import discover "github.com/fastdisc/discv5/geth"
//
// ListenV5 takes the same *enode.LocalNode and discover.Config, and UDPv5 has the same methods as
// go-ethereum's. The types that both sides exchange (Config, UDPConn, ReadPacket, SharedUDPConn,
// TalkRequestHandler, BucketNode) are go-ethereum's own. ListenV4 and ListenUDP are go-ethereum's
// functions, for programs that run both protocols.
//
// # The local record
//
// The enode.LocalNode remains the owner of the local record: the node serves exactly the record
// that LocalNode.Node returns, with the same sequence number. Entries that the program sets reach
// peers within half a second. The node finds its external address with its own rules, which resist
// peers that lie about it, and hands the result to LocalNode.SetFallbackIP and SetFallbackUDP. An
// address that the program has set with SetStaticIP wins. LocalNode keeps one fallback port for
// both families; if a NAT maps them to different ports, the record names the one found last.
//
// # Differences from go-ethereum
//
//   - A *net.UDPConn of one family ("udp4" or "udp6", or bound to an address) is read and written
//     in batches. Any other UDPConn, a SharedUDPConn or a socket of both families for instance,
//     moves one datagram per system call.
//   - Config.Clock must be nil or mclock.System, and Config.ValidSchemes must contain "v4", the
//     only identity scheme that discv5 nodes use on the network.
//   - Config.PingInterval and Config.NoFindnodeLivenessCheck have no effect: the node schedules its
//     own checks, and relays only nodes that have answered.
//   - Requests that fail return errors of package discv5, for errors.Is.
//   - Peers are subject to the limits of discv5.Config: per network prefix, per source, per
//     session.
package geth
