// Package results holds the figures of a run of cmd/perf: the file that it writes, the statistics
// that go into it, and the check that nothing is missing before anybody makes a document of it.
//
// # Glossary
//
//   - slice: one short measurement of one server
//   - round: one slice of every server of a workload, one after another
//   - sample: the figures of a slice
//   - cost: CPU time of the server's process, user and system, in microseconds for each exchange
//   - ratio: the cost of a server divided by that of the echo server in the same round
//   - stage: a part of the packet path that has a Go benchmark of its own
//
// A [File] belongs to the caller that made or loaded it.
package results
