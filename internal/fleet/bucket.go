package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// idleTimeout is how long a server may take for the next entry while a bucket is read.
const idleTimeout = 5 * time.Second

// handle is a bucket that is opened when it is first used, and once more after an error.
type handle struct {
	conn   *Conn
	bucket Bucket

	mu      sync.Mutex
	kv      jetstream.KeyValue
	created time.Time // when the stream of the bucket was made
}

func (h *handle) open(ctx context.Context) (jetstream.KeyValue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.conn.check(); err != nil || h.kv != nil {
		return h.kv, err
	}
	kv, err := h.conn.KeyValue(ctx, h.bucket)
	if err == nil {
		h.kv = kv
		if info := streamInfo(ctx, kv); info != nil {
			h.created = info.Created
		}
	}
	return kv, err
}

// made returns when the bucket was made, as far as known. The time changes if somebody deletes the
// bucket and a member makes it once more.
func (h *handle) made() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.created
}

// do calls f with the bucket and a deadline.
func (h *handle) do(ctx context.Context, f func(context.Context, jetstream.KeyValue) error) error {
	kv, err := h.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	err = f(ctx, kv)
	switch {
	case err == nil, errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
	default:
		h.mu.Lock()
		h.kv = nil // the bucket may have been deleted
		h.mu.Unlock()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v: %w", callTimeout, err)
		}
		return fmt.Errorf("bucket %s: %w", h.bucket.Name, h.conn.explain(err))
	}
	return err
}

// each calls f with the entries of the bucket, which may change meanwhile. It ends early if f
// returns false.
func (h *handle) each(ctx context.Context, f func(e jetstream.KeyValueEntry) bool) error {
	kv, err := h.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(idleTimeout, cancel)
	defer timer.Stop()
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		h.mu.Lock()
		h.kv = nil
		h.mu.Unlock()
		return fmt.Errorf("read bucket %s: %w", h.bucket.Name, h.conn.explain(err))
	}
	// The watcher blocks while nobody takes its entries, so the rest is taken too.
	defer func() {
		_ = w.Stop() // an error says that the connection has gone
		go func() {
			for range w.Updates() {
			}
		}()
	}()
	for n := 0; ; n++ {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("read bucket %s: ended after %d entries", h.bucket.Name, n)
			}
			if e == nil || !f(e) {
				return nil
			}
			timer.Reset(idleTimeout)
		case <-ctx.Done():
			return h.conn.explain(fmt.Errorf("read bucket %s: no entry for %v, after %d", h.bucket.Name, idleTimeout, n))
		}
	}
}
