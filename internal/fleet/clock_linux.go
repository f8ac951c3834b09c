package fleet

import (
	"time"

	"golang.org/x/sys/unix"
)

// now reads CLOCK_BOOTTIME. Go's own monotonic clock stands still while the machine is suspended,
// so a lease would still look valid after a resume.
func now() time.Duration {
	var ts unix.Timespec
	// never on Linux 2.6.39 and later
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return fallbackNow()
	}
	return time.Duration(ts.Nano())
}
