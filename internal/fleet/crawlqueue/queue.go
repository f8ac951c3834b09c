package crawlqueue

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/fleet"
)

const (
	// DefaultKeep is how long the server keeps a crawl after its last change.
	DefaultKeep = 7 * 24 * time.Hour

	// A worker that has sent no heartbeat for ackWait loses its tasks.
	ackWait   = 15 * time.Second
	heartbeat = 5 * time.Second
	// MaxDeliveries bounds how often a task is delivered: a task that kills workers ends.
	MaxDeliveries = 8
	// A task that this worker has returned goes back for returnWait, so that another one gets it.
	returnWait = time.Second
	// staleDeliveries is how often a worker drops a task because of a claim that says that a later
	// delivery exists. Such a claim is wrong if that happens more often.
	staleDeliveries = 4

	maxMessage  = 4 << 10 // of a task or a result, in bytes
	queueBytes  = 128 << 20
	resultBytes = 256 << 20
	maxWorker   = 64
	// maxPending bounds the tasks that all workers have at the same time.
	maxPending = 1 << 16

	prefix   = "discv5-crawl-" // of streams and buckets
	subject  = "discv5.crawl." // of tasks
	consumer = "workers"
)

// Errors of this package.
var (
	ErrName    = errors.New("want 1 to 32 letters, digits, - and _")
	ErrFull    = errors.New("the queue of the crawl is full")
	ErrMissing = errors.New("the fleet has no such crawl")
	ErrLost    = errors.New("the fleet does not answer")
)

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// CheckName reports whether a crawl may have this name.
func CheckName(name string) error {
	if !nameRule.MatchString(name) {
		return ErrName
	}
	return nil
}

// Options configures a Queue.
type Options struct {
	Name   string // of the crawl
	Worker string // of this process; no other may have the same name
	// MaxNodes bounds the queue.
	MaxNodes int64
	// Keep is how long the server keeps the crawl after its last change; 0 is DefaultKeep.
	Keep time.Duration
	// Existing says not to create the crawl.
	Existing bool
	// Patience is how long calls are repeated while no server answers.
	Patience time.Duration
	// Note, if not nil, gets a line about each outage, and every few seconds of it.
	Note func(format string, args ...any)
}

// Stats counts what happened in this process.
type Stats struct {
	Redelivered uint64 // tasks that another worker had before
	Duplicates  uint64 // tasks of nodes that have a result
	Bad         uint64 // tasks and results that are not what they should be
	Fenced      uint64 // results that were dropped because another worker has the task
}

// Queue is a view of the queue of one crawl by one worker. It is safe for concurrent use.
type Queue struct {
	o        Options
	conn     *fleet.Conn
	stream   jetstream.Stream
	consumer jetstream.Consumer
	bucket   jetstream.KeyValue

	redelivered, duplicates, bad, fenced atomic.Uint64

	outage outage
	stop   context.CancelFunc
	beats  sync.WaitGroup
	mu     sync.Mutex
	held   map[*Task]struct{}
	// badEntries are the revisions of entries that badEntry has counted.
	badEntries map[uint64]struct{}
}

// Open opens a crawl, and creates it unless o.Existing. Callers must close the result; conn remains
// theirs.
func Open(ctx context.Context, conn *fleet.Conn, o Options) (*Queue, error) {
	if err := CheckName(o.Name); err != nil {
		return nil, err
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	q := &Queue{o: o, conn: conn, held: map[*Task]struct{}{}, badEntries: map[uint64]struct{}{}}
	q.outage = outage{patience: o.Patience, note: o.Note}
	if err := q.do(ctx, q.open); err != nil {
		return nil, err
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stop = stop
	q.beats.Go(func() { q.beat(beating) })
	return q, nil
}

func (q *Queue) open(ctx context.Context) (err error) {
	name := prefix + q.o.Name
	if q.o.Existing {
		if q.bucket, err = q.conn.JetStream().KeyValue(ctx, name); errors.Is(err, jetstream.ErrBucketNotFound) {
			return ErrMissing
		}
		if err == nil {
			q.stream, err = q.conn.JetStream().Stream(ctx, name)
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return ErrMissing
		}
		return err
	}
	q.bucket, err = q.conn.KeyValue(ctx, fleet.Bucket{Name: name, MaxBytes: resultBytes, MaxValue: maxMessage, TTL: q.o.Keep})
	if err != nil {
		return err
	}
	q.stream, err = q.conn.Stream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{subject + q.o.Name + ".*"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: 1,
		MaxMsgs: q.o.MaxNodes, MaxBytes: queueBytes, MaxMsgSize: maxMessage, MaxAge: q.o.Keep, AllowDirect: true,
	})
	if err != nil {
		return err
	}
	if c := q.stream.CachedInfo().Config; c.Retention != jetstream.WorkQueuePolicy || c.MaxMsgsPerSubject != 1 {
		return fmt.Errorf("stream %s is not the work queue of a crawl", name)
	}
	q.consumer, err = q.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxAckPending: maxPending, MaxDeliver: -1,
	})
	return err
}

