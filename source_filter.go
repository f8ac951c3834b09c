package discv5

import (
	"log/slog"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/session"
)

// attachFilter gives the sockets to Config.SourceFilter.
func (n *Node) attachFilter() error {
	f := n.cfg.SourceFilter
	if f == nil {
		return nil
	}
	sessions := session.Config{MaxSessions: n.cfg.MaxSessions}
	err := f.Attach(fastpath.FilterTarget{
		Groups: n.groups,
		// Each session and each request may have another endpoint.
		Held:    sessions.Capacity() + n.cfg.MaxRequests,
		Changed: n.filterChanged,
	})
	if err != nil {
		return errorf("discv5: source filter: %w", err)
	}
	return nil
}

// filterChanged logs a change of the source filter.
func (n *Node) filterChanged(i fastpath.FilterInfo) {
	level := slog.LevelInfo
	if i.Reason != "" {
		level = slog.LevelWarn
	}
	n.log.say(level, "source filter", slog.String("mode", i.String()))
}

// SourceFilter says what Config.SourceFilter got from the system. Its mode is "none" without one.
func (n *Node) SourceFilter() fastpath.FilterInfo {
	if f := n.cfg.SourceFilter; f != nil {
		return f.Info()
	}
	return fastpath.FilterInfo{Mode: "none"}
}
