// Package chaos runs nodes and bootnodes on real sockets in networks that go wrong: packets are
// lost, late, out of order, twice there or altered; addresses, ports, routes and interfaces come
// and go; buffers, descriptors and disks are full; processes are killed and stopped. It has tests
// only. make chaos runs them; without DISCV5_CHAOS=1 in the environment they are skipped.
// docs/CHAOS.md says what each of them asks for, and what it measured.
//
// # Glossary
//
//   - host: a network namespace with one interface, a TUN device. Nodes and processes run on hosts,
//     with the sockets, the IP stack and the routing table of the kernel
//   - fabric: what lies between the hosts. It reads the packets that the kernel of one host sends,
//     and writes them to another host, late, twice or not at all, as its faults say; or it answers
//     with ICMP like a router
//   - fault: what the fabric, or tc in the netem tests, does to packets
//   - mesh: a bootnode process and nodes around it, each on a host of its own
//   - load: API calls that nodes make of each other without a pause, and the account of how they
//     ended
//
// # Who owns what
//
// A namespace has no name. It belongs to one thread of the test process and goes with it, so that
// nothing is left behind even if the tests are killed; so do the processes that were started in it.
// A fabric is the only way out of its hosts: no packet reaches an interface of the machine, and
// none of those is touched.
package chaos
