package simnet

import "time"

// happening is what an event does.
type happening interface{ happen(*Network) }

// event is something that will happen. seq keeps events of one time in the order in which they were
// made.
type event struct {
	at   time.Duration
	seq  uint64
	what happening
}

func (e *event) less(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// events is a heap with four children to each entry: fewer levels than with two, and the children
// lie side by side.
type events struct{ list []event }

// first is the time of the earliest event, or never.
func (q *events) first() time.Duration {
	if len(q.list) == 0 {
		return never
	}
	return q.list[0].at
}

// before reports whether the earliest event is in q rather than in o.
func (q *events) before(o *events) bool {
	switch {
	case len(q.list) == 0:
		return false
	case len(o.list) == 0:
		return true
	}
	return q.list[0].less(&o.list[0])
}

func (q *events) push(e event) {
	q.list = append(q.list, e)
	i := len(q.list) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.less(&q.list[up]) {
			break
		}
		q.list[i] = q.list[up]
		i = up
	}
	q.list[i] = e
}

// pop takes the earliest event. There is one.
func (q *events) pop() event {
	first := q.list[0]
	last := len(q.list) - 1
	e := q.list[last]
	q.list[last] = event{}
	q.list = q.list[:last]
	if last == 0 {
		return first
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		best := child
		for c := child + 1; c < min(child+4, last); c++ {
			if q.list[c].less(&q.list[best]) {
				best = c
			}
		}
		if !q.list[best].less(&e) {
			break
		}
		q.list[i] = q.list[best]
		i = best
	}
	q.list[i] = e
	return first
}
