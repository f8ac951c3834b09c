package topic

import "time"

// Defaults of a Pace.
const (
	DefaultUnderWay  = 8
	DefaultPerSecond = 20
)

// retryFull is after how long to try again when too many requests are under way. The end of a
// request of another Advertiser does not wake this one.
const retryFull = 100 * time.Millisecond

// Pace bounds the requests of all advertisers and searches of one node together. The zero value
// applies the defaults. A Pace belongs to one goroutine at a time.
type Pace struct {
	// UnderWay is the number of requests without an answer, 8 by default.
	UnderWay int
	// PerSecond is the number of requests in a second, 20 by default.
	PerSecond int

	underWay int
	next     time.Duration // when the next request may be made
}

// take reports whether a request may be made now, and counts it.
func (p *Pace) take(now time.Duration) bool {
	if p == nil {
		return true
	}
	if p.underWay >= orDefault(p.UnderWay, DefaultUnderWay) || now < p.next {
		return false
	}
	p.underWay++
	p.next = now + time.Second/time.Duration(orDefault(p.PerSecond, DefaultPerSecond))
	return true
}

// done notes that a request has ended.
func (p *Pace) done() {
	if p != nil && p.underWay > 0 {
		p.underWay--
	}
}

// notBefore returns when to try to make a request.
func (p *Pace) notBefore(now time.Duration) time.Duration {
	switch {
	case p == nil:
		return 0
	case p.underWay >= orDefault(p.UnderWay, DefaultUnderWay):
		return max(p.next, now+retryFull)
	}
	return p.next
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}
