package drive

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// junkNice is the niceness of the thread that sends a flood: what else runs on its CPU, and
	// measures, comes first.
	junkNice = 10
	// junkPause is how long a flood with a rate sleeps between bursts.
	junkPause = 500 * time.Microsecond
)

// Junk sends r for the given time without waiting for answers: at the given rate in a second, or
// for 0 as fast as a CPU can. Nobody reads what comes back. r should not come to its end while
// challenges to its first ones live.
func (s *Socket) Junk(r *Requests, rate float64, d time.Duration) (sent int, err error) {
	// never unlocked: the thread ends with the goroutine, as its niceness is not to be had back
	runtime.LockOSThread()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, junkNice); err != nil {
		return 0, fmt.Errorf("niceness: %w", err)
	}
	start := time.Now()
	for {
		took := time.Since(start)
		if took >= d {
			return sent, nil
		}
		n := MaxBurst
		if rate > 0 {
			if n = min(n, int(rate*took.Seconds())-sent); n <= 0 {
				time.Sleep(junkPause)
				continue
			}
		}
		b := r.burst(n)
		if err := s.Send(b, r.Size); err != nil {
			return sent, fmt.Errorf("send: %w", err)
		}
		sent += len(b) / r.Size
	}
}
