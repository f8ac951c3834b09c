package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// A list must not decay because this machine has lost its network. So a silent node loses points
// only if
//
//   - another node has answered shortly before, and another shortly after;
//   - at least one in enoughAnswers has answered, either of all nodes asked or of those that
//     answered the last time.
//
// Both rules apply to each kind of network separately, because each can fail alone.

const (
	// enoughAnswers: one answer in so many shows that the network works.
	enoughAnswers = 8
	// After quietFactor timeouts without any answer, at least minQuiet, the crawl asks a witness.
	quietFactor = 3
	minQuiet    = 3 * time.Second
	// longGap is the maximum gap between two answers, in such times. Requests in a longer gap prove
	// nothing.
	longGap = 3
	// witnesses is how many nodes that have answered the crawl remembers. It asks all of them.
	witnesses = 4
	// After suspectFailures in a row, and suspectFactor such times without an answer, the network
	// may be at fault.
	suspectFailures = 16
	suspectFactor   = 2
)

// networkKind is a part of the network that one outage affects.
type networkKind struct{ ipv6, public bool }

// source is the network of one worker. The name of the worker is empty for this process.
type source struct {
	worker string
	kind   networkKind
}

// kindOf returns the kind of network that requests to a target use.
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
	id    enr.ID
	at    time.Time // for the file
	visit *visit
}

// settledVisit is the visit of a node that did not answer. proven says that the network worked at
// that time.
type settledVisit struct {
	visit  *visit
	proven bool
}

// evidence distinguishes silent nodes from a network that fails. The crawler's lock guards it.
type evidence struct {
	began time.Time
	kinds map[source]*kindEvidence
	quiet time.Duration // time without an answer before the crawl asks a witness
	// last is the time of the last answer, whatever the network, and failures counts the nodes that
	// have not answered since then.
	last     time.Time
	failures int
	// settled are visits that have moved from pending since the crawler last took them.
	settled []settledVisit
}

type kindEvidence struct {
	asked, answered int
	// expected is how many of the nodes asked answered the last time; kept is how many of those
	// have answered now.
	expected, kept int
	last           time.Time    // time of the last answer
	pending        []unanswered // since then
	blamed         []unanswered // between two answers
	witness        []discv5.Contact
}

func (e *evidence) of(from source) *kindEvidence {
	k := e.kinds[from]
	if k == nil {
		k = &kindEvidence{last: e.began}
		if e.kinds == nil {
			e.kinds = map[source]*kindEvidence{}
		}
		e.kinds[from] = k
	}
	return k
}

// add counts a node.
func (k *kindEvidence) add(n *known, answered bool) {
	k.asked++
	if n.expected {
		k.expected++
	}
	if answered {
		k.answered++
	}
	if answered && n.expected {
		k.kept++
	}
}

// other counts a node that another worker has asked.
func (e *evidence) other(worker string, n *known, answered bool) *kindEvidence {
	k := e.of(source{worker, kindOf(n.to)})
	k.add(n, answered)
	return k
}

// answer records that a node has answered.
func (e *evidence) answer(n *known, contact discv5.Contact) {
	k := e.of(source{kind: kindOf(n.to)})
	k.add(n, true)
	if len(k.witness) == witnesses {
		k.witness = append(k.witness[:0], k.witness[1:]...)
	}
	k.witness = append(k.witness, contact)
	e.works(k)
}

// works records that a network works now.
func (e *evidence) works(k *kindEvidence) {
	now := time.Now()
	e.decide(k, now.Sub(k.last) <= longGap*e.quiet)
	k.last, e.last, e.failures = now, now, 0
}

// suspect reports whether this machine's network may be at fault now. The crawl asks a witness
// earlier than that.
func (e *evidence) suspect() bool {
	since := e.began
	if e.last.After(since) {
		since = e.last
	}
	return e.failures >= suspectFailures && time.Since(since) > suspectFactor*e.quiet
}

// decide ends the wait of all pending nodes of a kind.
func (e *evidence) decide(k *kindEvidence, proven bool) {
	if proven {
		k.blamed = append(k.blamed, k.pending...)
	}
	for _, u := range k.pending {
		e.settled = append(e.settled, settledVisit{u.visit, proven})
	}
	k.pending = nil
}

// silent records that a node has not answered at v.at.
func (e *evidence) silent(n *known, v *visit) {
	k := e.of(source{kind: kindOf(n.to)})
	k.add(n, false)
	e.failures++
	k.pending = append(k.pending, unanswered{n.to.id(), v.at, v})
}

// verdict returns the nodes that lose points.
func (e *evidence) verdict() (blamed []unanswered) {
	for _, k := range e.kinds {
		if k.answered*enoughAnswers >= k.asked || k.kept > 0 && k.kept*enoughAnswers >= k.expected {
			blamed = append(blamed, k.blamed...)
		}
	}
	return blamed
}

// probe pings witnesses of each kind of network that has unanswered requests and no answer for the
// time quiet.
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
		works := false
		for i := len(q.witness) - 1; i >= 0; i-- {
			if _, err := c.node.Ping(ctx, q.witness[i]); err == nil {
				works = true
				break
			}
		}
		c.mu.Lock()
		if works {
			c.evidence.works(q.k)
		} else if ctx.Err() == nil && time.Since(q.k.last) > longGap*c.evidence.quiet {
			c.evidence.decide(q.k, false) // no later answer can prove anything
		}
		c.mu.Unlock()
	}
	c.settle()
}

// observe calls probe while no answer comes, until ctx ends.
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
