package main

import (
	"encoding/json"
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
	// LastTry is when it was last asked in vain while hardly any node answered, which says nothing
	// about it.
	LastTry time.Time `json:"lastTry,omitzero"`

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
	e.LastResponse, e.LastCheck, e.LastTry = now, now, time.Time{}
	s[r.ID()] = e
}

// failed notes a check without an answer. A node whose score falls to 0 is taken out.
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

// tried notes a check without an answer that says nothing about the node.
func (s nodeSet) tried(id enr.ID, now time.Time) {
	if e, ok := s[id]; ok {
		e.LastTry = now
		s[id] = e
	}
}

// encode is the file's content.
func (s nodeSet) encode() ([]byte, error) { return json.MarshalIndent(s, "", "    ") }
