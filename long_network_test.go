package discv5

import "testing"

// longNetwork skips a simulated network under the race detector, which makes it take minutes. A
// first one of several that run the same code stays.
func longNetwork(t *testing.T, first bool) {
	t.Helper()
	if raceEnabled && !first {
		t.Skip("probed for the race detector, which makes it take minutes; make test runs it")
	}
}
