package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/atomicfile"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// nodeSet is the content of nodes.json, in the format of the devp2p tool: an object keyed by node
// ID.
type nodeSet map[enr.ID]nodeEntry

// nodeEntry is the entry of one node. Times are in UTC and whole seconds.
type nodeEntry struct {
	Seq    uint64 `json:"seq"`
	Record string `json:"record"`
	// Score is how often the node has answered, halved each time that it did not.
	Score int `json:"score,omitempty"`
	// FirstResponse and LastResponse are the times of answers, LastCheck is the time of the last
	// check.
	FirstResponse time.Time `json:"firstResponse"`
	LastResponse  time.Time `json:"lastResponse"`
	LastCheck     time.Time `json:"lastCheck"`
	// LastTry is the time of the last check without an answer that proves nothing, because hardly
	// any node answered at that time.
	LastTry time.Time `json:"lastTry,omitzero"`
	// Registrar says that the record has the entry of a registrar of topics, in either spelling.
	Registrar bool `json:"registrar,omitempty"`
	nodeFacts

	line int // of the file, from 1; 0 if the entry is not of a file
}

// answered records a check that the node answered with record r.
func (s nodeSet) answered(r *enr.Record, now time.Time) {
	e := s[r.ID()]
	e.Score++
	s[r.ID()] = e
	s.updated(r, now)
}

// updated records another answer during the same check.
func (s nodeSet) updated(r *enr.Record, now time.Time) {
	e := s[r.ID()]
	e.Seq, e.Record, e.Registrar = r.Seq(), r.String(), r.SupportsTopics()
	if e.FirstResponse.IsZero() {
		e.FirstResponse = now
	}
	e.LastResponse, e.LastCheck, e.LastTry = now, now, time.Time{}
	s[r.ID()] = e
}

// failed records a check without an answer. It removes a node whose score falls to 0.
func (s nodeSet) failed(id enr.ID, now time.Time) (removed bool) {
	e, ok := s[id]
	if !ok {
		return false
	}
	e.Score /= 2
	e.LastCheck, e.LastTry = now, time.Time{}
	if e.Score <= 0 {
		delete(s, id)
		return true
	}
	s[id] = e
	return false
}

// tried records a check without an answer that proves nothing about the node.
func (s nodeSet) tried(id enr.ID, now time.Time) {
	if e, ok := s[id]; ok {
		e.LastTry = now
		s[id] = e
	}
}

// registrars returns the number of registrars of topics.
func (s nodeSet) registrars() (count int) {
	for _, e := range s {
		if e.Registrar {
			count++
		}
	}
	return count
}

// encode returns the content of the file.
func (s nodeSet) encode() ([]byte, error) { return json.MarshalIndent(s, "", "    ") }

// maxNodeEntry bounds one entry of a nodes.json, in bytes. The entries of crawl are shorter than
// 1,000 bytes.
const maxNodeEntry = 64 << 10

// readNodes reads a nodes.json of any size and calls add with each entry, in the order of the file.
// An empty file, such as mktemp makes, is an empty set. readNodes keeps one entry in memory. Errors
// name the line; an error of add ends the reading.
func readNodes(r io.Reader, add func(enr.ID, nodeEntry) error) error {
	w := &window{r: r}
	d := json.NewDecoder(w)
	first, err := d.Token()
	if err == io.EOF {
		return nil
	}
	if err != nil || first != json.Delim('{') {
		var reading *fs.PathError
		if !errors.Is(err, errEntrySize) && !errors.As(err, &reading) {
			err = errors.New("want an object, with a node ID for each key")
		}
		return w.wrong(w.at, err)
	}
	for d.More() {
		w.drop(d.InputOffset())
		key, err := d.Token()
		if err != nil {
			return w.wrong(d.InputOffset(), err)
		}
		at := d.InputOffset()
		name, _ := key.(string)
		id, err := enr.ParseID(name)
		if err != nil {
			return w.wrong(at, err)
		}
		e := nodeEntry{line: w.line(at)}
		if err := d.Decode(&e); err != nil {
			return w.wrong(w.find(at, err), err)
		}
		if err := add(id, e); err != nil {
			return err
		}
	}
	w.drop(d.InputOffset())
	if _, err := d.Token(); err != nil {
		return w.wrong(w.end(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return w.wrong(d.InputOffset()+1, errors.New("more than one object"))
	}
	return nil
}

// window keeps the bytes read since the last call of drop. It finds the line of an offset, and
// fails when an entry is too long.
type window struct {
	r     io.Reader
	buf   []byte
	at    int64 // offset of buf[0]
	lines int   // line ends before buf[0]
}

// errEntrySize is the error about an entry of more than maxNodeEntry bytes.
var errEntrySize = fmt.Errorf("an entry of more than %d KiB", maxNodeEntry>>10)

func (w *window) Read(p []byte) (int, error) {
	if len(w.buf) > maxNodeEntry {
		return 0, errEntrySize
	}
	n, err := w.r.Read(p[:min(len(p), maxNodeEntry)])
	w.buf = append(w.buf, p[:n]...)
	return n, err
}

func (w *window) end() int64 { return w.at + int64(len(w.buf)) }

// cut returns how many bytes of buf are before an offset.
func (w *window) cut(offset int64) int { return int(max(0, min(offset-w.at, int64(len(w.buf))))) }

// drop forgets the bytes before an offset.
func (w *window) drop(offset int64) {
	n := w.cut(offset)
	w.lines += bytes.Count(w.buf[:n], []byte("\n"))
	w.buf = w.buf[:copy(w.buf, w.buf[n:])]
	w.at += int64(n)
}

// line returns the line of an offset, from 1.
func (w *window) line(offset int64) int {
	return 1 + w.lines + bytes.Count(w.buf[:w.cut(offset)], []byte("\n"))
}

// find returns the offset of the error in the value of a key that ends at offset at.
func (w *window) find(at int64, err error) int64 {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return at + 1 + kind.Offset // the value begins after the colon
	case errors.As(err, &syntax):
		// The Decoder counts from another offset.
		value := bytes.TrimLeft(w.buf[w.cut(at):], ": \t\r\n")
		if err := json.Unmarshal(value, new(json.RawMessage)); errors.As(err, &syntax) {
			return w.end() - int64(len(value)) + syntax.Offset
		}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errEntrySize):
		return w.end()
	}
	return at
}

