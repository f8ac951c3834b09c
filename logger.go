package discv5

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// logQueue bounds the events that wait to be logged. Further ones are lost, and counted.
	logQueue = 256
	// diagnoseFirst is how long after its start a node that nobody has answered says why in its
	// log. It says so again after four times as long each time, up to diagnoseMost.
	diagnoseFirst = 10 * time.Second
	diagnoseMost  = time.Hour
)

// eventLog writes what happens to Config.Logger, from a goroutine of its own: neither the packet
// path nor a lock of the node waits for the logger's handler.
type eventLog struct {
	n    *Node
	log  *slog.Logger
	wake chan struct{} // there is something in queue

	mu    sync.Mutex
	queue []logLine
	lost  int
}

// logLine is a line to be logged.
type logLine struct {
	level slog.Level
	text  string
	attrs []slog.Attr
	at    time.Time
}

// init prepares to log. Without a logger nothing is queued.
func (l *eventLog) init(n *Node) {
	l.n, l.log, l.wake = n, n.cfg.Logger, make(chan struct{}, 1)
}

// start begins to log.
func (l *eventLog) start() {
	if l.log == nil {
		return
	}
	var listen []string
	for _, i := range l.n.Sockets() {
		listen = append(listen, i.String())
	}
	l.say(slog.LevelInfo, "node started", slog.Any("id", l.n.ID()), slog.Any("listen", listen), slog.String("record", l.n.LocalRecord().String()))
	l.n.background(l.run)
	l.n.background(func(*loop) { l.watch() })
}

// say queues a line. It does not block.
func (l *eventLog) say(level slog.Level, text string, attrs ...slog.Attr) {
	if l.log == nil || !l.log.Enabled(context.Background(), level) {
		return
	}
	l.mu.Lock()
	if len(l.queue) < logQueue {
		l.queue = append(l.queue, logLine{level, text, attrs, l.n.timeNow()})
	} else {
		l.lost++
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take empties the queue.
func (l *eventLog) take() (lines []logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines, l.queue = l.queue, nil
	if l.lost > 0 {
		lines = append(lines, logLine{slog.LevelWarn, "log lines lost: the logger is too slow", []slog.Attr{slog.Int("lines", l.lost)}, l.n.timeNow()})
		l.lost = 0
	}
	return lines
}

// run writes the queue until the node is closed.
func (l *eventLog) run(self *loop) {
	for {
		more, err := l.n.wait(context.Background(), l.n.closing, l.wake)
		self.enter()
		l.write()
		self.leave()
		if !more || err != nil {
			return
		}
	}
}

func (l *eventLog) write() {
	for _, line := range l.take() {
		r := slog.NewRecord(line.at, line.level, line.text, 0)
		r.AddAttrs(line.attrs...)
		l.log.Handler().Handle(context.Background(), r)
	}
}

// watch says why nobody answers, as long as nobody does, and when that is over.
func (l *eventLog) watch() {
	alone := false
	for pause := diagnoseFirst; l.n.pause(context.Background(), pause); {
		d := l.n.Diagnose()
		switch {
		case d.Live > 0 && alone:
			alone, pause = false, diagnoseFirst
			l.say(slog.LevelInfo, "nodes answer", slog.Int("live", d.Live))
		case d.Live > 0:
			pause = diagnoseFirst
		default:
			alone, pause = true, min(4*pause, diagnoseMost)
			var reasons []string
			for _, err := range d.Reasons {
				reasons = append(reasons, err.Error())
			}
			l.say(slog.LevelWarn, "no node answers", slog.Any("reasons", reasons),
				slog.Uint64("received", d.Received), slog.Uint64("sent", d.Sent), slog.Int("table", d.Table))
		}
	}
}

// event logs an event. Peers come and go at the level Debug.
func (l *eventLog) event(e Event) {
	if l.log == nil {
		return
	}
	level := slog.LevelDebug
	switch e.Kind {
	case EventAddressChanged, EventAddressProven, EventBanned, EventPermitted, EventLifted:
		level = slog.LevelInfo
	case EventAddressRevoked, EventAddressInDoubt, EventBootnodeUnusable:
		level = slog.LevelWarn
	}
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	var attrs []slog.Attr
	if e.ID != l.n.ID() && e.Kind != EventBanned && e.Kind != EventPermitted && e.Kind != EventLifted {
		attrs = append(attrs, slog.Any("node", e.ID))
	}
	if e.Addr != (netip.AddrPort{}) {
		attrs = append(attrs, slog.Any("addr", e.Addr))
	}
	switch e.Kind {
	case EventSession:
		attrs = append(attrs, slog.Bool("inbound", e.Inbound))
	case EventTable:
		attrs = append(attrs, slog.String("change", e.Change.Kind.String()))
	case EventAdAdmitted, EventAdExpired, EventTopicPlaced, EventTopicLost, EventTopicFound, EventTopicWaiting, EventTopicFailed:
		attrs = append(attrs, slog.String("topic", e.Topic.String()))
		if e.Wait > 0 {
			attrs = append(attrs, slog.Duration("wait", e.Wait))
		}
	case EventBanned, EventPermitted, EventLifted:
		attrs = append(attrs, slog.String("target", e.Target.String()))
		if !e.Until.IsZero() {
			attrs = append(attrs, slog.Time("until", e.Until))
		}
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	l.say(level, e.Kind.String(), attrs...)
}

// background runs f in a goroutine of the node or, for a simulated node, of its program; f gets no
// loop then. f ends when the node is closed.
func (n *Node) background(f func(*loop)) {
	if n.machine != nil {
		n.machine.Go(func() { f(nil) })
		return
	}
	n.start(f)
}
