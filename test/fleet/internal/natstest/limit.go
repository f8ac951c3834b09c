package natstest

import (
	"testing"
	"time"
)

// Pauses adds up for how long the machine stood still, or had no processor for this program.
type Pauses struct {
	stop, done chan struct{}
	total      time.Duration
}

// pauseStep is how often Pauses looks at the clock.
const pauseStep = 20 * time.Millisecond

// WatchPauses begins to add up.
func WatchPauses() *Pauses {
	p := &Pauses{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			before := time.Now()
			select {
			case <-p.stop:
				return
			case <-time.After(pauseStep):
				p.total += time.Since(before) - pauseStep
			}
		}
	}()
	return p
}

// Total ends the watch and returns the sum.
func (p *Pauses) Total() time.Duration {
	close(p.stop)
	<-p.done
	return p.total
}

// Limit returns how long something may take that takes at most a time d on a machine that does
// nothing else and stood still for some time. Short tests run beside many others, which leave them
// little of the processors.
func Limit(d, paused time.Duration) time.Duration {
	if testing.Short() {
		d *= 6
	}
	return d + 3*paused
}
