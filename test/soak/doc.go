// Package soak loads nodes for a long time, and floods them, on the loopback interface. It has
// tests only. go test ./test/soak runs a short form of each. DISCV5_SOAK=1h in the environment, or
// make soak SOAKTIME=1h, sets how long the soak is, DISCV5_SOAK_FLOOD how long each flood.
// docs/SOAK.md has the rules and what was measured.
//
// # Glossary
//
//   - soak: a bootnode process under mixed load for a chosen time, and the question whether
//     anything in it grows
//   - flood: load that a node must survive while it serves others
//   - steady: the generator whose sessions have to be served, whatever else arrives
//   - sample: figures of the node at one instant
//   - series: one figure of all samples, in the order of time
//
// # Who owns what
//
// A test owns the bootnode process, the peers and the generators that it starts, and ends all of
// them, by a signal too. Samples are taken by one goroutine. Files are written where
// DISCV5_SOAK_OUT says, otherwise into a directory that goes with the test.
package soak
