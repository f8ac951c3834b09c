package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// tolerance is by how much a series may rise between the second and the last quarter of a run: by a
// part of itself and by a number.
type tolerance struct {
	part, more float64
}

// fewest is how many samples each quarter must have for a judgement.
const fewest = 10

// grows is the rule: a series grows if the median of the last quarter of its samples is above that
// of the second quarter by more than the tolerance. The first quarter is warm-up: caches, tables
// and pools fill.
func grows(series []float64, tol tolerance) (early, late float64, err error) {
	n := len(series)
	if n < 4*fewest {
		return 0, 0, nil
	}
	early, late = median(series[n/4:n/2]), median(series[n-n/4:])
	if most := early*(1+tol.part) + tol.more; late > most {
		err = fmt.Errorf("grew from %.6g to %.6g, at most %.6g is allowed", early, late, most)
	}
	return early, late, err
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// served is the rule for answers: 99 of 100.
func served(answered, sent uint64) bool { return sent > 0 && answered*100 >= sent*99 }

func TestServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answered, sent uint64
		want           bool
	}{{100, 100, true}, {99, 100, true}, {98, 100, false}, {9_899, 10_000, false}, {9_900, 10_000, true}, {0, 0, false}, {0, 1, false}} {
		if got := served(c.answered, c.sent); got != c.want {
			t.Errorf("%d answers to %d requests: %v", c.answered, c.sent, got)
		}
	}
}

// The rule passes what is flat or has settled, however noisy, and finds a slow leak in the same
// noise.
func TestRule(t *testing.T) {
	t.Parallel()
	const n = 1200
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(width float64) float64 { return (r.Float64() - 0.5) * width }
	tol := tolerance{part: 0.1, more: 4}
	for _, c := range []struct {
		name string
		at   func(i int) float64
		want bool
	}{
		{"flat", func(int) float64 { return 60 }, false},
		{"zero", func(int) float64 { return 0 }, false},
		{"noise", func(int) float64 { return 60 + noise(40) }, false},
		{"saw of a garbage collector", func(i int) float64 { return 40 + float64(i%17)*2 }, false},
		{"warm-up in the first quarter", func(i int) float64 { return 20 + 40*min(1, float64(i)/(n/4)) }, false},
		{"single spikes", func(i int) float64 {
			if i%10 == 9 {
				return 500
			}
			return 60
		}, false},
		{"falls", func(i int) float64 { return 100 - float64(i)/n*50 + noise(10) }, false},
		{"within the tolerance", func(i int) float64 { return 60 + 6*float64(i)/n }, false},
		{"slow leak", func(i int) float64 { return 60 + 24*float64(i)/n }, true},
		{"slow leak in noise", func(i int) float64 { return 60 + 30*float64(i)/n + noise(20) }, true},
		{"leak under a saw", func(i int) float64 { return 40 + float64(i%17)*2 + 40*float64(i)/n }, true},
		{"a step at three fifths", func(i int) float64 {
			if i > n*3/5 {
				return 80
			}
			return 60
		}, true},
		{"leak from nothing", func(i int) float64 { return 12 * float64(i) / n }, true},
	} {
		series := make([]float64, n)
		for i := range series {
			series[i] = c.at(i)
		}
		early, late, err := grows(series, tol)
		if (err != nil) != c.want {
			t.Errorf("%s: from %.1f to %.1f, growth found: %v", c.name, early, late, err)
		}
	}
	if _, _, err := grows([]float64{1, 2, 3, 1000}, tol); err != nil {
		t.Errorf("four samples are judged: %v", err)
	}
	if m := median([]float64{5, 1, 3}); m != 3 {
		t.Errorf("median of 1, 3, 5 is %v", m)
	}
	if m := median([]float64{5, 1, 3, 4}); m != 3.5 {
		t.Errorf("median of 1, 3, 4, 5 is %v", m)
	}
}

// lost returns how many of the datagrams that were sent the kernel dropped. Its own counter takes a
// GRO batch for one; where it is 0, the rest was only not read yet.
func lost(sent, read, counter uint64) uint64 {
	if counter == 0 {
		return 0
	}
	return max(counter, max(sent, read)-read)
}

func TestLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sent, read, counter, want uint64 }{
		{1000, 1000, 0, 0}, {1000, 990, 0, 0}, {1000, 370, 10, 630}, {1000, 990, 10, 10}, {1000, 1003, 2, 2},
	} {
		if got := lost(c.sent, c.read, c.counter); got != c.want {
			t.Errorf("%d sent, %d read, the kernel counts %d: %d lost, want %d", c.sent, c.read, c.counter, got, c.want)
		}
	}
}
