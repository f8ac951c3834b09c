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

// maxInput bounds what is kept of a file or of standard input that is no list of nodes: see nodes.
const maxInput = 16 << 20

// tool is one run of the program.
type tool struct {
	in       io.Reader
	out, err io.Writer
	json     bool

	mu     sync.Mutex // results come from several goroutines
	lost   error      // a result that could not be written
	giveUp func()     // ends the command
	read   bool       // standard input has been read
}

// print writes a result: v in JSON, or else the text.
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

// write writes bytes of a result as they are.
func (t *tool) write(b []byte) {
	t.mu.Lock()
	_, err := t.out.Write(b)
	t.mu.Unlock()
	if err != nil {
		t.fail(err)
	}
}

// fail keeps the first error of output, and ends the command: nobody would see what it finds.
func (t *tool) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lost = fmt.Errorf("standard output: %w", err)
		t.giveUp()
	}
}

// failed is the first error of output.
func (t *tool) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// note writes a line about progress.
func (t *tool) note(format string, args ...any) {
	fmt.Fprintf(t.err, format+"\n", args...)
}

// input gives what an argument stands for: the content of FILE for @FILE, standard input for -,
// else the argument.
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

// text is input for what is one word.
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

// readFile reads a file that the command line names, so that all errors are about the command line.
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

// words splits a list at white space and commas; what follows a # on a line is left out.
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
