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
	node *discv5.Node
	now  func() time.Time
	// serves reports whether a node is listed. The crawl visits all others too, to find those that
	// are.
	serves func(enr.View) bool

	mu       sync.Mutex
	change   *sync.Cond // a node is queued, or a visit or the crawl ends
	nodes    map[enr.ID]*known
	queue    []enr.ID
	ended    bool
	set      nodeSet
	count    crawlCounts
	evidence evidence
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
}

type visitState uint8

const (
	queued visitState = iota
	running
	answered
	failed
	judged // failed, and its score is lower now
)

// newCrawler returns a crawler. timeout is the time to wait for an answer.
func newCrawler(node *discv5.Node, set nodeSet, timeout time.Duration) *crawler {
	c := &crawler{node: node, set: set, serves: func(enr.View) bool { return true }, nodes: map[enr.ID]*known{}, now: func() time.Time { return time.Now().UTC().Truncate(time.Second) }}
	c.evidence = evidence{began: time.Now(), quiet: max(minQuiet, quietFactor*timeout)}
	c.change = sync.NewCond(&c.mu)
	return c
}

// add queues a node unless it is known. A newer record gives a failed node another chance.
func (c *crawler) add(to target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := to.id()
	k := c.nodes[id]
	switch {
	case id == c.node.ID():
		return
	case k == nil:
		if len(c.nodes) >= maxKnown {
			c.count.Skipped++
			return
		}
		k = &known{to: to, allowed: attempts}
		if e, ok := c.set[id]; ok && !e.LastCheck.IsZero() {
			if k.expected = e.LastCheck.Equal(e.LastResponse); !k.expected {
				k.allowed = 1
			}
		}
		c.nodes[id] = k
		c.queue = append(c.queue, id)
	case !newer(to, k.to):
		return
	case k.state == queued:
		k.to = to
	case k.state == failed:
		k.to, k.state, k.tries = to, queued, 0
		c.queue = append(c.queue, id)
	}
	c.change.Signal()
}

func newer(a, b target) bool {
	seqA, hasA := a.seq()
	seqB, hasB := b.seq()
	return hasA && (!hasB || seqA > seqB)
}

// run visits nodes until none is left or ctx ends. It walks parallel nodes at the same time, and
// asks contactFactor times as many for their record.
func (c *crawler) run(ctx context.Context, parallel int) {
	stop := context.AfterFunc(ctx, c.end)
	defer stop()
	walks := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for range min(contactFactor*parallel, maxParallel) {
		wg.Go(func() {
			for {
				to, ok := c.next()
				if !ok {
					return
				}
				c.done(to.id(), c.visit(ctx, to, walks))
			}
		})
	}
	wg.Wait()
}

func (c *crawler) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.change.Broadcast()
}

// next removes a node from the queue. If the queue is empty, it waits for running visits, which may
// queue more nodes.
func (c *crawler) next() (target, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && c.count.running > 0 && !c.ended {
		c.change.Wait()
	}
	if c.ended || len(c.queue) == 0 {
		return target{}, false
	}
	k := c.nodes[c.queue[0]]
	c.queue = c.queue[1:]
	k.state = running
	c.count.running++
	return k.to, true
}

// Reasons why the crawl did not ask a node.
var (
	errSignature = errors.New("record is not signed by its node") // in the file
	errNotAsked  = errors.New("the crawl has ended")
)

// done records the result of a visit.
func (c *crawler) done(id enr.ID, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.running--
	k := c.nodes[id]
	switch {
	case err == nil:
		k.state = answered
		c.count.Answered++
	case errors.Is(err, errNotAsked):
		k.state = queued
		c.queue = append(c.queue, id)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, discv5.ErrClosed):
		k.state = queued // not the node's fault: it keeps its score
		c.queue = append(c.queue, id)
		c.set.tried(id, c.now()) // other nodes come first the next time
	case errors.Is(err, discv5.ErrNoEndpoint) || errors.Is(err, errSignature):
		k.state = answered // not asked: no other state fits
		c.count.Skipped++
	case k.tries+1 < k.allowed && (errors.Is(err, discv5.ErrTimeout) || errors.Is(err, discv5.ErrBusy)):
		k.tries++
		k.state = queued
		c.queue = append(c.queue, id)
	case errors.Is(err, discv5.ErrBusy):
		k.state = answered
		c.count.Skipped++
	default:
		k.state = failed
		c.count.Failed++
		c.set.tried(id, c.now())
		c.evidence.silent(k, c.now())
	}
	c.change.Broadcast()
}

// judge ends the crawl: silent nodes lose points, unless this machine's network may be at fault. To
// find out, it pings a few nodes that have answered.
func (c *crawler) judge(ctx context.Context) {
	c.probe(ctx, 0)
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
func (c *crawler) visit(ctx context.Context, to target, walks chan struct{}) error {
	to, err := to.verified()
	if err != nil {
		return fmt.Errorf("%w: %w", errSignature, err)
	}
	if ctx.Err() != nil {
		return errNotAsked
	}
	r, err := c.node.RequestENR(ctx, to.contact)
	if err != nil {
		return err
	}
	// For the round trip alone, now that there is a session.
	pong, err := c.node.Ping(ctx, to.contact)
	if err != nil {
		pong.RTT = 0
	}
	c.mu.Lock()
	_, old := c.set[r.ID()]
	switch {
	case c.serves(r.View()):
		if !old {
			c.count.Added++
		}
		c.set.answered(r, c.now())
		c.set.observed(r, pong.RTT)
	case old:
		delete(c.set, r.ID())
		c.count.Removed++
		fallthrough
	default:
		c.count.Other++
	}
	c.evidence.answer(c.nodes[r.ID()], to.contact)
	c.mu.Unlock()

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
			c.addAll(found)
			return nil
		}
		if empty++; len(found) > 0 {
			empty = 0
		}
		c.addAll(found)
	}
	return nil
}

// addAll queues the nodes of an answer.
func (c *crawler) addAll(records []*enr.Record) {
	for _, r := range records {
		if to, err := recordTarget(r); err == nil {
			c.add(to)
		}
	}
}

// counts returns the progress of the crawl.
func (c *crawler) counts() crawlCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.count
	n.Waiting = len(c.queue)
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
