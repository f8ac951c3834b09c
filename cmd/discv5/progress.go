package main

import (
	"fmt"
	"os"
	"time"
)

const (
	saveInterval     = 30 * time.Second
	progressInterval = 500 * time.Millisecond
)

// watch saves the file and shows how far the crawl is, until it has finished.
func (t *tool) watch(c *crawler, path string, began time.Time, finished <-chan struct{}) {
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	show := time.NewTicker(progressInterval)
	defer show.Stop()
	terminal := isTerminal(t.err)
	for {
		select {
		case <-finished:
			if terminal {
				fmt.Fprint(t.err, "\r\x1b[K")
			}
			return
		case <-show.C:
			if terminal {
				fmt.Fprint(t.err, "\r"+c.progress(began)+"\x1b[K")
			}
		case <-save.C:
			content, _, err := c.content()
			if err == nil {
				err = writeFile(path, content)
			}
			if err != nil {
				t.note("discv5: %s", oneLine(err))
			} else if !terminal {
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
