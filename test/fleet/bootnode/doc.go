// Package bootnode tests fleets of bootnodes with real servers: three processes of nats-server in a
// cluster, and processes of the bootnode, all on loopback. It belongs to a module of its own, so
// that nothing else of this repository depends on the server.
package bootnode
