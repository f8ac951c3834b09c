package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

const (
	// maxKnown bounds the nodes of a crawl. Anybody can make up records.
	maxKnown = 1 << 18
	// attempts is how often the crawl asks a node before it counts as silent. Other visits come in
	// between, so that one outage does not cost a node. A node that was silent the last time gets
	// one attempt.
	attempts = 2
	// contactFactor is how many nodes the crawl asks for their record at the same time, for each
	// node that it walks. A silent node costs a timeout and nothing else.
	contactFactor = 8
	// After emptyBuckets in a row, one request for the restBuckets that follow ends the walk of a
	// node. Bucket 256 holds half of all nodes, bucket 255 half of the others, and so on.
	emptyBuckets = 3
	restBuckets  = 16
)

// crawler visits nodes, and the nodes that those return, each once.
//
//	queued -> running -> answered
//	   ^         |
//	   +---------+------> failed, and back if a newer record appears
type crawler struct {
	node     *discv5.Node
	frontier frontier
	now      func() time.Time
	// serves reports whether a node is listed. The crawl visits all others too, to find those that
	// are.
	serves func(enr.View) bool

	mu       sync.Mutex
	nodes    map[enr.ID]*known
	set      nodeSet
	count    crawlCounts
	evidence evidence
	load     crawlLoad
	dropped  int    // nodes beyond maxKnown
	worker   string // name of this worker of a fleet
}

// crawlCounts is the progress of a crawl.
type crawlCounts struct {
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	Added    int `json:"added"`
	Removed  int `json:"removed"`
	// Other nodes have answered and are of another chain.
	Other int `json:"other,omitempty"`
	// Skipped nodes are out of reach, have a bad signature, or are more than maxKnown.
	Skipped int `json:"skipped"`
	Waiting int `json:"waiting"`
	// Undecided are failed nodes that keep their score, because this machine's network may be at
	// fault.
	Undecided int `json:"undecided,omitempty"`
	running   int
}

type known struct {
	to    target
	state visitState
	// tries counts attempts without an answer; allowed is the maximum.
	tries, allowed int
	// expected says that the node answered its last check before this crawl.
	expected bool
	// heard says that the node has answered in this crawl.
	heard bool
	// revision is that of the newest result of another worker.
	revision uint64
}

type visitState uint8

const (
	queued visitState = iota
	running
	answered
	failed
	judged  // failed, and its score is lower now
	skipped // not asked, or not answered for a reason that is not the node's
)

// newCrawler returns a crawler. timeout is the time to wait for an answer.
func newCrawler(node *discv5.Node, f frontier, set nodeSet, timeout time.Duration) *crawler {
	c := &crawler{node: node, frontier: f, set: set, serves: func(enr.View) bool { return true }, nodes: map[enr.ID]*known{}, now: func() time.Time { return time.Now().UTC().Truncate(time.Second) }}
	c.load.answers = 1
	c.evidence = evidence{began: time.Now(), quiet: max(minQuiet, quietFactor*timeout)}
	return c
}

// add queues a node unless it is known. A newer record gives a failed node another chance. by is
// the visit that found the node, nil at the start.
func (c *crawler) add(to target, by *visit) {
	c.mu.Lock()
	queue := c.learn(to)
	c.mu.Unlock()
	if queue {
		c.frontier.add(to, by)
	}
}

// learn records a node, and reports whether to queue it. Callers must hold the lock.
func (c *crawler) learn(to target) bool {
	id := to.id()
	k := c.nodes[id]
	switch {
	case id == c.node.ID():
		return false
	case k == nil:
		if len(c.nodes) >= maxKnown {
			c.count.Skipped++
			c.dropped++
			return false
		}
		c.nodes[id] = c.newKnown(to)
		return true
	case !newer(to, k.to):
		return false
	case k.state == queued:
		k.to = to
	case k.state == failed:
		k.to, k.state, k.tries = to, queued, 0
		return true
	}
	return false
}

