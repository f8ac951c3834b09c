package drive

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Requests are sealed datagrams of one size.
type Requests struct {
	Size int
	Slab []byte
	next int
	seal func(dst []byte) []byte // appends another one; nil for those that are sent more than once
}

// newRequests seals n requests.
func newRequests(n int, seal func(dst []byte) []byte) *Requests {
	first := seal(nil)
	r := &Requests{Size: len(first), Slab: make([]byte, 0, n*len(first)), seal: seal}
	r.Slab = append(r.Slab, first...)
	for range n - 1 {
		r.Slab = seal(r.Slab)
	}
	return r
}

// Once reports whether a server answers each of the requests only once, so that they must be
// renewed before every run.
func (r *Requests) Once() bool { return r.seal != nil }

// Renew seals n new requests in place of those that were sent.
func (r *Requests) Renew(n int) {
	r.Slab, r.next = r.Slab[:0], 0
	for range n {
		r.Slab = r.seal(r.Slab)
	}
}

// Count is how many there are.
func (r *Requests) Count() int { return len(r.Slab) / r.Size }

// Rewind starts over with the first one.
func (r *Requests) Rewind() { r.next = 0 }

// burst takes the next requests, at most n. At the end of the slab it starts over.
func (r *Requests) burst(n int) []byte {
	if r.next == r.Count() {
		r.next = 0
	}
	end := min(r.next+n, r.Count())
	b := r.Slab[r.next*r.Size : end*r.Size]
	r.next = end
	return b
}

// Plan says how a closed loop runs.
type Plan struct {
	Window  int           // exchanges under way, at most
	Burst   int           // requests in a system call
	For     time.Duration // ends then,
	Most    int           // or after so many exchanges; 0: no limit
	Answers []int         // sizes of the datagrams that answer one request
	Either  []int         // of one datagram that answers instead, where Answers is one too
	Poll    bool          // do not sleep while waiting; see Socket.Poll
}

// Outcome is what a closed loop did.
type Outcome struct {
	Answered int // exchanges
	Lost     int // exchanges without an answer
	Elapsed  time.Duration
}

// patience is how long an answer may take before it counts as lost.
const patience = time.Second

// ErrSilent: the server does not answer.
var ErrSilent = errors.New("server does not answer")

// Loop sends requests and waits for their answers so that never more than a window is under way.
// Answers are told by their size: opening them would only slow down the driver.
func (s *Socket) Loop(r *Requests, p Plan) (o Outcome, err error) {
	want := make([]bool, maxPacket+1)
	for _, n := range p.Answers {
		want[n] = true
	}
	for _, n := range p.Either {
		want[n] = true
	}
	start := time.Now()
	end := start.Add(p.For)
	sent, packets := 0, 0
	deadlineAt := start
	extend := func(now time.Time) {
		// A deadline is a timer of the runtime: not for every burst.
		if !p.Poll && now.Sub(deadlineAt) > patience/4 {
			deadlineAt = now
			s.conn.SetReadDeadline(now.Add(patience))
		}
	}
	var deadline time.Time // none: Poll looks after it
	if !p.Poll {
		deadline = start.Add(patience)
	}
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return o, err
	}
	for more := true; more || packets < sent*len(p.Answers); {
		under := sent - packets/len(p.Answers)
		for more && under+p.Burst <= p.Window {
			n := p.Burst
			if p.Most > 0 {
				n = min(n, p.Most-sent)
			}
			b := r.burst(n)
			if err := s.Send(b, r.Size); err != nil {
				return o, fmt.Errorf("send: %w", err)
			}
			sent += len(b) / r.Size
			under += len(b) / r.Size
			now := time.Now()
			more = now.Before(end) && (p.Most == 0 || sent < p.Most)
			extend(now)
		}
		var n int
		if p.Poll {
			n, err = s.Poll(patience)
		} else {
			n, err = s.Receive(0)
		}
		if err != nil {
			return o, fmt.Errorf("receive: %w", err)
		}
		if n == 0 {
			lost := sent - packets/len(p.Answers)
			if o.Lost += lost; packets == 0 {
				return o, ErrSilent
			}
			sent -= lost
			packets = sent * len(p.Answers)
			deadlineAt = time.Time{}
			extend(time.Now())
		}
		for i := range n {
			if want[min(s.Size(i), maxPacket)] {
				packets++
			}
		}
	}
	o.Answered, o.Elapsed = packets/len(p.Answers), time.Since(start)
	return o, nil
}

// Latency measures n exchanges one after another and returns their durations in rising order.
// Without poll they have in them that the driver has to be woken. One that is not answered counts
// as the longest that is waited for; ErrSilent if that is so of more than one in ten.
func (s *Socket) Latency(r *Requests, n int, answers []int, poll bool) ([]time.Duration, error) {
	list, lost := make([]time.Duration, 0, n), 0
	for range n {
		o, err := s.Loop(r, Plan{Window: 1, Burst: 1, For: patience, Most: 1, Answers: answers, Poll: poll})
		switch {
		case errors.Is(err, ErrSilent):
			if lost++; lost > n/10 {
				return nil, err
			}
			list = append(list, patience)
			if err := s.Drain(2 * time.Millisecond); err != nil { // it may come after all
				return nil, err
			}
		case err != nil:
			return nil, err
		case o.Answered == 1:
			list = append(list, o.Elapsed)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Drain throws away what arrives until nothing has come for the given time.
func (s *Socket) Drain(quiet time.Duration) error {
	for {
		if n, err := s.Receive(quiet); n == 0 || err != nil {
			return err
		}
	}
}

// Flood sends n requests that nobody answers, a burst at a time with pauses in between so that the
// server's buffer holds them.
func (s *Socket) Flood(r *Requests, n, burst int, pause time.Duration) (sent int, err error) {
	for sent < n {
		b := r.burst(min(burst, n-sent))
		if err := s.Send(b, r.Size); err != nil {
			return sent, fmt.Errorf("send: %w", err)
		}
		sent += len(b) / r.Size
		time.Sleep(pause)
	}
	return sent, nil
}
