package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// newLogger makes the log. Its level can change; what is held back is let out by quiet. Lines for
// the systemd journal begin with their priority.
func newLogger(w io.Writer, o *options, journal bool) (*slog.Logger, *quiet, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(o.level)
	handler := func(w io.Writer, ho *slog.HandlerOptions) slog.Handler {
		if o.logJSON {
			return slog.NewJSONHandler(w, ho)
		}
		return slog.NewTextHandler(w, ho)
	}
	var h slog.Handler
	if journal {
		h = newJournalHandler(w, level, handler)
	} else {
		h = handler(w, &slog.HandlerOptions{Level: level})
	}
	q := newQuiet(h, quietInterval)
	return slog.New(q), q, level
}

// reporter writes the line that says once in a while how things are.
type reporter struct {
	log  *slog.Logger
	last discv5.Stats
	at   time.Time
}

func newReporter(log *slog.Logger, now time.Time) *reporter { return &reporter{log: log, at: now} }

// report writes the line if anything has changed since the one before.
func (r *reporter) report(s discv5.Stats, now time.Time) {
	in := s.Counters[engine.PacketsIn] - r.last.Counters[engine.PacketsIn]
	out := s.Counters[engine.PacketsOut] - r.last.Counters[engine.PacketsOut]
	lost := s.Sockets.KernelDrops - r.last.Sockets.KernelDrops
	unsent := s.Sockets.SendErrors.Sum() - r.last.Sockets.SendErrors.Sum()
	same := s.Table == r.last.Table && s.Live == r.last.Live && s.Sessions.Sessions == r.last.Sessions.Sessions
	seconds := now.Sub(r.at).Seconds()
	r.last, r.at = s, now
	if same && in == 0 && out == 0 && lost == 0 && unsent == 0 {
		return
	}
	perSecond := func(n uint64) float64 { return float64(int64(float64(n)/max(seconds, 1e-3)*10)) / 10 }
	args := []any{
		"nodes", s.Table, "live", s.Live, "sessions", s.Sessions.Sessions,
		"in_per_s", perSecond(in), "out_per_s", perSecond(out),
	}
	if lost > 0 {
		args = append(args, "dropped_by_kernel", lost)
	}
	if unsent > 0 {
		args = append(args, "unsent", unsent)
	}
	r.log.Info("status", args...)
}
