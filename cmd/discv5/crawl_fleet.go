package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

const (
	// fetchWait is how long a request for tasks waits at the server, and fetchMax how many it asks
	// for at most.
	fetchWait = 250 * time.Millisecond
	fetchMax  = 256
	// fetchPoll is the time between looks at the load of this worker.
	fetchPoll = 20 * time.Millisecond
	// retryWait is the time before the second attempt for a node, unless nothing else is to do.
	retryWait = 5 * time.Second
	// A node that another worker may reach goes back to the queue for releaseWait.
	releaseWait = time.Second
	// A worker whose network may be at fault takes none for returnPause then.
	returnPause = 3 * time.Second
	// senders and settlers is how many nodes this worker queues, and how many failures it stores,
	// at the same time.
	senders  = 32
	settlers = 8
	// heldFactor bounds the tasks of a worker, for each node that it can ask at the same time: many
	// wait for another attempt, or until the cause of their failure is known. A worker without any
	// answer takes only as many as it can walk, and one whose network may be at fault that number
	// divided by suspectPart.
	heldFactor  = 2
	suspectPart = 8
	// finalTimeout bounds the time to read all results after the crawl has been interrupted.
	finalTimeout = 10 * time.Second
	// probeInterval is the time between probes at the end of a crawl.
	probeInterval = time.Second
	// releaseTimeout bounds the time to return tasks.
	releaseTimeout = 2 * time.Second
	maxHost        = 24 // bytes of this machine's name in that of the worker
)

// fleetTask is what a fleetFrontier needs to know about a visit.
type fleetTask struct {
	*crawlqueue.Task
	claimed bool
	found   sync.WaitGroup // nodes on their way to the queue
	lost    atomic.Bool    // one of them did not get there
}

// fleetFrontier is the frontier of one worker of a fleet.
//
//	server -> fetch -> tasks -> visits -> found -> senders -> server
//	                             |
//	                             +-> failures -> settlers -> server
type fleetFrontier struct {
	q        *crawlqueue.Queue
	parallel int
	load     func() crawlLoad // of the crawler
	// probe asks whether the network works, so that failures are settled.
	probe func()

	ctx    context.Context // ends when the crawl ends, or the fleet is lost
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when next returns false
	closed chan struct{} // closed when no visit is left
	once   sync.Once
	tasks  chan *visit
	found  chan foundNode
	judged chan settledVisit
	work   sync.WaitGroup

	idle    atomic.Int64 // visitors that wait for a visit
	active  atomic.Int64 // visits, held failures and found nodes that have not reached the server
	length  atomic.Int64 // of the queue at the server, at the last look
	full    atomic.Int64 // nodes that the queue had no room for
	held    atomic.Int64 // failures that are not settled
	visited atomic.Int64 // nodes whose result this worker has stored
	// returned is when this worker has returned a node for others, in nanoseconds of Unix time.
	returned atomic.Int64

	mu       sync.Mutex
	retries  []retryVisit // oldest first
	complete bool
}

type retryVisit struct {
	v   *visit
	due time.Time
}

// foundNode is a node on its way to the queue.
type foundNode struct {
	to target
	by *visit // nil at the start
}

// crawlLoad is what a worker does at a moment.
type crawlLoad struct {
	asking  int     // nodes that it asks for their record
	walking int     // nodes that have answered, and whose walk is not over
	answers float64 // the part of the nodes asked recently that have answered
	works   bool    // a node has answered
	// suspect says that many nodes in a row have not answered, and no witness does either: this
	// machine's network may be at fault.
	suspect bool
}

