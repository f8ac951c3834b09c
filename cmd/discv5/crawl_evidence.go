package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// A list must not decay because this machine has lost its network. So the silence of a node counts
// against it only if
//
//   - another node has answered not long before, and one not long after;
//   - of the nodes that were asked, or of those that answered the last time, at least one in
//     enoughAnswers has answered.
//
// Both are judged for each kind of network separately: each can fail alone.

const (
	// enoughAnswers is one in how many answers shows that the network works.
	enoughAnswers = 8
	// A witness is asked after quietFactor times the time for an answer without any, and after
	// minQuiet at least.
	quietFactor = 3
	minQuiet    = 3 * time.Second
	// longGap is how many such times may pass between two answers before what was asked in between
	// says nothing.
	longGap = 3
	// witnesses is how many nodes that have answered are remembered. All are asked when it matters.
	witnesses = 4
)

// networkKind is what one outage takes away.
type networkKind struct{ ipv6, public bool }

// kindOf is the kind of network that a target is asked through.
func kindOf(to target) networkKind {
	a := to.v4
	if !a.IsValid() {
		a = to.v6
	}
	return networkKind{a.Addr().Is6(), isPublic(a.Addr())}
}

func isPublic(a netip.Addr) bool { return netaddr.ClassOf(a) == netaddr.Global }

// unanswered is a node that did not answer.
type unanswered struct {
	id enr.ID
	at time.Time // for the file
}

// evidence tells the silence of nodes from that of the network. The crawler's lock guards it.
type evidence struct {
	began time.Time
	kinds map[networkKind]*kindEvidence
	quiet time.Duration // without an answer, after which a witness is asked
}

type kindEvidence struct {
	asked, answered int
	// expected is how many of those asked answered the last time, and kept how many of them have
	// answered.
	expected, kept int
	last           time.Time    // of an answer
	pending        []unanswered // since then
	blamed         []unanswered // between two answers
	witness        []discv5.Contact
}

func (e *evidence) of(kind networkKind) *kindEvidence {
	k := e.kinds[kind]
	if k == nil {
		k = &kindEvidence{last: e.began}
		if e.kinds == nil {
			e.kinds = map[networkKind]*kindEvidence{}
		}
		e.kinds[kind] = k
	}
	return k
}

// answer notes that a node has answered.
func (e *evidence) answer(n *known, contact discv5.Contact) {
	k := e.of(kindOf(n.to))
	k.asked++
	k.answered++
	if n.expected {
		k.expected++
		k.kept++
	}
	if len(k.witness) == witnesses {
		k.witness = append(k.witness[:0], k.witness[1:]...)
	}
	k.witness = append(k.witness, contact)
	e.works(k)
}

// works notes that a network works now.
func (e *evidence) works(k *kindEvidence) {
	now := time.Now()
	if now.Sub(k.last) <= longGap*e.quiet {
		k.blamed = append(k.blamed, k.pending...)
	}
	k.pending, k.last = nil, now
}

// silent notes that a node has not answered.
func (e *evidence) silent(n *known, at time.Time) {
	k := e.of(kindOf(n.to))
	k.asked++
	if n.expected {
		k.expected++
	}
	k.pending = append(k.pending, unanswered{n.to.id(), at})
}

// verdict returns the nodes whose silence counts.
func (e *evidence) verdict() (blamed []unanswered) {
	for _, k := range e.kinds {
		if k.answered*enoughAnswers >= k.asked || k.kept > 0 && k.kept*enoughAnswers >= k.expected {
			blamed = append(blamed, k.blamed...)
		}
	}
	return blamed
}

// probe asks witnesses of each kind of network from which no answer has come for a time, and
// through which nodes were asked.
func (c *crawler) probe(ctx context.Context, quiet time.Duration) {
	type question struct {
		k       *kindEvidence
		witness []discv5.Contact
	}
	var ask []question
	c.mu.Lock()
	for _, k := range c.evidence.kinds {
		if len(k.pending) > 0 && time.Since(k.last) >= quiet {
			ask = append(ask, question{k, append([]discv5.Contact(nil), k.witness...)})
		}
	}
	c.mu.Unlock()
	for _, q := range ask {
		for i := len(q.witness) - 1; i >= 0; i-- {
			if _, err := c.node.Ping(ctx, q.witness[i]); err == nil {
				c.mu.Lock()
				c.evidence.works(q.k)
				c.mu.Unlock()
				break
			}
		}
	}
}

// observe asks witnesses whenever no answer comes, until ctx ends.
func (c *crawler) observe(ctx context.Context) {
	look := time.NewTicker(c.evidence.quiet / 2)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			c.probe(ctx, c.evidence.quiet)
		}
	}
}
