package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// nodeSet is the content of nodes.json, the format of the devp2p tool: an object keyed by node ID.
type nodeSet map[enr.ID]nodeEntry

// nodeEntry is what is known of one node. Times are in UTC and whole seconds.
type nodeEntry struct {
	Seq    uint64 `json:"seq"`
	Record string `json:"record"`
	// Score is how often the node has answered, halved whenever it did not.
	Score int `json:"score,omitempty"`
	// FirstResponse and LastResponse are when it answered, LastCheck when it was last asked.
	FirstResponse time.Time `json:"firstResponse"`
	LastResponse  time.Time `json:"lastResponse"`
	LastCheck     time.Time `json:"lastCheck"`

	line int // of the file, from 1; 0 for an entry that is not of a file
}

// answered notes a check that the node answered with record r.
func (s nodeSet) answered(r *enr.Record, now time.Time) {
	e := s[r.ID()]
	e.Seq, e.Record = r.Seq(), r.String()
	e.Score++
	if e.FirstResponse.IsZero() {
		e.FirstResponse = now
	}
	e.LastResponse, e.LastCheck = now, now
	s[r.ID()] = e
}

// failed notes a check without an answer. A node whose score falls to 0 is taken out.
func (s nodeSet) failed(id enr.ID, now time.Time) (removed bool) {
	e, ok := s[id]
	if !ok {
		return false
	}
	e.Score /= 2
	e.LastCheck = now
	if e.Score <= 0 {
		delete(s, id)
		return true
	}
	s[id] = e
	return false
}

// encode is the file's content.
func (s nodeSet) encode() ([]byte, error) { return json.MarshalIndent(s, "", "    ") }

// loadNodes reads a nodes.json and makes a target of each node. A file that does not exist is an empty set. Nodes without
// an address are kept and not visited.
func loadNodes(ctx context.Context, path string) (nodeSet, []target, error) {
	s := nodeSet{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	if s, err = parseNodes(text); err != nil {
		return nil, nil, place(path, err)
	}
	var list []target
	for id, e := range s {
		to, err := parseTarget(ctx, systemNames, e.Record, nil)
		if to.contact.Record() == nil && err != nil {
			return nil, nil, wrong("%s: line %d: node %s: %w", path, e.line, id, err)
		}
		if to.id() != id {
			return nil, nil, wrong("%s: line %d: node %s: has the record of %s", path, e.line, id, to.id())
		}
		if err == nil {
			list = append(list, to)
		}
	}
	return s, list, nil
}

// parseNodes reads the content of a nodes.json. Errors name the line.
func parseNodes(text []byte) (nodeSet, error) {
	s := nodeSet{}
	fail := func(at int, err error) (nodeSet, error) {
		return nil, wrong("line %d: not a node set: %w", lineOf(text, at), err)
	}
	var whole map[string]json.RawMessage
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(text, &whole); {
	case errors.As(err, &syntax):
		return fail(int(syntax.Offset), err)
	case err != nil:
		return fail(0, errors.New("want an object, with a node ID for each key"))
	}
	// Once more, piece by piece: the map does not tell where something stands. By now this cannot fail.
	d := json.NewDecoder(bytes.NewReader(text))
	for d.Token(); d.More(); {
		key, _ := d.Token()
		at := int(d.InputOffset())
		name, _ := key.(string)
		id, err := enr.ParseID(name)
		if err != nil {
			return fail(at, err)
		}
		e := nodeEntry{line: lineOf(text, at)}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fail(at, err)
		}
		if err := json.Unmarshal(value, &e); err != nil {
			var kind *json.UnmarshalTypeError
			if errors.As(err, &kind) {
				at = int(d.InputOffset()) - len(value) + int(kind.Offset)
			}
			return fail(at, err)
		}
		s[id] = e
	}
	return s, nil
}

// lineOf is the line of a text in which the byte at an offset is.
func lineOf(text []byte, offset int) int {
	return 1 + bytes.Count(text[:max(0, min(offset, len(text)))], []byte("\n"))
}

// writeFile replaces a file, or what a link leads to, at once: a reader sees the old content or the new one. An existing
// file keeps its mode.
func writeFile(path string, content []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	fail := func(err error) error { return fmt.Errorf("%s cannot be written: %w", path, err) }
	tmp, err := os.CreateTemp(filepath.Dir(path), ".nodes-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}