// newFleetFrontier returns a frontier whose goroutines run until close.
func newFleetFrontier(ctx context.Context, q *crawlqueue.Queue, parallel int, load func() crawlLoad) *fleetFrontier {
	f := &fleetFrontier{
		q: q, parallel: parallel, load: load, ended: make(chan struct{}), closed: make(chan struct{}),
		tasks: make(chan *visit), found: make(chan foundNode, 16*senders), judged: make(chan settledVisit, heldFactor*visitors(parallel)),
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	for range senders {
		f.work.Go(f.send)
	}
	for range settlers {
		f.work.Go(f.store)
	}
	f.work.Go(f.measure)
	return f
}

// lose ends the crawl because of an error of the fleet.
func (f *fleetFrontier) lose(err error) {
	if err != nil && f.ctx.Err() == nil {
		f.cancel(err)
		f.end()
	}
}

// err returns why the fleet was lost, or nil.
func (f *fleetFrontier) err() error {
	if err := context.Cause(f.ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (f *fleetFrontier) end() { f.once.Do(func() { close(f.ended) }) }

// close returns all tasks that this worker still has, and ends the goroutines of f. Visits must
// have ended.
func (f *fleetFrontier) close() {
	f.end()
	f.cancel(context.Canceled)
	close(f.closed)
	f.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	f.q.ReleaseAll(ctx)
}

// add implements frontier.
func (f *fleetFrontier) add(to target, by *visit) {
	if to.text() == "" {
		return
	}
	f.active.Add(1)
	if by != nil {
		by.task.found.Add(1)
	}
	select {
	case f.found <- foundNode{to, by}:
	case <-f.ctx.Done():
		f.sent(by, f.ctx.Err())
	}
}

// sent ends the way of a node to the queue.
func (f *fleetFrontier) sent(by *visit, err error) {
	if err != nil && by != nil {
		by.task.lost.Store(true)
	}
	if by != nil {
		by.task.found.Done()
	}
	f.active.Add(-1)
}

// send queues nodes that were found. It takes them even when the crawl has ended, because visits
// wait for theirs.
func (f *fleetFrontier) send() {
	for {
		select {
		case n := <-f.found:
			err := f.q.Push(f.ctx, n.to.id(), n.to.text())
			if errors.Is(err, crawlqueue.ErrFull) {
				f.full.Add(1)
				err = nil
			}
			f.sent(n.by, err)
			f.lose(err)
		case <-f.closed:
			return
		}
	}
}

// next implements frontier.
func (f *fleetFrontier) next() (*visit, bool) {
	f.idle.Add(1)
	defer f.idle.Add(-1)
	for {
		select {
		case <-f.ended:
			return nil, false
		default:
		}
		select {
		case v := <-f.tasks:
			if f.claim(v) {
				return v, true
			}
		case <-f.ended:
			return nil, false
		}
	}
}

// claim claims a node, or renews the claim for another attempt. If it returns false, the visit is
// over.
func (f *fleetFrontier) claim(v *visit) bool {
	claim := v.task.Claim
	if v.task.claimed {
		claim = v.task.Renew
	}
	claimed, err := claim(f.ctx)
	if claimed {
		v.task.claimed = true
		return true
	}
	if v.task.Returned {
		f.returned.Store(time.Now().UnixNano())
	}
	f.active.Add(-1)
	f.lose(err)
	return false
}

// retry implements frontier. The task stays with this worker.
func (f *fleetFrontier) retry(v *visit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retries = append(f.retries, retryVisit{v, time.Now().Add(retryWait)})
}

// due removes a visit from retries, and returns nil if there is none. An early one is not due yet.
func (f *fleetFrontier) due(early bool) *visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.retries) == 0 || !early && time.Now().Before(f.retries[0].due) {
		return nil
	}
	v := f.retries[0].v
	f.retries = f.retries[1:]
	return v
}

// done implements frontier. A failed visit waits for settle.
func (f *fleetFrontier) done(v *visit) {
	switch {
	case v.state == failed:
		f.held.Add(1)
	case v.state == skipped && v.elsewhere && v.task.Delivery < crawlqueue.MaxDeliveries:
		f.giveBack(v, releaseWait)
	case v.state == skipped:
		f.finish(v, crawlqueue.Entry{State: crawlqueue.Skipped, At: time.Now().UTC().Truncate(time.Second)})
	default:
		v.task.found.Wait()
		if v.partial || v.task.lost.Load() {
			f.giveBack(v, 0)
			return
		}
		f.finish(v, crawlqueue.Entry{State: crawlqueue.Answered, Node: v.record.String(), At: v.at, RTT: round(float64(v.rtt) / float64(time.Millisecond))})
	}
}

// settle implements frontier.
func (f *fleetFrontier) settle(v *visit, proven bool) {
	f.held.Add(-1)
	select {
	case f.judged <- settledVisit{v, proven}:
	case <-f.ctx.Done():
		f.active.Add(-1) // close returns the task
	}
}

// store stores failures.
func (f *fleetFrontier) store() {
	for {
		select {
		case s := <-f.judged:
			if !s.proven && s.visit.task.Delivery < crawlqueue.MaxDeliveries {
				f.giveBack(s.visit, releaseWait) // to a worker whose network works
				continue
			}
			f.finish(s.visit, crawlqueue.Entry{State: crawlqueue.Failed, Node: s.visit.to.text(), At: s.visit.at, Proven: s.proven})
		case <-f.ctx.Done():
			return
		}
	}
}

// finish stores the result of a visit.
func (f *fleetFrontier) finish(v *visit, e crawlqueue.Entry) {
	defer f.active.Add(-1)
	stored, err := v.task.Finish(f.ctx, e)
	if stored {
		f.visited.Add(1)
	}
	f.lose(err)
}

// release implements frontier.
func (f *fleetFrontier) release(v *visit) { f.giveBack(v, 0) }

func (f *fleetFrontier) giveBack(v *visit, wait time.Duration) {
	if wait > 0 {
		f.returned.Store(time.Now().UnixNano())
	}
	v.task.Release(wait)
	f.active.Add(-1)
}

// waiting implements frontier. Nodes that workers visit count too.
func (f *fleetFrontier) waiting() int { return int(f.length.Load()) }

// measure looks at the length of the queue for waiting.
func (f *fleetFrontier) measure() {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-tick.C:
			if n, err := f.q.Len(f.ctx); err == nil {
				f.length.Store(int64(n))
			}
		}
	}
}

