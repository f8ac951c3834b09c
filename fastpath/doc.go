// Package fastpath moves datagrams between sockets and memory in batches and allocates nothing per
// datagram. It knows bytes and addresses only.
//
// # Glossary, smallest to largest
//
//   - datagram: one UDP payload together with its peer address.
//   - slot: the fixed part of a slab that holds one datagram.
//   - segment: one datagram of a GSO or GRO batch.
//   - GSO batch, GRO batch: datagrams of one sender to one destination that pass the kernel as a
//     single super-packet, sent (generic segmentation offload) or received (generic receive
//     offload).
//   - batch: the datagrams that one call moves. [Rx] holds a received batch, [Tx] a batch to send.
//   - entry: what one element of the array of recvmmsg(2) or sendmmsg(2) describes: a datagram, a
//     GSO batch or a GRO batch.
//   - socket: one file descriptor, seen through a [Conn].
//   - group: all sockets that are bound to one address, a [Group]. The kernel spreads peers over
//     the sockets of a group, and one peer stays with one socket for as long as the group does not
//     change.
//
// # Layout
//
// Rx and Tx each own one slab. Slots start on cache lines, so the stride is the slot size rounded
// up to 64 bytes.
//
//	      |<------------- stride ------------->|
//	slab: | slot 0                       | pad | slot 1 ...
//	      |<-- datagram -->|             |
//	      |<-- n bytes --->|             |
//	      |<-- capacity = size --------->|
//
// A slice that the package hands out ends, by its capacity, with its own slot, or with its own
// datagram where a GRO batch fills the slot (gro_linux.go). An append in place can therefore never
// reach the next datagram.
//
// On Linux each slot has a fixed entry in the arrays that recvmmsg(2) and sendmmsg(2) take. They
// are built once; only what a call used is reset.
//
//	hdr[i] -> name[i]   peer address, room for either family
//	       -> iov[i]    -> slot i of the slab
//	       -> ctl[i]    control messages: segment size, local address, count of drops
//
// An entry to send has one iovec per datagram. With several it is a GSO batch, and its control
// message states the segment size.
//
// # Paths
//
// Two implementations of [Conn] exist. The fast one ("recvmmsg") is for Linux. The portable one
// moves one datagram per system call through the net package and runs everywhere; tests use it as
// the reference implementation of the fast one. [Listen] probes the kernel and falls back on its
// own; [Info] says which one runs and why. The package does not use the batch calls of
// golang.org/x/net: they allocate an address for each datagram, and off Linux they also move one
// datagram per call.
//
// # GSO and GRO
//
// The kernel takes datagrams to one destination as a single super-packet and splits it late: in the
// network card, before its driver, or, on loopback, in front of the receiving socket (UDP_SEGMENT,
// Linux 4.18). One pass through sockets, routing and firewall then serves all of them. All
// datagrams of a GSO batch have the same size, except the last, which may be shorter. A Tx
// coalesces neighbors that fit.
//
// A socket that asks for it receives such batches unsplit, as well as those that the kernel
// coalesces from datagrams of a network card: equal in size, of one sender, closely one after
// another (UDP_GRO, Linux 5.0). A flood from one port, a response of several packets and a peer
// that asks a lot are like that.
//
// The same datagrams arrive with and without, and the counters are the same, except for the drops
// of the kernel, which counts a GRO batch once. If the kernel rejects a GSO batch, for whatever
// reason, each of its datagrams is sent separately, and the kernel then reports what it would have
// reported without the batch. It rejects batches where the path MTU is below the size of a segment
// with its headers (EMSGSIZE; EINVAL before Linux 6.14), because it does not fragment segments.
// Separate datagrams leave as described below (Path MTU).
//
// EIO, where a device computes no checksums or IPsec transforms the packets, and EOPNOTSUPP, in
// sandboxes, disable GSO on a socket for good. 64 rejections for their path in a row disable it for
// the next 10,000 batches that could use it. Linux 7.0.0 to 7.1.4 write wrong lengths into GSO
// batches for some network cards, so GSO is off there. If GSO or GRO is off from the start, [Info]
// says why.
//
// # Local addresses
//
// A socket that is bound to the wildcard address tells at which address each datagram arrived
// (Rx.Local), and sends from one of them (Tx.CommitFrom), so responses leave from the address that
// was asked. Addresses are numbers of a bounded table of the group. A datagram whose address the
// host has lost leaves from the one that the system chooses, and is counted. All datagrams of a GSO
// batch have one local address and one peer.
//
// # Path MTU
//
// IPv4 datagrams leave in one piece whatever ICMP messages say, because anybody can forge those,
// unless the interface itself takes no more. They carry the DF bit. After the system has refused
// one that is larger than the path MTU, they leave without it for a while, so that routers may
// fragment them.
//
// # Ownership
//
//   - An Rx or Tx belongs to one goroutine at a time.
//   - A slice from Rx.Packet or Tx.Buffer is valid until the next ReadBatch, WriteBatch or Reset of
//     the batch it came from. Callers must copy data that they need for longer.
//   - ReadBatch of one Conn is called by one goroutine at a time. WriteBatch is safe for concurrent
//     use, each caller with its own Tx.
//   - The Group owns its sockets. Closing it ends every ReadBatch.
//
// # Counting
//
// Every datagram that was handed over ends in exactly one counter of [ConnStats]: delivered, or
// dropped for a named cause. Errors that a network can cause never end reading or writing.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package fastpath
