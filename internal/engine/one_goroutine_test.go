package engine

import "testing"

// oneGoroutine skips a long test under the race detector. Its engines run in one goroutine: the
// detector has nothing to find there, and makes it take ten times as long.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("all of it runs in one goroutine, and the race detector makes it take long")
	}
}
