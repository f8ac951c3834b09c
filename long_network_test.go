package discv5

import "testing"

// longNetwork skips all but the first of several simulated hours under the race detector: they run
// the same code, and take it minutes.
func longNetwork(t *testing.T, first bool) {
	t.Helper()
	if raceEnabled && !first {
		t.Skip("the race detector makes it take long, and the first case runs the same code")
	}
}
