package interop

import (
	"testing"
	"time"
)

// eventually calls ok at each interval until it returns true, and fails the test after timeout. ok
// also describes its observation, for the failure message.
func eventually(t *testing.T, timeout, interval time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		done, seen := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v; last seen: %s", what, timeout, seen)
		}
		time.Sleep(interval)
	}
}
