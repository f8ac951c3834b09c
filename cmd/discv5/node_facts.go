package main

import (
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
)

// nodeFacts is what crawl learns about a node besides its record. The devp2p tool ignores it.
type nodeFacts struct {
	RTT    float64 `json:"rtt,omitempty"`    // ms, of the last PING
	Fork   string  `json:"fork,omitempty"`   // digest of "eth2", or hash of "eth"
	Client string  `json:"client,omitempty"` // of the record (EIP-7636)
}

// recordFacts returns the facts that a record states.
func recordFacts(v enr.View) (f nodeFacts) {
	if e, ok := v.Eth2(); ok {
		f.Fork = forks.Digest(e.ForkDigest).String()
	} else if id, ok := v.Eth(); ok {
		f.Fork = forks.Digest(id.Hash).String()
	}
	if c, ok := v.Client(); ok {
		f.Client = asciiText(c.String())
	}
	return f
}

// asciiText replaces all characters but those of ASCII that can be printed: a record may hold
// anything.
func asciiText(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// observed records facts about a node that the set has.
func (s nodeSet) observed(r *enr.Record, rtt time.Duration) {
	e, ok := s[r.ID()]
	if !ok {
		return
	}
	old := e.RTT
	e.nodeFacts = recordFacts(r.View())
	if e.RTT = old; rtt > 0 {
		e.RTT = round(float64(rtt) / float64(time.Millisecond))
	}
	s[r.ID()] = e
}
