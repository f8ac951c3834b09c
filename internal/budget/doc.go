// Package budget governs the packets that a node sends to endpoints that have not answered it, so
// that nobody can aim the node at a third party.
//
// # Terminology
//
//	endpoint     an IP address and a UDP port.
//	proof        an endpoint has answered this node within ProofLife.
//	destination  an address that packets go to. On loopback, where all nodes of a test share one
//	             address, each endpoint is a destination of its own.
//	namer        the party from which this node learned of a destination: a peer that handed out a
//	             record, or a node that stated its own endpoint.
//	grant        the packets and bytes that a namer has sent in the message that named a
//	             destination. They pay for probes.
//	probe        a packet to an endpoint without a proof.
//	site, wide   the prefixes of package netaddr: a /24 or /48, and a /16 or /32.
//
// # Rules
//
// A packet to an endpoint with a proof is free. Any other packet passes all of these limits:
//
//   - The rates of its destination, site and wide prefix: MaxPerSecond, MaxSitePerSecond and
//     MaxWidePerSecond. Site and wide prefixes count for global addresses only: private networks
//     have few prefixes, and a public peer cannot name an address in one.
//   - If a namer is behind it: one probe for each node ID that the site of the namer names at the
//     destination. A further one may follow after FirstPause, and the pause doubles with each.
//   - If a grant pays for it: no more packets to one destination or one site than the namer has
//     sent, and no more bytes in all.
//
// Requests that the operator asks for pass a rate of their own, MaxOperatorPerSecond, and no other
// limit.
//
// # Memory
//
// All tables have a fixed size and are hashed with a secret seed. A rate table without room refuses
// the packet. A table of proofs or probes without room forgets the oldest entry of one set: an
// endpoint without its proof is probed, which restores it.
package budget
