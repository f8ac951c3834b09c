// Package filter runs nodes with a source filter (package fastpath/filter) between network
// namespaces: junk and peers arrive over a pair of virtual Ethernet interfaces. It has tests only,
// which need root and the command ip; without them they are skipped.
//
// TestFlood measures how many requests of peers with sessions are answered next to a flood. It runs
// with DISCV5_FLOOD=1 in the environment: make flood.
//
// # Glossary
//
//   - host: a network namespace. The node lives on the host "node", peers and junk come from the
//     host "net"
//   - live frames: packets that the kernel makes for an XDP program that the test runs
//     (BPF_PROG_RUN), and that arrive like those of a network card
package filter
