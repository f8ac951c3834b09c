// Package bench measures what spans packages or needs another implementation beside this one. It has no code of its own:
//
//   - cmd/perf compares this node with a bare echo server and with go-ethereum, end to end through the kernel
//   - internal/serve is the measured side, one child process for each server
//   - internal/drive is the load: handshakes, requests that are sealed ahead of time, and a closed loop
//
// Benchmarks of one package lie beside it. This module is separate because the product does not depend on go-ethereum.
// It runs on Linux: CPUs are bound and bursts are sent by its system calls.
package bench
