package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
)

// newLogger returns the logger and its level, which can change. If the log goes to the systemd
// journal, lines begin with their priority.
//
// No handler limits the rate of lines. Timers and signals cause nearly all of them. Peers can cause
// lines about the node's own address only, one for each count of their votes.
func newLogger(w io.Writer, o *options, journal bool) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(o.level)
	handler := func(w io.Writer, ho *slog.HandlerOptions) slog.Handler {
		if o.logJSON {
			return slog.NewJSONHandler(w, ho)
		}
		return slog.NewTextHandler(w, ho)
	}
	if journal {
		return slog.New(newJournalHandler(w, level, handler)), level
	}
	return slog.New(handler(w, &slog.HandlerOptions{Level: level})), level
}

// reporter writes the status line.
type reporter struct {
	log  *slog.Logger
	last discv5.Stats
	at   time.Time
}

func newReporter(log *slog.Logger, now time.Time) *reporter { return &reporter{log: log, at: now} }

// report writes the line if anything has changed since the last one.
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

// saveErrorInterval is the minimum time between two lines about saves that fail.
const saveErrorInterval = time.Minute

// saveLog logs the results of saves. It logs one failure a minute at most, however short the
// interval of the saves is.
type saveLog struct {
	log      *slog.Logger
	failures int       // since the last line
	at       time.Time // of the last line
	open     bool      // the last line is about a failure
}

// done logs the result of a save.
func (l *saveLog) done(now time.Time, written int, err error) {
	switch {
	case err == nil && l.open:
		l.open = false
		l.log.Info("nodes are saved again")
	case err == nil && written > 0:
		l.log.Debug("saved nodes", "written", written)
	case err != nil:
		l.failures++
		if l.at.IsZero() || now.Sub(l.at) >= saveErrorInterval {
			l.log.Error("cannot save nodes", "err", cli.OneLine(err), "failures", l.failures)
			l.failures, l.at, l.open = 0, now, true
		}
	}
}

// journalHandler writes lines with the priorities that the systemd journal reads from the start of
// a line (sd-daemon(3)), so that journalctl -p finds warnings and errors. It leaves out the time,
// which the journal adds.
type journalHandler struct {
	level slog.Leveler
	by    [4]slog.Handler // by priority; see priorityOf
}

// priorities are the syslog priorities of errors, warnings, information, and debug lines.
var priorities = [4]string{"<3>", "<4>", "<6>", "<7>"}

// newJournalHandler returns a handler that writes through the handlers that newHandler returns.
func newJournalHandler(w io.Writer, level slog.Leveler, newHandler func(io.Writer, *slog.HandlerOptions) slog.Handler) *journalHandler {
	h := &journalHandler{level: level}
	for i, p := range priorities {
		h.by[i] = newHandler(prefixWriter{w, p}, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
	}
	return h
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// priorityOf returns an index of priorities.
func priorityOf(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 0
	case l >= slog.LevelWarn:
		return 1
	case l >= slog.LevelInfo:
		return 2
	}
	return 3
}

// prefixWriter writes a prefix and the data in one call.
type prefixWriter struct {
	w      io.Writer
	prefix string
}

// Write implements io.Writer.
func (p prefixWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(append([]byte(p.prefix), b...))
	return max(n-len(p.prefix), 0), err
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.by[priorityOf(r.Level)].Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(o slog.Handler) slog.Handler { return o.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(o slog.Handler) slog.Handler { return o.WithGroup(name) })
}

func (h *journalHandler) each(f func(slog.Handler) slog.Handler) slog.Handler {
	c := &journalHandler{level: h.level}
	for i, o := range h.by {
		c.by[i] = f(o)
	}
	return c
}
