package filter

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// unprivileged calls do on a thread with some capabilities only.
func unprivileged(t *testing.T, do func(), keep ...int) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var some [2]unix.CapUserData
		for _, c := range keep {
			some[c/32].Effective |= 1 << (c % 32)
			some[c/32].Permitted |= 1 << (c % 32)
		}
		err := unix.Capset(&h, &some[0])
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("probed for capset: %v", err)
	}
}
