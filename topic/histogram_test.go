package topic

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Each wait and each occupancy is counted in the first element whose bound it does not exceed.
func TestHistograms(t *testing.T) {
	for _, tt := range []struct {
		wait time.Duration
		want int
	}{
		{0, 0}, {time.Nanosecond, 0}, {time.Second, 0}, {time.Second + 1, 1}, {2 * time.Second, 1}, {2*time.Second + 1, 2},
		{15 * time.Minute, 10}, {4096 * time.Second, 12}, {4096*time.Second + 1, 13}, {never, 13},
	} {
		var h WaitHistogram
		if h.add(tt.wait); h.Counts[tt.want] != 1 || h.Sum != tt.wait {
			t.Errorf("%v: %+v, want element %d", tt.wait, h, tt.want)
		}
	}
	for i := range NumWaitBounds {
		if WaitBound(i) != time.Second<<i {
			t.Errorf("bound %d is %v", i, WaitBound(i))
		}
	}
	for _, capacity := range []int{1, 7, 20, 1000, 100_000} {
		for range 200 {
			ads := rand.IntN(capacity + 1)
			var h OccupancyHistogram
			h.add(ads, capacity)
			for i, n := range h {
				low, high := float64(i)/NumOccupancyBounds, float64(i+1)/NumOccupancyBounds
				share := float64(ads) / float64(capacity)
				if in := share <= high && (share > low || i == 0); (n == 1) != in {
					t.Fatalf("%d of %d ads: element %d is %d", ads, capacity, i, n)
				}
			}
		}
	}
}

// The registrar counts what it quotes and admits, and how full it was.
func TestRegistrarHistograms(t *testing.T) {
	r := mustRegistrar(t, Config{})
	top := Of("x")
	r.Register(0, request(top, signed(t, 1, 1, "9.0.0.1")))
	v := r.Register(0, request(top, signed(t, 2, 1, "8.0.0.1")))
	if v.Result != Waiting {
		t.Fatalf("%v", v.Result)
	}
	s := r.Stats()
	admitted, quoted, decided := uint64(0), uint64(0), uint64(0)
	for _, n := range s.Waited.Counts {
		admitted += n
	}
	for _, n := range s.Quoted.Counts {
		quoted += n
	}
	for _, n := range s.Occupancy {
		decided += n
	}
	if admitted != 1 || quoted != 1 || decided != 2 || s.Quoted.Sum != v.Wait || s.Waited.Sum != 0 {
		t.Errorf("%+v, %+v, %v", s.Waited, s.Quoted, s.Occupancy)
	}
}
