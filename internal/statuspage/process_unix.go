//go:build unix

package statuspage

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that the process has taken. ok is false where it is not known.
func cpuTime() (t time.Duration, ok bool) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
