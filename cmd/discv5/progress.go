package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

const (
	saveInterval     = 30 * time.Second
	progressInterval = 500 * time.Millisecond
)

// showing writes line over itself, if standard error is a terminal, until the function that it
// returns is called. That takes the line away.
func (t *tool) showing(line func() string) (stop func()) {
	if !isTerminal(t.err) {
		return func() {}
	}
	quit := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		show := time.NewTicker(progressInterval)
		defer show.Stop()
		for {
			select {
			case <-quit:
				fmt.Fprint(t.err, "\r\x1b[K")
				return
			case <-show.C:
				fmt.Fprint(t.err, "\r"+line()+"\x1b[K")
			}
		}
	})
	return func() {
		close(quit)
		shown.Wait()
	}
}

// asking is how far a node is that asks others.
func asking(node *discv5.Node) func() string {
	began := time.Now()
	return func() string {
		s := node.Stats()
		answered, not := s.Counters[engine.CallsAnswered], s.Counters[engine.CallsTimedOut]+s.Counters[engine.CallsFailed]
		return fmt.Sprintf("%d answers, %d requests without, %d under way, %.0f s", answered, not, s.Requests, time.Since(began).Seconds())
	}
}

// watch saves the file and shows how far the crawl is, until it has finished.
func (t *tool) watch(c *crawler, path string, began time.Time, finished <-chan struct{}) {
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	defer t.showing(func() string { return c.progress(began) })()
	for {
		select {
		case <-finished:
			return
		case <-save.C:
			content, _, err := c.content()
			if err == nil {
				err = writeFile(path, content)
			}
			if err != nil {
				t.note("discv5: %s", oneLine(err))
			} else if !isTerminal(t.err) {
				t.note("%s", c.progress(began))
			}
		}
	}
}

func (c *crawler) progress(began time.Time) string {
	n := c.counts()
	return fmt.Sprintf("%d answered, %d did not, %d waiting, %d under way, %.0f s", n.Answered, n.Failed, n.Waiting, n.running, time.Since(began).Seconds())
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
