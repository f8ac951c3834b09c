package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Tenure is the time in which a member is active, from Acquire until another member takes over or
// Release. While Valid returns false, the member must not answer in the name of the identity.
type Tenure struct {
	Key *enr.PrivateKey
	// Record is the newest record of the identity at the beginning, nil if there was none, and
	// RecordBy the member that made it.
	Record   *enr.Record
	RecordBy string

	l        *Lease
	deadline atomic.Int64  // on the clock of l; 0: over
	done     chan struct{} // closed when it is over
	stop     chan struct{} // closed by Release
	release  sync.Once

	turn     chan struct{} // holds a token while nobody writes; the token guards what follows
	value    leaseValue    // last written
	revision uint64
	over     bool
}

// Valid reports whether the member may answer now. It reads a clock and takes no lock, so that a
// node can call it before each system call.
func (t *Tenure) Valid() bool {
	d := t.deadline.Load()
	return d > 0 && int64(t.l.now()) < d
}

// Done is closed when another member has taken over, and by Release. While the store is away the
// tenure is not done: it becomes valid again if nobody has taken over until the store is back.
func (t *Tenure) Done() <-chan struct{} { return t.done }

// run renews the lease until it is over.
func (t *Tenure) run() {
	defer close(t.done)
	d := t.l.cfg.Duration
	tick := time.NewTicker(d / 7)
	defer tick.Stop()
	wasValid := true
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		err := t.write(context.Background(), func(*leaseValue) error { return nil })
		t.l.noteErr(err)
		if errors.Is(err, ErrLost) {
			t.l.cfg.Log.Warn("another member has taken over", "identity", t.l.cfg.Identity, "member", t.l.State().Holder)
			return
		}
		if valid := t.Valid(); valid != wasValid {
			wasValid = valid
			if valid {
				t.l.cfg.Log.Info("the lease is renewed, and this member answers", "identity", t.l.cfg.Identity)
			} else {
				t.l.cfg.Log.Error("the lease cannot be renewed, and this member is silent", "identity", t.l.cfg.Identity, "err", t.l.State().Err)
			}
		}
	}
}

// put writes v over a revision. The lease lasts from before the request.
func (t *Tenure) put(ctx context.Context, v leaseValue, revision uint64) error {
	sent := t.l.now()
	next, err := t.l.reg.put(ctx, encode(&v), revision)
	if err != nil {
		return err
	}
	t.value, t.revision = v, next
	d := t.l.cfg.Duration
	t.deadline.Store(int64(sent + d - d/10))
	return nil
}

// write renews the lease with a change of its value.
func (t *Tenure) write(ctx context.Context, change func(*leaseValue) error) error {
	return t.l.call(ctx, func(ctx context.Context) error {
		select {
		case <-t.turn:
			defer func() { t.turn <- struct{}{} }()
		case <-ctx.Done():
			return ctx.Err()
		}
		for range 2 {
			if t.over {
				return ErrLost
			}
			v := t.value
			if err := change(&v); err != nil {
				return err
			}
			v.Nonce = random()
			err := t.put(ctx, v, t.revision)
			if !errors.Is(err, errConflict) {
				return err
			}
			if err := t.resolve(ctx); err != nil {
				return err
			}
		}
		return errConflict // retried soon
	})
}

// resolve finds out why the lease has another revision than this member wrote. It never makes the
// lease last longer.
func (t *Tenure) resolve(ctx context.Context) error {
	b, revision, err := t.l.reg.get(ctx)
	if err != nil {
		return err
	}
	var v leaseValue
	_, err = decode(b, maxLeaseValue, &v)
	switch {
	case revision == 0 && t.Valid():
		// The store has lost the lease. Nobody can take it while this member's time lasts.
		t.revision = 0
		return nil
	case revision > 0 && err == nil && v.Instance == t.l.instance && !v.Released:
		// A write of this member that looked as if it had failed.
		t.revision = revision
		if newer(v.record(t.Key.ID()), t.value.record(t.Key.ID())) {
			t.value.Record, t.value.By = v.Record, v.By
		}
		return nil
	case revision < t.revision && t.Valid():
		return errConflict // a server that lags behind
	}
	t.end()
	t.l.note(func(s *LeaseState) {
		s.Lost++
		if s.Role, s.Holder = Standby, ""; err == nil {
			s.Holder = printable(v.Member)
		}
	})
	return ErrLost
}

// newer reports whether a has a higher sequence number than b. A missing record has none.
func newer(a, b *enr.Record) bool { return a != nil && (b == nil || a.Seq() > b.Seq()) }

// end makes the tenure invalid for ever. The caller has the token.
func (t *Tenure) end() {
	t.over = true
	t.deadline.Store(0)
}

// SaveRecord makes r the newest record of the identity. No member uses a lower sequence number from
// then on. Call it before anybody sees r. It fails if the lease cannot be renewed, and with ErrSeq
// if r is older than the record of the store.
func (t *Tenure) SaveRecord(ctx context.Context, r *enr.Record) error {
	if r.ID() != t.Key.ID() {
		return fmt.Errorf("%w: record of node %s", ErrIdentity, r.ID().Short())
	}
	text := r.String()
	err := t.write(ctx, func(v *leaseValue) error {
		if old := v.record(t.Key.ID()); newer(old, r) || old != nil && old.Seq() == r.Seq() && v.Record != text {
			return fmt.Errorf("%w: %d, after %d", ErrSeq, r.Seq(), old.Seq())
		}
		if v.Record != text {
			v.Record, v.By = text, t.l.cfg.Member
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the record: %w", err)
	}
	return nil
}

// Release ends the tenure, and lets a standby take over without waiting. Callers must have stopped
// answering. A nil Tenure has nothing to release.
func (t *Tenure) Release(ctx context.Context) {
	if t == nil {
		return
	}
	t.release.Do(func() { close(t.stop) })
	<-t.done
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	if t.over {
		return
	}
	t.end()
	v := t.value
	v.Released, v.Nonce = true, random()
	// On failure a standby waits for its time.
	_ = t.l.call(ctx, func(ctx context.Context) error {
		_, err := t.l.reg.put(ctx, encode(&v), t.revision)
		return err
	})
	t.l.note(func(s *LeaseState) { s.Role, s.Holder = Standby, "" })
}
