package fleet

import (
	"testing"
	"time"
)

// TestClocks: both clocks run at the rate of time, do not fall back, and cost little.
func TestClocks(t *testing.T) {
	for name, clock := range map[string]func() time.Duration{"system": now, "fallback": fallbackNow} {
		t.Run(name, func(t *testing.T) {
			before := time.Now()
			begin := clock()
			start := time.Now()
			for last := begin; time.Since(start) < 50*time.Millisecond; {
				at := clock()
				if at < last {
					t.Fatalf("the clock fell from %v to %v", last, at)
				}
				last = at
			}
			least := time.Since(start)
			passed := clock() - begin
			if most := time.Since(before); passed < least-5*time.Millisecond || passed > most+5*time.Millisecond {
				t.Errorf("%v passed, want %v to %v", passed, least, most)
			}
			if n := testing.AllocsPerRun(100, func() { clock() }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func BenchmarkValid(b *testing.B) {
	t := &Tenure{l: &Lease{now: now}}
	t.deadline.Store(1 << 62)
	for b.Loop() {
		if !t.Valid() {
			b.Fatal("not valid")
		}
	}
}
