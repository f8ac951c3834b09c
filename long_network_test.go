package discv5

import "testing"

// longNetwork skips a simulated network under the race detector, which makes it take minutes. A
// first one of several that run the same code stays.
func longNetwork(t *testing.T, first bool) {
	t.Helper()
	if raceEnabled && !first {
		t.Skip("the race detector makes it take long, and a test before it runs the same code")
	}
}
