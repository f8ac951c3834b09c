package monotime

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	c := NewClock()
	last := c.Now()
	if last < 0 {
		t.Errorf("starts at %v", last)
	}
	for range 1000 {
		now := c.Now()
		if now < last {
			t.Fatalf("went back from %v to %v", last, now)
		}
		last = now
	}
	if d := c.At(last + time.Hour).Sub(c.At(last)); d != time.Hour {
		t.Errorf("At: an hour is %v", d)
	}
	if until := time.Until(c.At(c.Now() + time.Hour)); until > time.Hour {
		t.Errorf("a deadline in an hour is %v away", until)
	}
	copied := c
	if copied.At(0) != c.At(0) {
		t.Error("a copy tells another time")
	}
	if n := testing.AllocsPerRun(100, func() { c.Now() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkClock is one reading of the clock.
func BenchmarkClock(b *testing.B) {
	c := NewClock()
	for b.Loop() {
		c.Now()
	}
}
