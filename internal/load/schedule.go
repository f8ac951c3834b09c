package load

import (
	"math"
	"time"

	"github.com/fastdisc/discv5/aead"
)

// schedule is the schedule of a worker in an open loop.
type schedule struct {
	at time.Duration // of the next request

	first, step float64 // ns
	n           uint64  // requests before the next one
	poisson     *aead.Random
}

func newSchedule(c *Config, worker int, random *aead.Random) (p schedule) {
	if c.Rate == 0 {
		return p
	}
	all := float64(time.Second) / c.Rate // between requests of all workers together
	p.first, p.step = float64(worker)*all, float64(c.Workers)*all
	p.at = time.Duration(p.first)
	if c.Poisson {
		p.poisson = random
		p.at = p.gap()
	}
	return p
}

// gap draws a time between requests.
func (p *schedule) gap() time.Duration {
	u := float64(p.poisson.Uint64()>>11) / (1 << 53) // [0, 1)
	return time.Duration(-p.step * math.Log(1-u))
}

// take appends the intended times of requests that are due by now to list, as far as there is room
// and at most n.
func (p *schedule) take(list []time.Duration, now time.Duration, n uint64) []time.Duration {
	for p.at <= now && n > 0 && len(list) < cap(list) {
		list = append(list, p.at)
		n--
		if p.poisson != nil {
			p.at += p.gap()
			continue
		}
		p.n++
		p.at = time.Duration(p.first + float64(p.n)*p.step) // no error adds up
	}
	return list
}

// until is how many requests are intended from the next one on and before end; with random times,
// about how many.
func (p *schedule) until(end time.Duration) uint64 {
	return uint64(math.Ceil(max(0, float64(end-p.at)) / p.step))
}