// newKnown returns the entry of a node that was not known. Callers must hold the lock.
func (c *crawler) newKnown(to target) *known {
	k := &known{to: to, allowed: attempts}
	if e, ok := c.set[to.id()]; ok && !e.LastCheck.IsZero() {
		if k.expected = e.LastCheck.Equal(e.LastResponse); !k.expected {
			k.allowed = 1
		}
	}
	return k
}

func newer(a, b target) bool {
	seqA, hasA := a.seq()
	seqB, hasB := b.seq()
	return hasA && (!hasB || seqA > seqB)
}

// run visits nodes until none is left or ctx ends. It walks parallel nodes at the same time, and
// asks contactFactor times as many for their record.
func (c *crawler) run(ctx context.Context, parallel int) {
	stop := context.AfterFunc(ctx, c.frontier.end)
	defer stop()
	walks := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for range visitors(parallel) {
		wg.Go(func() {
			for {
				v, ok := c.frontier.next()
				if !ok {
					return
				}
				c.begin(v)
				c.done(v, c.visit(ctx, v, walks))
			}
		})
	}
	wg.Wait()
}

// visitors returns how many nodes a crawl asks for their record at the same time.
func visitors(parallel int) int { return min(contactFactor*parallel, maxParallel) }

// begin marks a node as running. It completes a visit that names only the node.
func (c *crawler) begin(v *visit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.running++
	k := c.nodes[v.id]
	if k == nil { // another process has found it
		k = c.newKnown(v.to)
		c.nodes[v.id] = k
	}
	if v.task == nil || newer(k.to, v.to) {
		v.to = k.to
	} else {
		k.to = v.to
	}
	k.state = running
}

// Reasons why the crawl did not ask a node.
var (
	errSignature = errors.New("record is not signed by its node") // in the file
	errNotAsked  = errors.New("the crawl has ended")
)

// done records the result of a visit.
func (c *crawler) done(v *visit, err error) {
	c.end(v, err)
	switch v.state {
	case answered, failed, skipped:
		c.frontier.done(v)
	case running:
		c.frontier.release(v)
	default:
		c.frontier.retry(v)
	}
	c.settle()
}

// end gives a visit its state: answered, failed or skipped; queued if the node gets another
// attempt; running if the crawl ended before the visit did.
func (c *crawler) end(v *visit, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.running--
	k := c.nodes[v.id]
	switch {
	case err == nil:
		v.state, k.state = answered, answered
		c.count.Answered++
	case errors.Is(err, errNotAsked):
		v.state, k.state = running, queued
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, discv5.ErrClosed):
		v.state, k.state = running, queued // not the node's fault: it keeps its score
		c.set.tried(v.id, c.now())         // other nodes come first the next time
	case errors.Is(err, discv5.ErrNoEndpoint) || errors.Is(err, errSignature):
		v.state, k.state = skipped, skipped
		v.elsewhere = !errors.Is(err, errSignature)
		c.count.Skipped++
	case k.tries+1 < k.allowed && (errors.Is(err, discv5.ErrTimeout) || errors.Is(err, discv5.ErrBusy)):
		k.tries++
		v.state, k.state = queued, queued
	case errors.Is(err, discv5.ErrBusy):
		v.state, k.state = skipped, skipped
		c.count.Skipped++
	default:
		v.state, k.state = failed, failed
		v.at = c.now()
		c.count.Failed++
		c.set.tried(v.id, v.at)
		c.evidence.silent(k, v)
	}
}

// settle tells the frontier which failures have turned out to be proven or not.
func (c *crawler) settle() {
	c.mu.Lock()
	settled := c.evidence.settled
	c.evidence.settled = nil
	c.mu.Unlock()
	for _, s := range settled {
		c.frontier.settle(s.visit, s.proven)
	}
}

