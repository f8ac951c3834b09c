package load

import (
	"syscall"
	"time"
)

// ownUsage is the CPU time of this process. The system counts in units of 100 ns.
func ownUsage() (user, system time.Duration) {
	h, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, 0
	}
	var created, exited, kernel, own syscall.Filetime
	if syscall.GetProcessTimes(h, &created, &exited, &kernel, &own) != nil {
		return 0, 0
	}
	time100 := func(t syscall.Filetime) time.Duration {
		return 100 * time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime))
	}
	return time100(own), time100(kernel)
}
