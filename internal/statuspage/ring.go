package statuspage

import "time"

// ringPoints is the number of points that a ring holds, and a chart shows.
const ringPoints = 180

// Times between two points of a ring. The rings hold an hour and a day.
const (
	hourStep = time.Hour / ringPoints
	dayStep  = 24 * time.Hour / ringPoints
)

// series is one value of the samples; it indexes points.
type series int

const (
	packetsIn series = iota // a second, as all rates
	packetsOut
	handshakes
	drops
	sessions
	liveNodes
	peers      // distinct peers of the last hour
	latencyMid // median time of accepted handshakes, in seconds
	latencyTop // 99 % of them took less
	cpu        // processors in use
	memory     // bytes
	numSeries
)

// seriesNames are the names in JSON.
var seriesNames = [numSeries]string{
	"packets_in", "packets_out", "handshakes", "drops", "sessions", "live_nodes", "peers", "handshake_p50", "handshake_p99", "cpu", "memory",
}

// point has the mean and the largest value of each series over a step. A series without a value,
// such as a latency if there was no handshake, is below zero.
type point struct {
	mean, max [numSeries]float32
}

// ring holds the newest points, each of one step. Its size is fixed: 16 KiB.
type ring struct {
	step   time.Duration
	points [ringPoints]point
	next   int       // where the next point goes
	count  int       // points so far, at most ringPoints
	end    time.Time // of the newest point

	// The point that is being summed up.
	sum     [numSeries]float64
	max     [numSeries]float64
	samples [numSeries]int
	since   time.Time
}

// add takes a sample, and ends the point if its step has passed. It reports whether it did.
func (r *ring) add(now time.Time, sample *[numSeries]float64) bool {
	if r.since.IsZero() {
		r.since = now
	}
	for i, v := range sample {
		if v >= 0 {
			r.sum[i] += v
			r.max[i] = max(r.max[i], v)
			r.samples[i]++
		}
	}
	if now.Sub(r.since) < r.step {
		return false
	}
	p := &r.points[r.next]
	for i, n := range r.samples {
		p.mean[i], p.max[i] = -1, -1
		if n > 0 {
			p.mean[i], p.max[i] = float32(r.sum[i]/float64(n)), float32(r.max[i])
		}
	}
	r.next = (r.next + 1) % ringPoints
	r.count = min(r.count+1, ringPoints)
	r.end, r.since = now, now
	r.sum, r.max, r.samples = [numSeries]float64{}, [numSeries]float64{}, [numSeries]int{}
	return true
}

// all returns the points, oldest first.
func (r *ring) all() []*point {
	list := make([]*point, 0, r.count)
	for i := range r.count {
		list = append(list, &r.points[(r.next-r.count+i+ringPoints)%ringPoints])
	}
	return list
}

// peak returns the largest value of a series, with that of the point that is being summed up.
func (r *ring) peak(s series) float64 {
	top := r.max[s]
	for _, p := range r.all() {
		top = max(top, float64(p.max[s]))
	}
	return top
}
