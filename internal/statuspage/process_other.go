//go:build !unix

package statuspage

import "time"

// cpuTime returns the processor time that the process has taken. ok is false where it is not known.
func cpuTime() (t time.Duration, ok bool) { return 0, false }