// judge ends the crawl: silent nodes lose points, unless this machine's network may be at fault. To
// find out, it pings a few nodes that have answered.
func (c *crawler) judge(ctx context.Context) {
	c.probe(ctx, 0)
	c.verdict()
}

// verdict takes points from the nodes that were silent while the network worked.
func (c *crawler) verdict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, k := range c.nodes {
		if _, listed := c.set[id]; listed && k.state == failed {
			c.count.Undecided++
		}
	}
	for _, f := range c.evidence.verdict() {
		if _, listed := c.set[f.id]; !listed || c.nodes[f.id].state != failed {
			continue
		}
		c.nodes[f.id].state = judged // the verdict may hold a node twice
		c.count.Undecided--
		if c.set.failed(f.id, f.at) {
			c.count.Removed++
		}
	}
}

// visit asks a node for its record and for the nodes of its buckets. The visit succeeds if the node
// returns its record; it ends early if a bucket gets no answer. walks bounds the concurrent walks.
func (c *crawler) visit(ctx context.Context, v *visit, walks chan struct{}) error {
	to, err := v.to.verified()
	if err != nil {
		return fmt.Errorf("%w: %w", errSignature, err)
	}
	if ctx.Err() != nil {
		return errNotAsked
	}
	c.asking()
	r, err := c.node.RequestENR(ctx, to.contact)
	c.asked(err == nil)
	if err != nil {
		return err
	}
	defer c.walked()
	// For the round trip alone, now that there is a session.
	pong, err := c.node.Ping(ctx, to.contact)
	if err != nil {
		pong.RTT = 0
	}
	v.record, v.rtt, v.at = r, pong.RTT, c.now()
	c.mu.Lock()
	k := c.nodes[r.ID()]
	c.answered(k, r, v.at, v.rtt)
	c.evidence.answer(k, to.contact)
	c.mu.Unlock()
	c.settle()

	defer func() { v.partial = ctx.Err() != nil }()
	select {
	case walks <- struct{}{}:
		defer func() { <-walks }()
	case <-ctx.Done():
		return nil
	}
	empty := 0
	for d := uint(codec.MaxDistance); d > codec.MaxDistance-32; d-- {
		ask := []uint{d}
		for rest := d - 1; empty == emptyBuckets && rest > d-restBuckets; rest-- {
			ask = append(ask, rest)
		}
		found, err := c.node.FindNode(ctx, to.contact, ask...)
		if err != nil || len(ask) > 1 {
			c.addAll(found, v)
			return nil
		}
		if empty++; len(found) > 0 {
			empty = 0
		}
		c.addAll(found, v)
	}
	return nil
}

// answered lists a node that has answered, unless it is of another chain. Callers must hold the
// lock.
func (c *crawler) answered(k *known, r *enr.Record, at time.Time, rtt time.Duration) {
	_, old := c.set[r.ID()]
	first := !k.heard
	k.heard = true
	switch {
	case c.serves(r.View()):
		if !old {
			c.count.Added++
		}
		if first {
			c.set.answered(r, at)
		} else {
			c.set.updated(r, at)
		}
		c.set.observed(r, rtt)
	case old:
		delete(c.set, r.ID())
		c.count.Removed++
		fallthrough
	default:
		if first {
			c.count.Other++
		}
	}
}

// addAll queues the nodes of an answer.
func (c *crawler) addAll(records []*enr.Record, by *visit) {
	for _, r := range records {
		if to, err := recordTarget(r); err == nil {
			c.add(to, by)
		}
	}
}

// counts returns the progress of the crawl.
func (c *crawler) counts() crawlCounts {
	waiting := c.frontier.waiting()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.count
	n.Waiting = waiting
	return n
}

// content returns the present content of nodes.json, with the number of nodes and of registrars of
// topics in it.
func (c *crawler) content() (text []byte, nodes, registrars int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err = c.set.encode()
	return text, len(c.set), c.set.registrars(), err
}
