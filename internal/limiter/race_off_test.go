//go:build !race

package limiter

// scale divides the size of single-goroutine tests.
const scale = 1
