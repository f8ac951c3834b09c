//go:build !race

package limits

// scale divides the size of tests that only one goroutine runs.
const scale = 1
