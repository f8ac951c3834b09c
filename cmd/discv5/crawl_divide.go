package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

// fleetSummary is what crawl --fleet adds to its summary.
type fleetSummary struct {
	Crawl string `json:"crawl"`
	// Complete says that no node of the crawl is left to visit.
	Complete bool `json:"complete"`
	// Visited is how many nodes this worker has visited.
	Visited int64 `json:"visited"`
	// Redelivered tasks were another worker's before, Duplicates are of nodes that have a result,
	// and Fenced results were dropped because another worker has the task.
	Redelivered uint64 `json:"redelivered"`
	Duplicates  uint64 `json:"duplicates"`
	Fenced      uint64 `json:"fenced"`
	// Bad tasks and results were ignored.
	Bad uint64 `json:"bad"`
}

func (s *fleetSummary) text() string {
	text := fmt.Sprintf("; %s of crawl %s visited here", cli.Count(int(s.Visited), "node"), s.Crawl)
	if s.Redelivered > 0 {
		text += fmt.Sprintf(", %s from other workers", cli.Count(int(s.Redelivered), "task"))
	}
	if s.Bad > 0 {
		text += fmt.Sprintf(", %d bad entries ignored", s.Bad)
	}
	return text
}

func (r *crawlRun) summary(q *crawlqueue.Queue) *fleetSummary {
	s := q.Stats()
	return &fleetSummary{Crawl: r.fleet.crawl, Redelivered: s.Redelivered, Duplicates: s.Duplicates, Fenced: s.Fenced, Bad: s.Bad}
}

// divide is run for one worker of a fleet. timed ends earlier than ctx.
func (r *crawlRun) divide(ctx, timed context.Context, node *discv5.Node, set nodeSet, targets []target) error {
	conn, q, err := r.t.openFleet(timed, r.fleet)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer q.Close()
	if n, err := q.Clean(timed); err == nil && n > 0 {
		r.t.note("discv5: fleet: deleted %s that nobody has continued", cli.Count(n, "old crawl"))
	}

	c := newCrawler(node, nil, set, time.Duration(r.timeout))
	c.serves, c.worker = r.serves, q.Worker()
	// Visits that have ended are stored even after an interrupt.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(timed, func() { time.AfterFunc(finalTimeout, stop) })()
	f := newFleetFrontier(working, q, r.parallel, c.crawlLoad)
	f.probe = func() { c.probe(timed, 0) }
	c.frontier = f
	go q.Watch(working, c.fold)
	err = q.Results(timed, c.fold)
	if err == nil {
		f.start(targets, c.add)
		r.visit(timed, c)
		c.probe(timed, 0)
		err = f.err()
	}
	f.close()
	if last := q.Results(working, c.fold); err == nil && timed.Err() == nil {
		err = last
	}
	return r.conclude(ctx, timed, c, q, f, err)
}

// conclude writes the results that this worker knows, whatever has ended the crawl.
func (r *crawlRun) conclude(ctx, timed context.Context, c *crawler, q *crawlqueue.Queue, f *fleetFrontier, lost error) error {
	c.verdict()
	s, full := r.summary(q), 0
	if f != nil {
		full = int(f.full.Load())
		s.Complete, s.Visited = f.isComplete(), f.visited.Load()
	} else if n, err := q.Len(ctx); err == nil {
		s.Complete = n == 0
	}
	c.recount(full)
	err := r.finish(ctx, timed, c, s)
	if lost != nil && timed.Err() == nil {
		return fmt.Errorf("the crawl is not complete, %s holds its results so far: %w", r.path, lost)
	}
	return err
}

// collect writes the results of a crawl of a fleet without visiting a node.
func (r *crawlRun) collect(ctx context.Context, set nodeSet) error {
	conn, q, err := r.t.openFleet(ctx, r.fleet)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer q.Close()
	c := newCrawler(nil, newLocalFrontier(), set, time.Duration(r.timeout))
	c.serves = r.serves
	if err := q.Results(ctx, c.fold); err != nil {
		return err
	}
	return r.conclude(ctx, ctx, c, q, nil, nil)
}
