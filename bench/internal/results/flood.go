package results

import "time"

// Rates of junk that are not numbers of packets.
const (
	NoJunk    = 0
	FullSpeed = -1 // as fast as a CPU can send
)

// JunkRates are those that are measured. Every server can take the first one; this node, on a CPU
// of its own, also the second, and the third if it comes in GSO batches.
func JunkRates() []int { return []int{NoJunk, 10_000, 100_000, 400_000, FullSpeed} }

// FloodServers are those that are measured beside junk: not the TypeScript node, which a hundredth
// of it keeps busy.
func FloodServers() []string { return []string{Own, Single, Geth, Rust} }

// Flood is what established sessions got from a server, beside so much junk.
type Flood struct {
	Server   string
	Junk     int     // packets in a second that were asked for, NoJunk, or FullSpeed
	Sessions int     // that are steady
	Rate     float64 // their requests in a second, by a schedule

	// Medians over the rounds, and quartiles.
	Answered    float64 // part of the requests, 0 to 1
	AnsweredLow float64
	P50, P99    float64 // µs, of the answered ones, from the time at which they should have left
	P99Low      float64
	P99High     float64
	Lag         float64 // µs: p99 of how late they left, which latency includes
	Sent        float64 // junk that left in a second
	// part of all datagrams, 0 to 1, that the kernel had no room for at the server's socket
	Dropped float64
	Samples []FloodSample
}

// FloodSample is one slice.
type FloodSample struct {
	Asked, Answered uint64
	P50, P99, Lag   float64 // µs
	Junk            int
	Dropped         uint64
	Elapsed         time.Duration // of the junk, or of the requests where there was none
}

// Sum fills in what follows from the samples.
func (f *Flood) Sum() {
	all := func(value func(FloodSample) float64) (low, mid, high float64) {
		list := make([]float64, len(f.Samples))
		for i, s := range f.Samples {
			list[i] = value(s)
		}
		return Quartiles(list)
	}
	f.AnsweredLow, f.Answered, _ = all(func(s FloodSample) float64 { return float64(s.Answered) / float64(max(s.Asked, 1)) })
	_, f.P50, _ = all(func(s FloodSample) float64 { return s.P50 })
	f.P99Low, f.P99, f.P99High = all(func(s FloodSample) float64 { return s.P99 })
	_, f.Lag, _ = all(func(s FloodSample) float64 { return s.Lag })
	_, f.Sent, _ = all(func(s FloodSample) float64 { return float64(s.Junk) / max(s.Elapsed.Seconds(), 1e-9) })
	_, f.Dropped, _ = all(func(s FloodSample) float64 {
		return float64(s.Dropped) / float64(max(s.Asked+uint64(s.Junk), 1))
	})
}

// leastRounds is how many rounds tell what differs from round to round.
const leastRounds = 3

// Slower is Row.Slower for steady sessions. A server that answers nobody is not faster.
func (f *Flood) Slower(o *Flood) bool {
	return min(len(f.Samples), len(o.Samples)) >= leastRounds && o.P99Low > 0 && f.P99Low > o.P99High
}

// Flooded returns the figures of a server, or nil.
func (f *File) Flooded(server string, junk int) *Flood {
	for i := range f.Flood {
		if x := &f.Flood[i]; x.Server == server && x.Junk == junk {
			return x
		}
	}
	return nil
}
