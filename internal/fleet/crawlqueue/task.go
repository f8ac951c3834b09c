package crawlqueue

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
)

// Task is a node that this worker visits. It belongs to the worker until Finish, Release or Drop.
type Task struct {
	ID   enr.ID
	Node Node
	// Delivery is how often the task was delivered, 1 the first time.
	Delivery uint64
	// Returned says that Claim has returned the task for another worker: this one had it before.
	Returned bool

	q        *Queue
	msg      jetstream.Msg
	text     string
	seq      uint64
	revision uint64 // of the claim
}

// Fetch waits up to wait for n tasks, and calls f with each as it comes. It returns how many came.
// Tasks that are not what they should be are counted and removed.
func (q *Queue) Fetch(ctx context.Context, n int, wait time.Duration, f func(*Task)) (got int, err error) {
	err = q.do(ctx, func(context.Context) error {
		batch, err := q.consumer.Fetch(n-got, jetstream.FetchMaxWait(wait))
		if err != nil {
			return err
		}
		for msg := range batch.Messages() {
			if t := q.task(msg); t != nil {
				got++
				f(t)
			}
		}
		if got > 0 {
			return nil
		}
		return batch.Error()
	})
	return got, err
}

// task returns the task of a message, or nil.
func (q *Queue) task(msg jetstream.Msg) *Task {
	meta, err := msg.Metadata()
	if err != nil {
		q.bad.Add(1)
		return nil
	}
	t := &Task{q: q, msg: msg, text: string(msg.Data()), seq: meta.Sequence.Stream, Delivery: meta.NumDelivered}
	id, err := enr.ParseID(msg.Subject()[strings.LastIndexByte(msg.Subject(), '.')+1:])
	if err == nil {
		t.ID = id
		t.Node, err = parseNodeOf(id, t.text)
	}
	if err != nil || t.Delivery > MaxDeliveries {
		q.bad.Add(1)
		_ = msg.Ack() // without a server it returns, and ends here once more
		return nil
	}
	if t.Delivery > 1 {
		q.redelivered.Add(1)
	}
	q.hold(t)
	return t
}

// Claim claims the node of t for this worker. If it returns false, the task is over: the node has a
// result, or another worker has the task.
func (t *Task) Claim(ctx context.Context) (claimed bool, err error) {
	value := t.value(Entry{State: Visiting})
	err = t.q.do(ctx, func(ctx context.Context) error {
		revision, err := t.q.bucket.Create(ctx, t.ID.String(), value)
		if err == nil {
			t.revision, claimed = revision, true
			return nil
		}
		if !occupied(err) {
			return err
		}
		claimed, err = t.takeOver(ctx, value)
		return err
	})
	if !claimed {
		t.q.drop(t)
	}
	return claimed, err
}

// errRaced says that an entry has changed between two calls.
var errRaced = errors.New("the claim has changed")

// takeOver claims a node that has an entry, unless the entry is a result, or the claim of a later
// delivery.
func (t *Task) takeOver(ctx context.Context, value []byte) (bool, error) {
	old, err := t.q.bucket.Get(ctx, t.ID.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, errRaced // it has expired
	}
	if err != nil {
		return false, err
	}
	e, node, err := parseEntry(t.ID, old.Value(), time.Now())
	switch {
	case err != nil:
		t.q.badEntry(old.Revision()) // the visit replaces it
	case e.State == Visiting:
		if e.By == t.q.o.Worker && e.Task == t.seq && e.Delivery == t.Delivery {
			t.revision = old.Revision() // an earlier call has succeeded
			return true, nil
		}
		if e.By == t.q.o.Worker && e.Task == t.seq && e.Delivery < t.Delivery && t.Delivery < MaxDeliveries {
			t.Returned = true
			return false, t.msg.NakWithDelay(returnWait)
		}
		later, err := t.isLater(ctx, e)
		if err != nil {
			return false, err
		}
		if later {
			t.q.fenced.Add(1)
			return false, nil
		}
	case e.State == Failed && t.Node.newerThan(node):
	default:
		t.q.duplicates.Add(1)
		return false, t.ack(ctx)
	}
	revision, err := t.q.bucket.Update(ctx, t.ID.String(), value, old.Revision())
	if occupied(err) {
		return false, errRaced
	}
	t.revision = revision
	return err == nil, err
}

// isLater reports whether a claim is for a later delivery than t. A claim that cannot be true, or
// that keeps workers away for long, is ignored.
func (t *Task) isLater(ctx context.Context, e Entry) (bool, error) {
	if e.Task < t.seq || e.Task == t.seq && e.Delivery < t.Delivery || t.Delivery >= staleDeliveries {
		return false, nil
	}
	info, err := t.q.stream.Info(ctx)
	if err != nil {
		return false, err
	}
	if e.Task > info.State.LastSeq || e.Delivery > MaxDeliveries+1 {
		t.q.bad.Add(1)
		return false, nil
	}
	return true, nil
}

// Renew renews the claim before another attempt. If it returns false, another worker has the task
// now, and the task is over.
func (t *Task) Renew(ctx context.Context) (claimed bool, err error) {
	if claimed, err = t.replace(ctx, t.value(Entry{State: Visiting})); !claimed {
		t.q.drop(t)
	}
	return claimed, err
}

// Finish stores the result of the visit and ends the task. It returns false if another worker has
// the task now; the result is dropped.
func (t *Task) Finish(ctx context.Context, e Entry) (stored bool, err error) {
	defer t.q.drop(t)
	if stored, err = t.replace(ctx, t.value(e)); !stored {
		return false, err
	}
	return true, t.q.do(ctx, t.ack)
}

// ack removes the task from the queue. An earlier call may have succeeded.
func (t *Task) ack(ctx context.Context) error {
	if err := t.msg.DoubleAck(ctx); !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return err
	}
	return nil
}

// replace replaces the entry of this task. It returns false, and counts that, if the entry is not
// of this task any more.
func (t *Task) replace(ctx context.Context, value []byte) (replaced bool, err error) {
	err = t.q.do(ctx, func(ctx context.Context) error {
		revision, err := t.q.bucket.Update(ctx, t.ID.String(), value, t.revision)
		switch {
		case err == nil:
			t.revision, replaced = revision, true
		case occupied(err):
			replaced, err = t.isReplaced(ctx, value)
		}
		return err
	})
	if err == nil && !replaced {
		t.q.fenced.Add(1)
	}
	return replaced, err
}

// isReplaced reports whether an earlier call has stored a value.
func (t *Task) isReplaced(ctx context.Context, value []byte) (bool, error) {
	now, err := t.q.bucket.Get(ctx, t.ID.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil || string(now.Value()) != string(value) {
		return false, err
	}
	t.revision = now.Revision()
	return true, nil
}

// value returns the content of an entry of this task.
func (t *Task) value(e Entry) []byte {
	e.By, e.Task, e.Delivery = t.q.o.Worker, t.seq, t.Delivery
	if e.Node == "" {
		e.Node = t.text
	}
	b, err := json.Marshal(e)
	if err != nil { // numbers and texts always have a form
		panic(err)
	}
	return b
}

// Release returns the task to the queue, where it waits for a time. Without a server, it returns
// there when the heartbeats have ended for long enough.
func (t *Task) Release(wait time.Duration) {
	t.q.drop(t)
	_ = t.msg.NakWithDelay(wait)
}
