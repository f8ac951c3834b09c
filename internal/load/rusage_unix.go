//go:build unix

package load

import (
	"syscall"
	"time"
)

// ownUsage is the CPU time of this process.
func ownUsage() (user, system time.Duration) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}
