package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

const (
	// maxKnown bounds the nodes that a crawl hears of. Whoever likes can make up records.
	maxKnown = 1 << 18
	// attempts is how often a node is asked before it counts as silent.
	attempts = 2
	// emptyBuckets in a row end the walk through a node's buckets, after one request for the restBuckets that follow. The
	// farther half of all nodes is in bucket 256, half of the others in 255, and so on.
	emptyBuckets = 3
	restBuckets  = 16
)

// crawler visits nodes and the nodes that those tell of, each once.
//
//	queued -> running -> answered
//	   ^         |
//	   +---------+------> failed, and back if a newer record turns up
type crawler struct {
	node *discv5.Node
	now  func() time.Time

	mu     sync.Mutex
	change *sync.Cond // a node is queued, a visit ends, or all ends
	nodes  map[enr.ID]*known
	queue  []enr.ID
	ended  bool
	set    nodeSet
	count  crawlCounts
}

// crawlCounts is how far a crawl is.
type crawlCounts struct {
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	Added    int `json:"added"`
	Removed  int `json:"removed"`
	Skipped  int `json:"skipped"` // no address that can be reached from here, or more than can be remembered
	Waiting  int `json:"waiting"`
	running  int
}

type known struct {
	to    target
	state visitState
}

type visitState uint8

const (
	queued visitState = iota
	running
	answered
	failed
)

func newCrawler(node *discv5.Node, set nodeSet) *crawler {
	c := &crawler{node: node, set: set, nodes: map[enr.ID]*known{}, now: func() time.Time { return time.Now().UTC().Truncate(time.Second) }}
	c.change = sync.NewCond(&c.mu)
	return c
}

// add queues a node unless it is known already. A newer record gives a node that failed another chance.
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
		c.nodes[id] = &known{to: to}
		c.queue = append(c.queue, id)
	case !newer(to, k.to):
		return
	case k.state == queued:
		k.to = to
	case k.state == failed:
		k.to, k.state = to, queued
		c.queue = append(c.queue, id)
	}
	c.change.Signal()
}

func newer(a, b target) bool {
	ra, rb := a.contact.Record(), b.contact.Record()
	return ra != nil && (rb == nil || ra.Seq() > rb.Seq())
}

// run visits nodes, several at a time, until none is left or ctx ends.
func (c *crawler) run(ctx context.Context, parallel int) {
	stop := context.AfterFunc(ctx, c.end)
	defer stop()
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for {
				to, ok := c.next()
				if !ok {
					return
				}
				c.done(to, c.visit(ctx, to))
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

// next takes a node off the queue. While others are being visited an empty queue may fill again.
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

// done notes how a visit ended.
func (c *crawler) done(to target, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.running--
	k := c.nodes[to.id()]
	switch {
	case err == nil:
		k.state = answered
		c.count.Answered++
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, discv5.ErrClosed):
		k.state = queued // not the node's doing: what the file says of it stays
		c.queue = append(c.queue, to.id())
	case errors.Is(err, discv5.ErrNoEndpoint) || errors.Is(err, discv5.ErrNoRoute) || errors.Is(err, discv5.ErrBusy):
		k.state = answered // not asked, so that nothing is known of it either
		c.count.Skipped++
	default:
		k.state = failed
		c.count.Failed++
		if c.set.failed(to.id(), c.now()) {
			c.count.Removed++
		}
	}
	c.change.Broadcast()
}

// visit asks a node for its record and for what is in its buckets. Once it has answered, it has: if its buckets stay
// silent they are not walked to the end.
func (c *crawler) visit(ctx context.Context, to target) error {
	var r *enr.Record
	var err error
	for range attempts {
		r, err = c.node.RequestENR(ctx, to.contact)
		if err == nil || ctx.Err() != nil || !errors.Is(err, discv5.ErrTimeout) && !errors.Is(err, discv5.ErrBusy) {
			break
		}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	if _, old := c.set[r.ID()]; !old {
		c.count.Added++
	}
	c.set.answered(r, c.now())
	c.mu.Unlock()

	empty := 0
	for d := uint(codec.MaxDistance); d > codec.MaxDistance-32; d-- {
		ask := []uint{d}
		for rest := d - 1; empty == emptyBuckets && rest > d-restBuckets; rest-- {
			ask = append(ask, rest)
		}
		found, err := c.node.FindNode(ctx, to.contact, ask...)
		if err != nil || len(ask) > 1 {
			c.heard(found)
			return nil
		}
		if empty++; len(found) > 0 {
			empty = 0
		}
		c.heard(found)
	}
	return nil
}

// heard queues what an answer brought.
func (c *crawler) heard(records []*enr.Record) {
	for _, r := range records {
		if to, err := recordTarget(r); err == nil {
			c.add(to)
		}
	}
}

// counts is how far the crawl is.
func (c *crawler) counts() crawlCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.count
	n.Waiting = len(c.queue)
	return n
}

// content is nodes.json as it is now.
func (c *crawler) content() (text []byte, nodes int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err = c.set.encode()
	return text, len(c.set), err
}
