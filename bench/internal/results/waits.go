package results

import "time"

// Waits are latencies of lone exchanges, round by round. One percentile over all of them would be
// that of the round in which the machine did something else.
type Waits struct {
	p50, p99 []float64
}

// Add adds those of a round, in rising order. An empty list does not count as a round.
func (w *Waits) Add(list []time.Duration) {
	if len(list) > 0 {
		w.p50, w.p99 = append(w.p50, Percentile(list, 50)), append(w.p99, Percentile(list, 99))
	}
}

// Wait fills in medians and quartiles over the rounds.
func (r *Row) Wait(w *Waits) {
	_, r.P50, _ = Quartiles(w.p50)
	r.P99Low, r.P99, r.P99High = Quartiles(w.p99)
}

// Slower reports whether r's p99 is above that of o beyond what differs from round to round: three
// of four rounds of r are above three of four rounds of o. Files of version 1 do not have it: their
// p99 is that of one round.
func (r *Row) Slower(o *Row) bool { return o.P99 > 0 && r.P99Low > o.P99High && o.P99High > 0 }
