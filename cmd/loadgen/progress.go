package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/fastdisc/discv5/internal/load"
)

// progress shows on a terminal how far the program is, on one line. Elsewhere it shows nothing.
type progress struct {
	mu   sync.Mutex
	w    io.Writer // nil: no terminal
	what string
	all  time.Duration
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w}
}

// isTerminal reports whether lines can be written over.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
	}
}

func (p *progress) preparing(done, all int) { p.line("%d of %d sessions", done, all) }

func (p *progress) begin(what string, all time.Duration) {
	p.what, p.all = what, all
	p.line("%s for %v", what, all)
}

func (p *progress) point(x load.Point) {
	p.line("%s, %v of %v: %s answered/s, %s lost, p50 %s, p99 %s, max %s", p.what,
		(x.Start + x.Length).Round(time.Second), p.all, count(uint64(float64(x.Counts.Answered)/x.Length.Seconds())),
		count(x.Counts.Lost), span(x.P50), span(x.P99), span(x.Max))
}

func (p *progress) clear() { p.line("") }
