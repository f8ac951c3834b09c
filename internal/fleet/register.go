package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// errConflict: somebody else has written the entry since it was read.
var errConflict = errors.New("the entry has changed")

// register is one entry of the store with compare-and-set. Tests have one in memory.
type register interface {
	// get returns the value and its revision. Revision 0 means that there is none. A server may
	// return an older one than the newest.
	get(ctx context.Context) (value []byte, revision uint64, err error)
	// put writes a value if the revision of the entry is still the given one, and else returns
	// errConflict. After any other error nobody knows whether the value was written, or will be.
	put(ctx context.Context, value []byte, revision uint64) (uint64, error)
	// slow says that the server did not answer in time.
	slow()
}

// reconnectPause is the shortest time between two reconnections that a register asks for.
const reconnectPause = 3 * time.Second

// kvRegister is an entry of a key-value bucket.
type kvRegister struct {
	conn   *Conn
	bucket Bucket
	key    string

	mu       sync.Mutex
	kv       jetstream.KeyValue
	slowUsed time.Duration // when slow last changed the server
}

// open returns the bucket. It opens it when it is first used, and after an error, since the bucket
// may have been deleted.
func (r *kvRegister) open(ctx context.Context) (jetstream.KeyValue, error) {
	r.mu.Lock()
	kv := r.kv
	r.mu.Unlock()
	if err := r.conn.check(); err != nil || kv != nil {
		return kv, err
	}
	kv, err := r.conn.KeyValue(ctx, r.bucket)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kv = kv
	return kv, nil
}

func (r *kvRegister) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kv = nil
}

func (r *kvRegister) get(ctx context.Context) ([]byte, uint64, error) {
	kv, err := r.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	entry, err := kv.Get(ctx, r.key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, 0, nil
	case err != nil:
		r.forget()
		return nil, 0, fmt.Errorf("read %s: %w", r.bucket.Name, r.conn.explain(err))
	}
	return entry.Value(), entry.Revision(), nil
}

func (r *kvRegister) put(ctx context.Context, value []byte, revision uint64) (uint64, error) {
	kv, err := r.open(ctx)
	if err != nil {
		return 0, err
	}
	var next uint64
	if revision == 0 {
		next, err = kv.Create(ctx, r.key, value)
	} else {
		next, err = kv.Update(ctx, r.key, value, revision)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, errConflict
	case err != nil:
		r.forget()
		return 0, fmt.Errorf("write %s: %w", r.bucket.Name, r.conn.explain(err))
	}
	return next, nil
}

func (r *kvRegister) slow() {
	r.mu.Lock()
	t := now()
	due := r.slowUsed == 0 || t-r.slowUsed >= reconnectPause
	if due {
		r.slowUsed = t
	}
	r.mu.Unlock()
	if due {
		r.conn.Reconnect()
	}
}
