package engine

import "github.com/fastdisc/discv5/internal/session"

// leastBatch is the number of waiting handshakes from which one goroutine takes them all. With
// fewer, several goroutines with a handshake each are faster.
const leastBatch = 3

// handshakeBatch is a worker's memory for handshakes that it accepts together.
type handshakeBatch struct {
	tasks     [session.BatchSize]*task
	exchanges [session.BatchSize]session.Exchange
	// The handshakes that have passed all checks so far.
	list     [session.BatchSize]*session.Exchange
	accepted [session.BatchSize]*task
}

// acceptBatch is accept for t and for the handshakes that wait behind it, with the arithmetic of
// all together. It releases their tasks. It reports false, and does nothing, if too few wait.
func (w *Worker) acceptBatch(t *task) bool {
	b := w.handshakes
	if b == nil {
		return false
	}
	b.tasks[0] = t
	tasks := t.queue.popHandshakes(b.tasks[:1], leastBatch)
	if len(tasks) == 1 {
		return false
	}
	n, rest := 0, tasks[:0:0]
	for i, t := range tasks {
		if repeatsName(tasks[:i], t) {
			rest = append(rest, t)
			continue
		}
		x := &b.exchanges[i]
		known, ok := w.attempt(t, &x.Candidates)
		if !ok {
			continue
		}
		x.Packet, x.Known = &t.packet, known
		b.list[n], b.accepted[n] = x, t
		n++
	}
	w.e.hands.AgreeBatch(b.list[:n])
	proven := 0
	for i, x := range b.list[:n] {
		if t := b.accepted[i]; w.proven(t, &x.Agreement, x.Err) {
			b.list[proven], b.accepted[proven] = x, t
			proven++
		}
	}
	w.e.hands.FinishBatch(b.list[:proven])
	for i, x := range b.list[:proven] {
		t := b.accepted[i]
		w.via = t.via
		w.admit(t, x.Agreement.Challenge, &x.Accepted, x.Err)
	}
	// The first handshake of a name may have ended the challenges that these answer.
	for _, t := range rest {
		w.via = t.via
		w.accept(t)
	}
	w.via = w.home
	for i, t := range tasks {
		t.queue.release(t)
		b.exchanges[i].Reset()
	}
	clear(b.tasks[:])
	clear(b.list[:])
	clear(b.accepted[:])
	return true
}

// repeatsName reports whether t has the name of an earlier task.
func repeatsName(earlier []*task, t *task) bool {
	for _, o := range earlier {
		if o.hash == t.hash && o.key == t.key {
			return true
		}
	}
	return false
}
