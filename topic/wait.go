package topic

import (
	"math"
	"time"
)

// never is a duration that no clock reaches. It is far from overflow: times can be added to it.
const never = time.Duration(math.MaxInt64 / 4)

// pressure is what the waiting time of an ad depends on.
type pressure struct {
	ads    int // in the cache: c
	same   int // of the ad's topic: c(s)
	points uint8
	levels uint8
}

// formula computes waiting times (discv5-theory.md, Waiting-Time Function):
//
//	w = E · (1 − c/C)^(−Pocc) · ( c(s)/c + score + G )
//
// It keeps the occupancy factor of the last c: the number of ads changes with every admission and
// expiry, and there are many more requests than those.
type formula struct {
	lifetime float64 // E in nanoseconds, times the scale
	capacity float64
	exponent float64
	safety   float64

	ads  int
	base float64 // of ads
}

func newFormula(c *Config) formula {
	f := formula{
		lifetime: float64(c.Lifetime) * c.WaitScale,
		capacity: float64(c.Capacity),
		exponent: c.Exponent,
		safety:   c.Safety,
	}
	f.base = f.lifetime
	return f
}

// components are the parts of a waiting time that have lower bounds of their own, and the rest.
type components struct {
	topic, address, safety time.Duration
}

// of returns the components. They saturate at never. p.ads must be less than the capacity.
func (f *formula) of(p pressure) (c components) {
	if p.ads != f.ads {
		f.ads = p.ads
		f.base = f.lifetime / power(1-float64(p.ads)/f.capacity, f.exponent)
	}
	if p.ads > 0 {
		c.topic = saturate(f.base * float64(p.same) / float64(p.ads))
	}
	if p.points > 0 {
		c.address = saturate(f.base * float64(p.points) / float64(p.levels))
	}
	c.safety = saturate(f.base * f.safety)
	return c
}

// power returns x to the exponent. It multiplies where the exponent is a small integer, as the
// specification's is: each admission needs a power, and math.Pow takes several times as long.
func power(x, exponent float64) float64 {
	n := uint(exponent)
	if float64(n) != exponent || n > 64 {
		return math.Pow(x, exponent)
	}
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			y *= x
		}
		x *= x
	}
	return y
}

// saturate converts nanoseconds.
func saturate(ns float64) time.Duration {
	if ns < float64(never) {
		return time.Duration(ns)
	}
	return never // also for what is no number, where the occupancy factor is infinite
}

// add adds durations that are at most never.
func add(a, b time.Duration) time.Duration { return min(a+b, never) }

// millis returns d in whole milliseconds, rounded up.
func millis(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
