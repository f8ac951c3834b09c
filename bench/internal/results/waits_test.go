package results

import (
	"testing"
	"time"
)

// One round in which the machine stood still does not make the p99 of all.
func TestWaits(t *testing.T) {
	round := func(low, high time.Duration) (list []time.Duration) {
		for i := range 100 {
			list = append(list, low+time.Duration(i)*time.Microsecond/10)
		}
		return append(list, high, high)
	}
	w := new(Waits)
	for _, high := range []time.Duration{30, 31, 32, 33, 900_000} {
		w.Add(round(10*time.Microsecond, high*time.Microsecond))
	}
	w.Add(nil)
	var r Row
	r.Wait(w)
	if r.P50 < 14 || r.P50 > 16 || r.P99 != 32 || r.P99Low != 31 || r.P99High != 33 {
		t.Errorf("%+v", r)
	}
	if better := (Row{P99: 29, P99Low: 28, P99High: 30.5}); !r.Slower(&better) || better.Slower(&r) {
		t.Error("31 to 33 is not above 28 to 30.5")
	}
	if old := (Row{P99: 5}); r.Slower(&old) {
		t.Error("slower than a p99 of one round")
	}
}
