// Command bootnode is a node of the Node Discovery Protocol v5.1 that others start from. It needs
// no configuration: it makes its key, prints its record on the first line of standard output, and
// runs until it gets SIGINT or SIGTERM.
//
//	bootnode --addr 0.0.0.0:9000 --extip 203.0.113.7 --http 127.0.0.1:6060
//
// Its log goes to standard error. What it has to remember is in its data directory:
//
//	nodekey    the private key, 64 hexadecimal digits, readable by its owner alone
//	nodes.db   its own record and the nodes it knows; see package internal/store
//
// docs/OPERATING.md is for those who run it.
//
// # Glossary
//
//   - setting: a flag, an environment variable DISCV5_NAME or a key of the configuration file; all
//     have the same name
//   - source: an entry of the bootnodes: a contact, a host name, or a list in DNS (enrtree://)
//   - seed: a node of the last run, out of nodes.db
//   - mapping: what a router was asked for with --nat
//
// # Signals
//
//	SIGINT, SIGTERM  save and stop; a second one stops at once
//	SIGHUP           read bootnodes, bans, networks and log level anew
//
// # Exit codes
//
//	0  stopped by a signal, --help, --version, --print-config, --check-config
//	1  could not start, or a socket failed, or the last save did; one line on standard error says why
//	2  a setting is wrong
//
// # Who owns what
//
// serve makes everything and takes it down in the opposite order. Goroutines: watch saves and
// reports; finder asks DNS; reloader waits for SIGHUP; one for each nat.Mapper; those of the HTTP
// server. None is on a packet's way: they read what the node publishes. The store is written by
// watch, and by whoever changes the node's own record.
package main
