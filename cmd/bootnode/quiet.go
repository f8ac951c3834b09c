package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Bounds of the log.
const (
	quietInterval = 10 * time.Second // between two lines of the same kind
	// kinds that are told apart; what is more counts as one kind for each level
	quietKinds = 128
	quietBurst = 2 // lines of a kind that come at once before it is held back
	// the same for what is no trouble, of which a start has several
	infoBurst = 20
)

// quiet is a slog.Handler that keeps a storm of lines from becoming a storm of output. Lines of a
// kind, that is of one level and message, pass as long as they are few. Of more, one passes in each
// interval: the last of them, with the attribute "repeated" for the number of lines that it stands
// for. Its memory is bounded.
type quiet struct {
	next  slog.Handler
	state *quietState
}

// quietState is shared by a handler and all that came of it by WithAttrs and WithGroup.
type quietState struct {
	interval time.Duration

	mu    sync.Mutex
	kinds map[quietKind]*quietLines
	held  uint64 // lines that were held back so far
}

type quietKind struct {
	level   slog.Level
	message string
}

// quietLines is what has become of the lines of a kind.
type quietLines struct {
	passed int       // since the kind was last silent for an interval
	last   time.Time // when a line passed
	held   int       // since then
	record slog.Record
	next   slog.Handler // of record
}

func newQuiet(next slog.Handler, interval time.Duration) *quiet {
	return &quiet{next, &quietState{interval: interval, kinds: make(map[quietKind]*quietLines)}}
}

// Enabled implements slog.Handler.
func (q *quiet) Enabled(ctx context.Context, l slog.Level) bool { return q.next.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (q *quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quiet{q.next.WithAttrs(attrs), q.state}
}

// WithGroup implements slog.Handler.
func (q *quiet) WithGroup(name string) slog.Handler { return &quiet{q.next.WithGroup(name), q.state} }

// Handle implements slog.Handler.
func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	if !q.state.pass(&r, q.next) {
		return nil
	}
	return q.next.Handle(ctx, r)
}

// pass decides about a line. One that may pass and follows lines that were held back says how many
// it stands for.
func (s *quietState) pass(r *slog.Record, next slog.Handler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := quietKind{r.Level, r.Message}
	k := s.kinds[kind]
	if k == nil {
		if len(s.kinds) >= quietKinds {
			s.prune(r.Time)
		}
		if len(s.kinds) >= quietKinds {
			kind.message = "" // as many as there are levels, beyond the bound
			k = s.kinds[kind]
		}
		if k == nil {
			k = new(quietLines)
			s.kinds[kind] = k
		}
	}
	burst := quietBurst
	if r.Level == slog.LevelInfo {
		burst = infoBurst
	}
	idle := r.Time.Sub(k.last) >= s.interval
	if idle && k.held == 0 {
		k.passed = 0
	}
	if !idle && k.passed >= burst {
		k.held++
		s.held++
		k.record, k.next = r.Clone(), next
		return false
	}
	if k.held > 0 {
		*r = r.Clone()
		r.AddAttrs(slog.Int("repeated", k.held+1))
	}
	k.passed++
	k.last, k.held, k.record, k.next = r.Time, 0, slog.Record{}, nil
	return true
}

// prune forgets kinds that have been silent.
func (s *quietState) prune(now time.Time) {
	for kind, k := range s.kinds {
		if k.held == 0 && now.Sub(k.last) >= s.interval {
			delete(s.kinds, kind)
		}
	}
}

// flush lets out what was held back and is due; everything if all is set. Call it once in a while.
func (q *quiet) flush(now time.Time, all bool) {
	type line struct {
		next   slog.Handler
		record slog.Record
	}
	var lines []line
	s := q.state
	s.mu.Lock()
	for _, k := range s.kinds {
		if k.held == 0 || !all && now.Sub(k.last) < s.interval {
			continue
		}
		r := k.record.Clone()
		if k.held > 1 {
			r.AddAttrs(slog.Int("repeated", k.held))
		}
		lines = append(lines, line{k.next, r})
		s.held-- // this one is out after all
		k.last, k.held, k.record, k.next = now, 0, slog.Record{}, nil
	}
	s.mu.Unlock()
	slices.SortFunc(lines, func(a, b line) int { return a.record.Time.Compare(b.record.Time) })
	for _, l := range lines {
		_ = l.next.Handle(context.Background(), l.record) // as slog.Logger does
	}
}

// suppressed is the number of lines that were not written.
func (q *quiet) suppressed() uint64 {
	q.state.mu.Lock()
	defer q.state.mu.Unlock()
	return q.state.held
}
