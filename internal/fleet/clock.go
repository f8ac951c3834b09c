package fleet

import (
	"sync/atomic"
	"time"
)

var (
	clockStart = time.Now()
	clockShift atomic.Int64 // nanoseconds by which the wall clock has run ahead
)

// fallbackNow returns monotonic time that also passes while the machine is suspended: it is never
// behind the wall clock. A wall clock that is set forward makes leases end early, and one that is
// set back changes nothing.
func fallbackNow() time.Duration {
	t := time.Now()
	elapsed := t.Sub(clockStart)
	ahead := int64(t.Round(0).Sub(clockStart.Round(0)) - elapsed)
	for {
		shift := clockShift.Load()
		if ahead <= shift {
			return elapsed + time.Duration(shift)
		}
		if clockShift.CompareAndSwap(shift, ahead) {
			return elapsed + time.Duration(ahead)
		}
	}
}
