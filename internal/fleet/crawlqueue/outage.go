package crawlqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/internal/fleet"
)

const (
	callTimeout = 5 * time.Second
	firstRetry  = 50 * time.Millisecond
	maxRetry    = 2 * time.Second
	// The first note about an outage comes after quietOutage, others every noteInterval.
	quietOutage  = 2 * time.Second
	noteInterval = 10 * time.Second
)

// outage is the time without an answer of a server.
type outage struct {
	patience time.Duration
	note     func(string, ...any)

	mu    sync.Mutex
	since time.Time // of the first call that failed; zero while calls succeed
	noted time.Time // of the last note
}

// do calls a function until a server answers, at most for the patience of q. Each call has a
// deadline. A function returns nil or an error that is an answer, or an error that a retry may
// help.
func (q *Queue) do(ctx context.Context, call func(context.Context) error) error {
	began := time.Now()
	for pause := firstRetry; ; pause = min(2*pause, maxRetry) {
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(limited)
		cancel()
		if isAnswer(err) {
			q.outage.over()
			return err
		}
		if errors.Is(err, errRaced) {
			pause = firstRetry / 2
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if q.outage.lasts(began, err) {
			return fmt.Errorf("%w for %v: %w", ErrLost, q.o.Patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// over ends an outage.
func (o *outage) over() {
	o.mu.Lock()
	noted := !o.noted.IsZero()
	o.since, o.noted = time.Time{}, time.Time{}
	o.mu.Unlock()
	if noted && o.note != nil {
		o.note("fleet: a server answers, the crawl continues")
	}
}

// lasts records that a call which began at a time has failed. It reports whether that is too long.
func (o *outage) lasts(began time.Time, err error) bool {
	o.mu.Lock()
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	lasted := now.Sub(o.since)
	tell := lasted >= quietOutage && now.Sub(o.noted) >= noteInterval
	if tell {
		o.noted = now
	}
	o.mu.Unlock()
	left := o.patience - max(lasted, now.Sub(began))
	if tell && left > 0 && o.note != nil {
		o.note("fleet: no server answers for %v, retrying for %v: %s", lasted.Round(time.Second), left.Round(time.Second), strings.TrimPrefix(err.Error(), "fleet: "))
	}
	return left <= 0
}

// isAnswer reports whether an error, or nil, is the answer of a server that a retry would not
// change.
func isAnswer(err error) bool {
	return err == nil || occupied(err) || errors.Is(err, ErrFull) || errors.Is(err, ErrMissing) || errors.Is(err, fleet.ErrConfig) ||
		errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted)
}

// Codes of errors of the server.
const (
	wrongLastSequence         jetstream.ErrorCode = 10071
	wrongLastSequenceConstant jetstream.ErrorCode = 10164
	storeFailed               jetstream.ErrorCode = 10077
)

// occupied reports whether an error says that a subject or key has another message than expected.
func occupied(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == wrongLastSequence || api.ErrorCode == wrongLastSequenceConstant) {
		return true
	}
	return errors.Is(err, jetstream.ErrKeyExists)
}

// isFull reports whether an error says that a stream holds as many messages as it may.
func isFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == storeFailed && strings.Contains(api.Description, "maximum")
}
