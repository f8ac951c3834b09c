package results

import (
	"math"
	"slices"
	"testing"
	"time"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestQuartiles(t *testing.T) {
	for _, tt := range []struct {
		list           []float64
		low, mid, high float64
	}{
		{nil, 0, 0, 0},
		{[]float64{7}, 7, 7, 7},
		{[]float64{2, 1}, 1.25, 1.5, 1.75},
		{[]float64{5, 1, 3}, 2, 3, 4},
		{[]float64{4, 2, 1, 3}, 1.75, 2.5, 3.25},
		{[]float64{1, 2, 3, 4, 1000}, 2, 3, 4}, // one bad round moves nothing
	} {
		before := slices.Clone(tt.list)
		low, mid, high := Quartiles(tt.list)
		if !near(low, tt.low) || !near(mid, tt.mid) || !near(high, tt.high) {
			t.Errorf("Quartiles(%v) = %v, %v, %v, want %v, %v, %v", tt.list, low, mid, high, tt.low, tt.mid, tt.high)
		}
		if !slices.Equal(before, tt.list) {
			t.Errorf("Quartiles has changed the order of %v to %v", before, tt.list)
		}
	}
}

func slice(n int, cpu time.Duration) Sample {
	return Sample{Exchanges: n, CPU: cpu, Elapsed: time.Second}
}

// The ratio is that of rounds, not of medians: what disturbs a round disturbs both.
func TestRatios(t *testing.T) {
	own := []Sample{slice(100, 200*time.Microsecond), slice(100, 2000*time.Microsecond), slice(50, 100*time.Microsecond)}
	echo := []Sample{slice(100, 100*time.Microsecond), slice(100, 1000*time.Microsecond), slice(100, 100*time.Microsecond)}
	if got := Ratios(own, echo); !slices.Equal(got, []float64{2, 2, 2}) {
		t.Errorf("ratios %v, want 2 in each round", got)
	}
	r := Row{Samples: own}
	r.Against(echo)
	if r.Ratio != 2 || r.RatioLow != 2 || r.RatioHigh != 2 {
		t.Errorf("%+v", r)
	}
	for name, base := range map[string][]Sample{
		"no exchange": {slice(0, 0), slice(0, time.Second)}, "no time": {slice(10, 0)}, "no round": nil,
	} {
		if got := Ratios(own, base); len(got) != 0 {
			t.Errorf("%s: ratios %v", name, got)
		}
	}
	if got := Ratios(own[:2], echo); len(got) != 2 {
		t.Errorf("%d ratios of 2 rounds", len(got))
	}
}

func TestSum(t *testing.T) {
	r := Row{Samples: []Sample{
		{Exchanges: 1000, CPU: 4 * time.Millisecond, Elapsed: time.Second, Allocs: 10, Batch: 64, Lost: 1},
		{Exchanges: 3000, CPU: 6 * time.Millisecond, Elapsed: 2 * time.Second, Allocs: 30, Batch: 32},
		{Exchanges: 1000, CPU: 3 * time.Millisecond, Elapsed: time.Second, Batch: 64, Lost: 2},
	}}
	for range 2 { // a second time changes nothing
		r.Allocs = 0
		r.Sum()
		if r.Median != 3 || r.Low != 2.5 || r.High != 3.5 || r.Rate != 1000 || r.Batch != 64 || r.Allocs != 0.008 || r.Exchanges != 5000 || r.Lost != 3 {
			t.Errorf("%+v", r)
		}
	}
	r.Allocs = -1
	if r.Sum(); r.Allocs != -1 {
		t.Errorf("allocations that nobody knows became %v", r.Allocs)
	}
}

func TestPercentile(t *testing.T) {
	var list []time.Duration
	for i := range 200 {
		list = append(list, time.Duration(i+1)*time.Microsecond)
	}
	for _, tt := range []struct {
		n       []time.Duration
		percent int
		want    float64
	}{{nil, 50, 0}, {list, 50, 101}, {list, 99, 199}, {list, 100, 200}, {list[:1], 99, 1}} {
		if got := Percentile(tt.n, tt.percent); got != tt.want {
			t.Errorf("p%d of %d is %v, want %v", tt.percent, len(tt.n), got, tt.want)
		}
	}
}

func TestMemoryEach(t *testing.T) {
	if got := (Memory{Sessions: 10, Before: 100, After: 1100}).Each(); got != 100 {
		t.Errorf("%v bytes, want 100", got)
	}
	if got := (Memory{Sessions: 10, Before: 1100, After: 100}).Each(); got != -100 {
		t.Errorf("%v bytes, want -100: unsigned numbers must not wrap", got)
	}
}
