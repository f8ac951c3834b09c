package crawlqueue

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
)

// Result is a verified result.
type Result struct {
	ID       enr.ID
	Entry    Entry
	Node     Node // of Entry.Node
	Revision uint64
}

// resultsTimeout bounds the time between two results of Results.
const resultsTimeout = 10 * time.Second

var errSlow = errors.New("the server sends no results")

// Results calls f with all results. It may call f several times with one of them. Claims are left
// out, and so are results that are not what they should be, which are counted.
func (q *Queue) Results(ctx context.Context, f func(Result)) error {
	last := uint64(0) // revision up to which entries were read
	began := time.Now()
	for {
		before := last
		err := q.read(ctx, &last, f)
		if err == nil || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if last > before {
			began = time.Now()
		}
		if q.outage.lasts(began, err) {
			return errors.Join(ErrLost, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(firstRetry):
		}
	}
}

// read reads the results that the bucket has now, beginning after a revision.
func (q *Queue) read(ctx context.Context, last *uint64, f func(Result)) error {
	watch, err := q.bucket.WatchAll(ctx, jetstream.ResumeFromRevision(*last+1))
	if err != nil {
		return err
	}
	defer endWatch(watch)
	timer := time.NewTimer(resultsTimeout)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return errSlow
		case e, ok := <-watch.Updates():
			if !ok {
				return errSlow
			}
			if e == nil {
				return nil
			}
			timer.Reset(resultsTimeout)
			*last = e.Revision()
			q.result(e, f)
		}
	}
}

// endWatch ends a watch. The goroutine of the watch ends when nothing it has read is left.
func endWatch(w jetstream.KeyWatcher) {
	_ = w.Stop() // it may have ended
	go func() {
		for range w.Updates() {
		}
	}()
}

// Watch calls f with results as they come, until ctx ends. It is for information: it may miss some.
func (q *Queue) Watch(ctx context.Context, f func(Result)) {
	for ctx.Err() == nil {
		if watch, err := q.bucket.WatchAll(ctx, jetstream.UpdatesOnly()); err == nil {
			stop := context.AfterFunc(ctx, func() { _ = watch.Stop() })
			for e := range watch.Updates() {
				if e != nil {
					q.result(e, f)
				}
			}
			stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(maxRetry):
		}
	}
}

// result calls f with a result.
func (q *Queue) result(e jetstream.KeyValueEntry, f func(Result)) {
	if e.Operation() != jetstream.KeyValuePut {
		return
	}
	id, err := enr.ParseID(e.Key())
	var entry Entry
	var node Node
	if err == nil {
		entry, node, err = parseEntry(id, e.Value(), time.Now())
	}
	switch {
	case err != nil:
		q.badEntry(e.Revision())
	case entry.State != Visiting:
		f(Result{ID: id, Entry: entry, Node: node, Revision: e.Revision()})
	}
}

// maxBadEntries bounds the entries that badEntry remembers. Others may count twice.
const maxBadEntries = 1 << 12

// badEntry counts an entry that is not what it should be, once.
func (q *Queue) badEntry(revision uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.badEntries[revision]; ok {
		return
	}
	if len(q.badEntries) < maxBadEntries {
		q.badEntries[revision] = struct{}{}
	}
	q.bad.Add(1)
}

// Clean removes crawls other than this one that nothing has changed for Options.Keep. It returns
// how many.
func (q *Queue) Clean(ctx context.Context) (removed int, err error) {
	js := q.conn.JetStream()
	err = q.do(ctx, func(ctx context.Context) error {
		changed := map[string]time.Time{}
		streams := js.ListStreams(ctx)
		for info := range streams.Info() {
			name, ours := strings.CutPrefix(strings.TrimPrefix(info.Config.Name, "KV_"), prefix)
			if !ours || name == q.o.Name || CheckName(name) != nil {
				continue
			}
			for _, t := range []time.Time{info.Created, info.State.LastTime} {
				if t.After(changed[name]) {
					changed[name] = t
				}
			}
		}
		if err := streams.Err(); err != nil {
			return err
		}
		for name, at := range changed {
			if time.Since(at) < q.o.Keep {
				continue
			}
			for _, stream := range []string{prefix + name, "KV_" + prefix + name} {
				if err := js.DeleteStream(ctx, stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
					return err
				}
			}
			removed++
		}
		return nil
	})
	return removed, err
}