// wrong returns a usage error that names the line of an offset.
func (w *window) wrong(offset int64, err error) error {
	var kind *json.UnmarshalTypeError
	var reading *fs.PathError
	switch {
	case errors.As(err, &reading): // not about the content
		return cli.Usagef("line %d: %w", w.line(offset), err)
	case errors.As(err, &kind): // its text may hold a long number
		short := *kind
		short.Value = quote.Cut(short.Value)
		err = &short
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		err = errors.New("unexpected end of JSON input")
	case len(err.Error()) > quote.Max: // its text may hold a long time
		err = errors.New(quote.Cut(err.Error()))
	}
	return cli.Usagef("line %d: not a node set: %w", w.line(offset), err)
}

// ownersChecked is the number of nodes whose record loadNodes checks to be theirs. It is more than
// somebody writes by hand. The checks take as long as the rest of loadNodes.
const ownersChecked = 4096

// loadNodes reads a nodes.json and returns a target for each node with an address. A file that does
// not exist is an empty set. The crawl checks signatures when it visits a node.
func loadNodes(path string) (nodeSet, []target, error) {
	f, err := cli.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nodeSet{}, nil, nil
	}
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	defer f.Close()
	s := nodeSet{}
	var list []target
	err = readNodes(f, func(id enr.ID, e nodeEntry) error {
		bad := func(format string, args ...any) error {
			return cli.Usagef("line %d: node %s: "+format, append([]any{e.line, id}, args...)...)
		}
		v, err := parseView(e.Record)
		if err != nil {
			return bad("%w", err)
		}
		if len(s) < ownersChecked {
			owner, err := v.NodeID()
			if err != nil {
				return bad("%w", err)
			}
			if owner != id {
				return bad("has the record of %s", owner)
			}
		}
		e.Registrar = v.SupportsTopics() // files of other programs do not say
		s[id] = e
		if to, err := listedTarget(id, v); err == nil {
			list = append(list, to)
		}
		return nil
	})
	if err != nil {
		return nil, nil, place(path, err)
	}
	return s, list, nil
}

// order sorts targets by their last check. Targets without a check come first.
func (s nodeSet) order(list []target) {
	slices.SortStableFunc(list, func(a, b target) int { return s[a.id()].asked().Compare(s[b.id()].asked()) })
}

// asked returns the time of the last check, with or without an answer.
func (e nodeEntry) asked() time.Time {
	if e.LastTry.After(e.LastCheck) {
		return e.LastTry
	}
	return e.LastCheck
}

// checkFile reports whether writeFile can write a file. It does not change the file.
func checkFile(path string) error {
	if err := atomicfile.Check(path, keepFile); err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}

// keepFile holds the options for writing a nodes.json.
var keepFile = atomicfile.Options{Mode: 0o644, Keep: true}

// writeFile replaces a file, or the target of a link: a reader sees the old content or the new one.
// An existing file keeps its mode. writeFile refuses to replace a read-only file.
func writeFile(path string, content []byte) error {
	err := atomicfile.Write(path, content, keepFile)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}

// isNodes reports whether a text is a nodes.json and not a list of nodes.
func isNodes(start []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(start), "\ufeff \t\r\n"), "{")
}