// Close ends the heartbeats of q.
func (q *Queue) Close() {
	q.stop()
	q.beats.Wait()
}

// Stats returns what happened so far.
func (q *Queue) Stats() Stats {
	return Stats{q.redelivered.Load(), q.duplicates.Load(), q.bad.Load(), q.fenced.Load()}
}

// Push queues a node unless it is queued. It returns ErrFull if the queue holds MaxNodes.
func (q *Queue) Push(ctx context.Context, id enr.ID, node string) error {
	at := subject + q.o.Name + "." + id.String()
	return q.do(ctx, func(ctx context.Context) error {
		_, err := q.conn.JetStream().Publish(ctx, at, []byte(node),
			jetstream.WithExpectStream(prefix+q.o.Name), jetstream.WithExpectLastSequencePerSubject(0))
		switch {
		case occupied(err):
			return q.checkQueued(ctx, id, at, node)
		case isFull(err):
			return ErrFull
		}
		return err
	})
}

// checkQueued looks at the task that occupies the subject of a node. A bad one would keep the node
// from being visited: checkQueued removes it and returns errRaced, like for a task that has ended.
func (q *Queue) checkQueued(ctx context.Context, id enr.ID, at, node string) error {
	msg, err := q.stream.GetLastMsgForSubject(ctx, at)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return errRaced
	}
	if err != nil || string(msg.Data) == node {
		return err
	}
	if _, err := parseNodeOf(id, string(msg.Data)); err == nil {
		return nil
	}
	q.bad.Add(1)
	if err := q.stream.DeleteMsg(ctx, msg.Sequence); err != nil {
		return fmt.Errorf("%w: %w", errRaced, err) // another worker was faster
	}
	return errRaced
}

// Len returns how many nodes are queued or being visited. If it is 0, the crawl is complete: see
// the package documentation.
func (q *Queue) Len(ctx context.Context) (n uint64, err error) {
	err = q.do(ctx, func(ctx context.Context) error {
		info, err := q.stream.Info(ctx)
		if err == nil {
			n = info.State.Msgs
		}
		return err
	})
	return n, err
}

// hold keeps the server from delivering a task to another worker.
func (q *Queue) hold(t *Task) {
	q.mu.Lock()
	q.held[t] = struct{}{}
	q.mu.Unlock()
}

func (q *Queue) drop(t *Task) {
	q.mu.Lock()
	delete(q.held, t)
	q.mu.Unlock()
}

// Held returns how many tasks this worker has.
func (q *Queue) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held)
}

// ReleaseAll returns all tasks of this worker to the queue.
func (q *Queue) ReleaseAll(ctx context.Context) {
	q.mu.Lock()
	held := q.held
	q.held = map[*Task]struct{}{}
	q.mu.Unlock()
	for t := range held {
		_ = t.msg.Nak() // see Task.Release
	}
	_, _ = q.stream.Info(ctx) // its answer comes after the server has read the rest
}

// Worker returns the name of this worker.
func (q *Queue) Worker() string { return q.o.Worker }

// beat sends heartbeats for all tasks of this worker until ctx ends.
func (q *Queue) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		q.mu.Lock()
		list := make([]*Task, 0, len(q.held))
		for t := range q.held {
			list = append(list, t)
		}
		q.mu.Unlock()
		for _, t := range list {
			if t.msg.InProgress() != nil {
				break // no server; the others would fail too
			}
		}
	}
}
