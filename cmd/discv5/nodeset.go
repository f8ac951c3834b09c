package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
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
		to, err := parseTarget(ctx, net.DefaultResolver, e.Record, nil)
		if to.contact.Record() == nil && err != nil {
			return nil, nil, wrong("%s: node %s: %w", path, id, err)
		}
		if to.id() != id {
			return nil, nil, wrong("%s: node %s: has the record of %s", path, id, to.id())
		}
		if err == nil {
			list = append(list, to)
		}
	}
	return s, list, nil
}

// parseNodes reads the content of a nodes.json.
func parseNodes(text []byte) (nodeSet, error) {
	s := nodeSet{}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, wrong("not a node set: %w", err)
	}
	if s == nil { // null
		s = nodeSet{}
	}
	return s, nil
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
	tmp, err := os.CreateTemp(filepath.Dir(path), ".nodes-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}
