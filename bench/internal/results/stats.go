package results

import (
	"math"
	"slices"
	"time"
)

// Sample is one slice.
type Sample struct {
	Exchanges int
	Lost      int
	Elapsed   time.Duration
	CPU       time.Duration
	Allocs    uint64
	Batch     float64 // datagrams in a receive call; 0 where it is not known
	// by the kernel at the server's socket; a GRO batch is one
	Drops uint64
}

// Cost is µs of CPU for an exchange.
func (s Sample) Cost() float64 { return Micros(s.CPU) / float64(max(s.Exchanges, 1)) }

// Micros is d in microseconds.
func Micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Quartiles of list, with linear interpolation. Zeros for an empty one.
func Quartiles(list []float64) (low, mid, high float64) {
	if len(list) == 0 {
		return 0, 0, 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	at := func(q float64) float64 {
		x := q * float64(len(list)-1)
		i := int(x)
		j := min(i+1, len(list)-1)
		return list[i] + (x-float64(i))*(list[j]-list[i])
	}
	return at(0.25), at(0.5), at(0.75)
}

// Costs of samples.
func Costs(list []Sample) []float64 {
	costs := make([]float64, len(list))
	for i, s := range list {
		costs[i] = s.Cost()
	}
	return costs
}

// Ratios divides the costs of two servers round by round, so that what else the machine did in a
// round meets both. Rounds that one of them does not have, or that found nothing, are left out.
func Ratios(list, base []Sample) []float64 {
	var ratios []float64
	for i := range min(len(list), len(base)) {
		if r := list[i].Cost() / base[i].Cost(); !math.IsNaN(r) && !math.IsInf(r, 0) && list[i].Exchanges > 0 && base[i].Exchanges > 0 {
			ratios = append(ratios, r)
		}
	}
	return ratios
}

// Against fills in the ratio to the echo server.
func (r *Row) Against(echo []Sample) {
	r.RatioLow, r.Ratio, r.RatioHigh = Quartiles(Ratios(r.Samples, echo))
}

// Sum fills in what follows from the samples.
func (r *Row) Sum() {
	var rates, batches []float64
	var allocs uint64
	r.Exchanges, r.Lost = 0, 0
	for _, s := range r.Samples {
		if s.Elapsed > 0 {
			rates = append(rates, float64(s.Exchanges)/s.Elapsed.Seconds())
		}
		batches = append(batches, s.Batch)
		allocs += s.Allocs
		r.Exchanges += s.Exchanges
		r.Lost += s.Lost
	}
	r.Low, r.Median, r.High = Quartiles(Costs(r.Samples))
	_, r.Rate, _ = Quartiles(rates)
	_, r.Batch, _ = Quartiles(batches)
	if r.Allocs >= 0 {
		r.Allocs = float64(allocs) / float64(max(r.Exchanges, 1))
	}
}

// Percentile of durations that are in rising order, in µs. 0 for none.
func Percentile(list []time.Duration, percent int) float64 {
	if len(list) == 0 {
		return 0
	}
	return Micros(list[min(len(list)*percent/100, len(list)-1)])
}
