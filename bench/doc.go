// Package bench measures what spans packages or needs another implementation beside this one. It
// has no code of its own:
//
//   - cmd/perf compares this node with a bare echo server and with go-ethereum, the Rust crate
//     discv5 and @chainsafe/discv5, end to end through the kernel; it also measures how this node's
//     cost grows, and runs the Go benchmarks of the stages
//   - cmd/perfdoc makes PERF.md and its pictures from what cmd/perf has found
//   - cmd/perfmany measures exchanges with many peers that have one packet each, by
//     internal/manypeers: XDP live frames over veth pairs in namespaces of its own
//   - internal/serve is the measured side, one child process for each server
//   - internal/foreign builds the servers of other languages
//   - package internal/load of the module above is the load: the engine of cmd/loadgen
//   - internal/results is the file of figures, the statistics, and the check that nothing is
//     missing
//   - internal/document makes text, tables and pictures
//
// The way of a figure:
//
//	cmd/perf -> results/latest.json -> cmd/perfdoc -> ../PERF.md, ../docs/img/perf-*.svg
//	                  perf.md.tmpl ----^   what people write
//
//	make perf         all of it
//	make bench-diff   the Go benchmarks against results/bench.txt, by benchstat
//
// Benchmarks of one package lie beside it. This module is separate because the product does not
// depend on go-ethereum. It runs on Linux: CPUs are bound and bursts are sent by its system calls.
package bench
