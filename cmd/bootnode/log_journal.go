package main

import (
	"context"
	"io"
	"log/slog"
)

// journalHandler writes lines with the priorities that the systemd journal reads from the start of
// a line (sd-daemon(3)), so that journalctl -p finds warnings and errors. It leaves out the time,
// which the journal adds.
type journalHandler struct {
	level slog.Leveler
	by    [4]slog.Handler // by priority; see priorityOf
}

// priorities are the syslog priorities of errors, warnings, information, and lines for debugging.
var priorities = [4]string{"<3>", "<4>", "<6>", "<7>"}

// newJournalHandler returns a handler that writes what make makes.
func newJournalHandler(w io.Writer, level slog.Leveler, make func(io.Writer, *slog.HandlerOptions) slog.Handler) *journalHandler {
	h := &journalHandler{level: level}
	for i, p := range priorities {
		h.by[i] = make(prefixWriter{w, p}, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
	}
	return h
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// priorityOf is an index of priorities.
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

// prefixWriter writes a prefix in front of everything that is written, in one write.
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
