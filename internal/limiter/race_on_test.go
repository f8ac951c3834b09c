//go:build race

package limiter

// scale divides the size of single-goroutine tests, because the race detector makes atomic loads
// slow.
const scale = 20
