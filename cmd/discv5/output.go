package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
)

// maxInput bounds a file, or standard input, that readAll keeps in memory, in bytes. A list of
// nodes may be longer: see nodes.
const maxInput = 16 << 20

// tool is one run of the program.
type tool struct {
	in       io.Reader
	out, err io.Writer
	json     bool

	mu     sync.Mutex // several goroutines print results
	lost   error      // the first error of standard output
	giveUp func()     // ends the command
	read   bool       // standard input has been read
}

// print writes a result: v with --json, otherwise text.
func (t *tool) print(v any, text string) {
	line := []byte(text)
	if t.json {
		var err error
		if line, err = json.Marshal(v); err != nil {
			line = nil
			t.fail(err)
		}
	}
	t.write(append(line, '\n'))
}

// write writes the bytes of a result unchanged.
func (t *tool) write(b []byte) {
	t.mu.Lock()
	_, err := t.out.Write(b)
	t.mu.Unlock()
	if err != nil {
		t.fail(err)
	}
}

// fail keeps the first error of standard output, and ends the command: nobody would see its
// results.
func (t *tool) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lost = fmt.Errorf("standard output: %w", err)
		t.giveUp()
	}
}

// failed returns the first error of standard output.
func (t *tool) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// note writes a line to standard error.
func (t *tool) note(format string, args ...any) {
	fmt.Fprintf(t.err, format+"\n", args...)
}

// input returns the content of FILE for the argument @FILE, standard input for -, and otherwise the
// argument itself.
func (t *tool) input(arg string) ([]byte, error) {
	switch {
	case arg == "":
		return nil, cli.Usagef("empty")
	case arg == "-":
		if t.read {
			return nil, cli.Usagef("standard input has been read already")
		}
		t.read = true
		b, err := readAll(t.in)
		return b, place("standard input", err)
	case arg[0] == '@':
		return readFile(arg[1:])
	}
	return []byte(arg), nil
}

// text is input without the white space around it. It must not be empty.
func (t *tool) text(arg string) (string, error) {
	b, err := t.input(arg)
	if err != nil {
		return "", err
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return "", cli.Usagef("empty")
	}
	return string(b), nil
}

// readFile reads a file that the command line names: all its errors are usage errors.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.Usage(err)
	}
	defer f.Close()
	b, err := readAll(f)
	return b, place(path, err)
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = errors.New("larger than 16 MiB")
	}
	if err != nil {
		return nil, cli.Usage(err)
	}
	return b, nil
}

// words splits a list at white space and commas. A # starts a comment up to the end of its line.
func words(b []byte) (list []string) {
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		list = append(list, strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })...)
	}
	return list
}

const (
	saveInterval     = 30 * time.Second
	progressInterval = 500 * time.Millisecond
)

// showing keeps a line of progress on standard error, if that is a terminal, until the caller calls
// stop, which erases the line.
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

// asking returns a function that returns the progress of a node's requests as text.
func asking(node *discv5.Node) func() string {
	began := time.Now()
	return func() string {
		s := node.Stats()
		answered, not := s.Counters[engine.RequestsAnswered], s.Counters[engine.RequestsTimedOut]+s.Counters[engine.RequestsFailed]
		return fmt.Sprintf("%d answers, %d requests without, %d pending, %.0f s", answered, not, s.Requests, time.Since(began).Seconds())
	}
}

// watch saves the file from time to time and shows the progress of the crawl, until it has
// finished.
func (t *tool) watch(c *crawler, path string, began time.Time, finished <-chan struct{}) {
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	defer t.showing(func() string { return c.progress(began) })()
	for {
		select {
		case <-finished:
			return
		case <-save.C:
			content, _, _, err := c.content()
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
	return fmt.Sprintf("%d answered, %d did not, %d waiting, %d running, %.0f s", n.Answered, n.Failed, n.Waiting, n.running, time.Since(began).Seconds())
}

// isTerminal reports whether w is a terminal, where a line can replace itself.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
