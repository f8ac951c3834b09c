// Package fleet lets several processes share what they learn through NATS JetStream: bootnodes and
// crawlers, of one operator.
//
// # Connection
//
// A Conn is the connection of a process to the servers of its fleet. Open does not wait for a
// server: the connection comes and goes in the background, and State tells which. Every call has a
// deadline, and fails while there is no server. Nothing is queued for a server that is away, so a
// fleet that is slow, full or unreachable costs no memory.
//
// # Trust
//
// The servers belong to the operator, who protects them with credentials and TLS. We trust them to
// speak the protocol of NATS, and nothing more. A node contacts only the servers that the operator
// named, and none that a server names. It treats everything that other members have written like
// data from an unverified source.
package fleet
