//go:build race

package limits

// scale divides the size of tests that only one goroutine runs: the race detector makes atomic
// loads dear.
const scale = 20