// start begins to fetch, and queues the nodes to start from.
func (f *fleetFrontier) start(targets []target, add func(target, *visit)) {
	f.active.Add(1) // the crawl is not complete before all are queued
	go f.fetch()
	f.work.Go(func() {
		defer f.active.Add(-1)
		for _, to := range targets {
			if f.ctx.Err() != nil {
				return
			}
			add(to, nil)
		}
	})
}

// isComplete reports whether the crawl is complete.
func (f *fleetFrontier) isComplete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.complete
}

// fetch hands tasks to visitors until the crawl is complete or ended.
func (f *fleetFrontier) fetch() {
	defer f.end()
	dry := false // the last request brought nothing
	var probed time.Time
	for {
		select {
		case <-f.ended:
			return
		default:
		}
		want := f.want()
		for free := f.idle.Load(); free > 0; free-- {
			v := f.due(dry || want == 0)
			if v == nil {
				break
			}
			f.hand(v)
			want = max(0, want-1)
		}
		if want == 0 {
			time.Sleep(fetchPoll)
			continue
		}
		got, err := f.q.Fetch(f.ctx, min(want, fetchMax), fetchWait, f.accept)
		if err != nil {
			f.lose(err)
			return
		}
		if dry = got == 0; dry && f.held.Load() > 0 && time.Since(probed) > probeInterval {
			// Nobody answers while nothing is left to ask.
			probed = time.Now()
			f.probe()
		}
		if !dry || f.active.Load() > 0 {
			continue
		}
		left, err := f.q.Len(f.ctx)
		f.lose(err)
		if err == nil && left == 0 {
			f.length.Store(0)
			f.mu.Lock()
			f.complete = true
			f.mu.Unlock()
			return
		}
	}
}

// accept hands a task to a visitor, who claims it.
func (f *fleetFrontier) accept(t *crawlqueue.Task) {
	to, err := nodeTarget(t.Node)
	if err != nil { // no address
		to = target{contact: discv5.ContactOf(t.Node.Record)}
	}
	f.active.Add(1)
	f.hand(&visit{id: t.ID, to: to, task: &fleetTask{Task: t}})
}

// hand gives a visit to a visitor. There are as many as want says, so it does not wait for long.
func (f *fleetFrontier) hand(v *visit) {
	select {
	case f.tasks <- v:
	case <-f.ended:
		f.giveBack(v, 0)
	}
}

// want returns how many nodes this worker should begin to visit. The walks take most of the time,
// so the worker takes no more than half as many nodes beyond those that it can walk at a time:
// others may be idle. How many of the nodes that it asks will answer is known from experience.
func (f *fleetFrontier) want() int {
	l, most := f.load(), heldFactor*visitors(f.parallel)
	if (l.suspect || !l.works) && time.Since(time.Unix(0, f.returned.Load())) < returnPause {
		return 0
	}
	switch {
	case l.suspect:
		most = max(1, f.parallel/suspectPart)
	case !l.works:
		most = f.parallel
	}
	most -= f.q.Held()
	free := float64(f.parallel) + max(1, float64(f.parallel)/2) - float64(l.walking) - l.answers*float64(l.asking)
	return max(0, min(most, int(f.idle.Load()), int(free/max(l.answers, 1.0/contactFactor))))
}

// nodeTarget returns the target for a node of a fleet.
func nodeTarget(n crawlqueue.Node) (target, error) {
	if n.Record != nil {
		return recordTarget(n.Record)
	}
	return enodeTarget(n.Enode, n.Enode.Addr)
}

// openFleet connects to a fleet and opens the crawl of the flags.
func (t *tool) openFleet(ctx context.Context, f *fleetFlags) (*fleet.Conn, *crawlqueue.Queue, error) {
	conn, err := fleet.Open(f.config())
	if err != nil {
		return nil, nil, fleetError(err)
	}
	host, _ := os.Hostname() // for people who look at the bucket
	host = asciiText(host[:min(len(host), maxHost)])
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	q, err := crawlqueue.Open(ctx, conn, crawlqueue.Options{
		Name: f.crawl, Worker: fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(random)),
		MaxNodes: maxKnown, Existing: f.collect, Patience: time.Duration(f.patience),
		Note: func(format string, args ...any) { t.note("discv5: "+format, args...) },
	})
	if errors.Is(err, crawlqueue.ErrMissing) {
		err = place("--crawl-name", cli.Usagef("the fleet has no crawl %s", f.crawl))
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, q, nil
}
