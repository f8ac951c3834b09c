package main

import (
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

// fold takes over a result of another worker of the fleet. If this worker has visited the node too,
// it was the other one that had the task.
func (c *crawler) fold(r crawlqueue.Result) {
	to, err := nodeTarget(r.Node)
	if err != nil { // no address, but it may have answered
		to = target{contact: discv5.ContactOf(r.Node.Record)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.nodes[r.ID]
	if k == nil {
		if len(c.nodes) >= maxKnown {
			return
		}
		k = c.newKnown(to)
		c.nodes[r.ID] = k
	}
	if r.Entry.By == c.worker || k.state == running || r.Revision <= k.revision {
		return
	}
	k.revision = r.Revision
	at := r.Entry.At.UTC().Truncate(time.Second)
	if now := c.now(); at.After(now) {
		at = now // its clock is ahead
	}
	if newer(to, k.to) {
		k.to = to
	}
	switch r.Entry.State {
	case crawlqueue.Answered:
		if k.heard && r.Node.Record.Seq() < c.set[r.ID].Seq {
			return
		}
		if k.state != answered {
			c.count.Answered++
		}
		k.state = answered
		if !k.heard {
			c.evidence.other(r.Entry.By, k, true)
		}
		c.answered(k, r.Node.Record, at, time.Duration(r.Entry.RTT*float64(time.Millisecond)))
	case crawlqueue.Failed:
		if k.heard || k.state == failed {
			return
		}
		k.state = failed
		c.count.Failed++
		c.set.tried(r.ID, at)
		e := c.evidence.other(r.Entry.By, k, false)
		if r.Entry.Proven {
			e.blamed = append(e.blamed, unanswered{id: r.ID, at: at})
		}
	case crawlqueue.Skipped:
		if k.state == queued {
			k.state = skipped
			c.count.Skipped++
		}
	}
}

// recount counts the nodes by their state: a node that a worker has returned counts once. full is
// the number of nodes that the queue had no room for.
func (c *crawler) recount(full int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Answered, c.count.Failed, c.count.Skipped = 0, 0, c.dropped+full
	for _, k := range c.nodes {
		switch k.state {
		case answered:
			c.count.Answered++
		case failed, judged:
			c.count.Failed++
		case skipped:
			c.count.Skipped++
		}
	}
}

// crawlLoad returns the current load of the crawl.
func (c *crawler) crawlLoad() crawlLoad {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.load
	l.works, l.suspect = !c.evidence.last.IsZero(), c.evidence.suspect()
	return l
}

// answerWeight is the weight of one node in crawlLoad.answers.
const answerWeight = 1.0 / 64

// asking and asked record the beginning and the result of the request for a node's record.
func (c *crawler) asking() {
	c.mu.Lock()
	c.load.asking++
	c.mu.Unlock()
}

func (c *crawler) asked(answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load.asking--
	share := 0.0
	if answered {
		c.load.walking++
		share = 1
	}
	c.load.answers += answerWeight * (share - c.load.answers)
}

// walked records the end of a walk.
func (c *crawler) walked() {
	c.mu.Lock()
	c.load.walking--
	c.mu.Unlock()
}
