// Package fastpath moves datagrams between sockets and memory in batches and
// allocates nothing per datagram. It knows bytes and addresses only.
//
// # Glossary, smallest to largest
//
//   - datagram: one UDP payload together with its peer address.
//   - slot: the fixed part of a slab that holds one datagram.
//   - train: datagrams of one sender to one destination that pass the kernel as one.
//   - batch: the datagrams that one call moves. [Rx] holds a received batch,
//     [Tx] a batch to be sent.
//   - socket: one file descriptor, seen through a [Conn].
//   - group: all sockets that are bound to one address, a [Group]. The kernel
//     spreads peers over the sockets of a group, and one peer stays with one
//     socket for as long as the group does not change.
//
// # Layout
//
// Rx and Tx each own one slab. Slots start on cache lines, so the stride is
// the slot size rounded up to 64 bytes.
//
//	      |<------------- stride ------------->|
//	slab: | slot 0                       | pad | slot 1 ...
//	      |<-- datagram -->|             |
//	      |<-- n bytes --->|             |
//	      |<-- capacity = size --------->|
//
// A slice that the package hands out ends, by its capacity, with its own slot, or, where
// a train has brought several datagrams into one slot (merge_linux.go), with its own datagram.
// An append in place can therefore never reach the next one.
//
// On Linux each slot has a fixed entry in the arrays that recvmmsg(2) and
// sendmmsg(2) take. They are built once; only what a call used is reset.
//
//	hdr[i] -> name[i]   peer address, room for either family
//	       -> iov[i]    -> slot i of the slab
//	       -> ctl[i]    control messages (where trains arrive whole, local addresses are told, or drops are counted by one)
//
// Of what is sent, an entry may have several iovecs, which makes a train of their
// slots, and the control message says where it is parted.
//
// # Paths
//
// Two implementations of [Conn] exist. The fast one ("recvmmsg") is for Linux.
// The plain one ("portable") moves one datagram per system call through the
// net package, runs everywhere, and is the twin that tests compare the fast
// one with. [Listen] probes the kernel and falls back by itself; [Info] says
// which one runs and why. The batch calls of golang.org/x/net are not used:
// off Linux they also move one datagram per call, and they allocate an address
// for each.
//
// # Trains
//
// The kernel takes datagrams to one destination as one, all of one size but for a
// shorter last one, and parts them late: in the network card, before its driver, or, on
// loopback, in front of the receiving socket (UDP_SEGMENT, Linux 4.18). One pass
// through sockets, routing and firewall then does for all of them. A Tx joins
// what follows one another in it and fits; [Segmenter] is for programs that make load.
//
// A socket that asks for it is given such trains whole, also those that the kernel
// makes of what a network card has received: datagrams of one sender, alike in size,
// that came closely one after another (UDP_GRO, Linux 5.0). That is so in a flood from one port,
// in an answer of several packets, and with a peer that asks a lot.
//
// What arrives is the same as without, and so is what is counted, but for drops by the kernel,
// where a train is one. A train that is refused, for whatever reason, is sent again as single
// datagrams, of which the kernel then says what it would have said. It refuses one where the path's
// MTU is below the size of a segment with its headers (EMSGSIZE; EINVAL before Linux 6.14), for it
// does not fragment segments: alone they leave as below (Path MTU).
//
// EIO, where a device computes no checksums or IPsec transforms the packets, and EOPNOTSUPP, in
// sandboxes, end trains on a socket for good; 64 rejections for their path in a row end them for the
// next 10,000 batches that could have had some. Linux 7.0.0 to 7.1.4 are given none: for some
// network cards they write wrong lengths into them. [Info] has the reason where there are none from
// the beginning.
//
// # Local addresses
//
// A socket of all addresses tells at which of them a datagram has arrived (Rx.Local), and sends
// from one of them (Tx.CommitFrom), so that answers leave from the address that was asked.
// Addresses are numbers of a bounded table of the group. A datagram whose address the host has lost
// leaves from the one that the system chooses, and is counted. GSO batches have one local address,
// as well as one peer.
//
// # Path MTU
//
// IPv4 datagrams leave in one piece whatever ICMP messages say, which anybody can forge, unless the
// interface itself takes no more: with the DF bit, and for a while without it after the system has
// refused one that is larger than the path MTU, so that routers may fragment it.
//
// # Ownership
//
//   - An Rx or Tx belongs to one goroutine at a time.
//   - A slice from Rx.Packet or Tx.Buffer is valid until the next ReadBatch,
//     WriteBatch or Reset of the batch it came from. Copy what has to live longer.
//   - ReadBatch of one Conn is called by one goroutine at a time. WriteBatch is
//     safe for concurrent use, each caller with a Tx of its own.
//   - The Group owns its sockets. Closing it ends every ReadBatch.
//
// # Counting
//
// Every datagram that was handed over ends in exactly one counter of
// [ConnStats]: delivered, or dropped for a named cause. Errors that a network
// can cause never end reading or writing.
package fastpath
