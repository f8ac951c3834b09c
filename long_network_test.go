package discv5

import "testing"

// longNetwork skips simulated hours under the race detector, which makes them take minutes. A first
// one of several that run the same code stays.
func longNetwork(t *testing.T, first bool) {
	t.Helper()
	if raceEnabled && !first {
		t.Skip("the race detector makes it take long, and TestAddressStaysInQuietNetwork runs the same code")
	}
}
