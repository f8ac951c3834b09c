// Package filter drops junk in the kernel, before a socket queues it. It implements
// [fastpath.SourceFilter] on Linux; elsewhere New returns a filter that does nothing and says so.
//
// # Terminology
//
//	endpoint         IP address and UDP port
//	held endpoint    one that the node has a session with, or waits for an answer from
//	unknown source   any other endpoint
//	bucket           a token bucket: it holds Burst datagrams and gains PerSecond each second
//
// # Rules
//
// The program decides about each datagram to the node in this order:
//
//	size or source impossible               drop
//	source is a held endpoint               pass
//	a bucket let the source through within
//	HandshakeTime, and it has sent at most
//	HandshakePackets since                  pass: a handshake takes several datagrams
//	bucket of the /24 or /64 is empty       drop
//	bucket of all unknown sources is empty  drop
//	otherwise                               charge both buckets, pass
//
// A datagram that one bucket refuses is not charged to the other, and takes no memory. A bucket is
// the theoretical arrival time of the generic cell rate algorithm, as in package limiter.
//
// # Memory
//
// Held endpoints have a hash table of a fixed capacity that only the node changes, so no datagram
// can evict one. Prefixes and sources with a handshake under way have tables that evict the least
// recently used entry. An entry is made only with a token of the bucket of all unknown sources, so
// a flood cannot turn a table over faster than that bucket allows.
//
// # Where it runs
//
// One program text works in three places, which differ in how it reads the headers:
//
//	xdp     before the kernel allocates anything, in the driver or, where the driver has no XDP,
//	        behind it. One XDP program fits on an interface: see Filter.XDP
//	tc      TCX, behind the driver, beside the programs of others (Linux 6.6)
//	socket  at the socket, behind the IP stack
//
// Auto takes the first one that the kernel allows on all interfaces that have an address of the
// node. The program looks at UDP datagrams to a listen address only. It handles IP options, IPv6
// extension headers and first fragments. It passes later fragments, which the kernel drops without
// the first one, tunnels and VLAN tags.
//
// Programs for sockets need CAP_BPF, for tc CAP_NET_ADMIN too, and for xdp CAP_PERFMON too, without
// which the kernel allows no arithmetic on packet pointers.
//
// All of it ends with the process: programs are attached by bpf_link, or belong to the socket.
//
// # Stability
//
// The package follows the stability promise of the module: from v1.0.0 on, semantic versioning.
package filter
