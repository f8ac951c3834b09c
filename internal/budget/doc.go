// Package budget limits the packets that a node sends to endpoints that have not answered it, so
// that nobody can direct the node's packets at a third party.
//
// # Terminology
//
//	endpoint     an IP address and a UDP port
//	proof        the fact that an endpoint has answered this node within ProofLife
//	destination  an address that packets go to; on loopback, where all nodes of a test share one
//	             address, each endpoint is a separate destination
//	namer        the party from which this node learned of a destination: a peer that returned a
//	             record, or a node that stated its own endpoint
//	grant        the packets and bytes that a namer has sent in the message that named a
//	             destination; they pay for probes
//	probe        a packet to an endpoint without a proof
//	site, wide   the prefixes of package netaddr: a /24 or /48, and a /16 or /32
//
// # Rules
//
// A packet to an endpoint with a proof is free. Any other packet must be within all of these
// limits:
//
//   - The rates of its destination, site and wide prefix: MaxPerSecond, MaxSitePerSecond and
//     MaxWidePerSecond. Site and wide prefixes count for global addresses only: private networks
//     have few prefixes, and a public peer cannot name an address in one.
//   - If it has a namer: one probe for each node ID that the site of the namer names at the
//     destination. Another one may follow after FirstPause, and the pause doubles with each.
//   - If a grant pays for it: no more packets to one destination or one site than the namer has
//     sent, and no more bytes in total.
//
// Requests of the operator have a separate rate, MaxOperatorPerSecond, and no other limit.
//
// # Memory
//
// All tables have a fixed size and a secret hash seed. A full rate table refuses the packet. A full
// table of proofs or probes forgets the oldest entry of one set: an endpoint that loses its proof
// is probed, which restores the proof.
package budget
