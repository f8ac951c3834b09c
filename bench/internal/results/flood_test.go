package results

import (
	"testing"
	"time"
)

// Drops of the kernel are a part of all that was sent, junk and requests; other figures are
// medians.
func TestFloodSum(t *testing.T) {
	f := Flood{Samples: []FloodSample{
		{Asked: 100, Answered: 90, P50: 1, P99: 5, Lag: 2, Junk: 300, Dropped: 100, Elapsed: time.Second},
		{Asked: 100, Answered: 50, P50: 3, P99: 7, Lag: 4, Junk: 500, Dropped: 300, Elapsed: time.Second},
		{Asked: 100, Answered: 70, P50: 2, P99: 6, Lag: 3, Junk: 400, Dropped: 200, Elapsed: time.Second},
	}}
	f.Sum()
	if f.Answered != 0.7 || f.AnsweredLow != 0.6 || f.P50 != 2 || f.P99 != 6 || f.P99Low != 5.5 || f.P99High != 6.5 || f.Lag != 3 || f.Sent != 400 || f.Dropped != 0.4 {
		t.Errorf("%+v", f)
	}
}
