// Package xdp receives and answers datagrams with AF_XDP sockets, in front of the sockets of the
// system: a small program on a network interface redirects the datagrams for a node into memory
// that the node shares with the kernel. With many peers that send one packet each this takes less
// than half of the processor time of the sockets. It is for Linux, and for those who ask for it:
//
//	cfg.Accelerate = xdp.Accelerate(xdp.Options{Interfaces: []xdp.Interface{{Name: "eth0"}}})
//
// # Bypassed
//
// Redirected datagrams do not pass the network stack: see [Bypassed]. The node's own lists of bans
// and networks apply.
//
// # Glossary
//
//   - frame: one packet with its Ethernet header. UMEM: the memory for frames of a socket.
//   - rings: queues of descriptors that kernel and program share. Frames to receive into go to the
//     kernel in the fill ring and come back in the receive ring; frames to send go in the send ring
//     and come back in the completion ring.
//   - queue: a receive queue of the interface. Each has one socket, and one worker of the node.
//   - steering program: the XDP program that decides which frames the sockets get.
//   - origin: how a request arrived, from which the headers of its answer follow.
//
// # Which frames
//
// The program redirects UDP datagrams over IPv4 or IPv6 to an address of the interface itself and a
// port of the node. It passes everything else to the kernel: other protocols, VLAN tags, fragments,
// options and extension headers, multicast, sizes that the node refuses, addresses of other
// interfaces, and sources that the kernel has to judge, such as link-local ones. Queues without a
// socket pass everything.
//
// # Answers
//
// An answer reuses the headers of its request as long as the request is in the batch that was
// received last: it needs no route and no neighbor entry. All else leaves through the sockets of
// the system: requests of the node, handshakes, and IP packets of more than 1,280 bytes, for which
// the kernel knows the path MTU. An IPv4 packet of more than 576 bytes has no DF bit: a router of a
// narrow path fragments it. The return path of a sender must be proven first: the kernel's
// route to the peer has to leave by this interface and by the neighbor that the request came from.
// Until then, and if it does not, answers leave through the sockets too. One peer of each queue is
// checked every second.
//
// # Modes
//
// The package tries native zero-copy, native copy and generic mode in this order. If none works, or
// another program is on the interface, the node is served by the sockets of the system, and the
// package retries. [fastpath.Acceleration] says what it has got, and why not more.
//
// # Ownership
//
// The frames belong to the package: it copies datagrams into the Rx and out of the Tx. A worker
// that is too slow loses datagrams, which ConnStats.KernelDrops counts, and never a frame. One
// goroutine for each interface watches addresses, link, program and return paths. The program and
// the sockets belong to file descriptors, so the kernel removes them even if the process is killed.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package xdp
