package crawl_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

// identity returns the record of a node with a given sequence number.
func identity(t testing.TB, n byte, seq uint64) *enr.Record {
	t.Helper()
	key, err := enr.ParsePrivateKey([]byte{31: n})
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetIP(loopbackAddr).SetUDP(9000).SetSeq(seq).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetch fetches one task.
func fetch(t testing.TB, q *crawlqueue.Queue) *crawlqueue.Task {
	t.Helper()
	var task *crawlqueue.Task
	if _, err := q.Fetch(context.Background(), 1, 20*time.Second, func(f *crawlqueue.Task) { task = f }); err != nil || task == nil {
		t.Fatalf("no task: %v", err)
	}
	return task
}

func claim(t testing.TB, task *crawlqueue.Task, want bool) {
	t.Helper()
	if got, err := task.Claim(context.Background()); err != nil || got != want {
		t.Fatalf("claimed: %t, %v; want %t", got, err, want)
	}
}

func finish(t testing.TB, task *crawlqueue.Task, e crawlqueue.Entry, want bool) {
	t.Helper()
	e.At = time.Now()
	if got, err := task.Finish(context.Background(), e); err != nil || got != want {
		t.Fatalf("stored: %t, %v; want %t", got, err, want)
	}
}

func length(t testing.TB, q *crawlqueue.Queue, want uint64) {
	t.Helper()
	if got, err := q.Len(context.Background()); err != nil || got != want {
		t.Fatalf("%d nodes are queued, %v; want %d", got, err, want)
	}
}

func push(t testing.TB, q *crawlqueue.Queue, r *enr.Record) {
	t.Helper()
	if err := q.Push(context.Background(), r.ID(), r.String()); err != nil {
		t.Fatal(err)
	}
}

// A node is visited once, whoever finds it and however often, and once more if it has failed and a
// newer record appears.
func TestQueueOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	_, a := s.open(t, "c", "a")
	_, b := s.open(t, "c", "b")
	first, second := identity(t, 1, 1), identity(t, 1, 2)
	push(t, a, first)
	push(t, b, first)
	push(t, b, second) // queued already
	length(t, a, 1)
	task := fetch(t, a)
	claim(t, task, true)
	push(t, b, first)
	length(t, a, 1)
	finish(t, task, crawlqueue.Entry{State: crawlqueue.Failed}, true)
	length(t, a, 0)

	push(t, b, first)
	claim(t, fetch(t, b), false)
	length(t, b, 0)

	push(t, b, second)
	task = fetch(t, a)
	claim(t, task, true)
	finish(t, task, crawlqueue.Entry{State: crawlqueue.Answered, Node: second.String()}, true)
	push(t, b, identity(t, 1, 3))
	claim(t, fetch(t, b), false)
	length(t, b, 0)
	if s := b.Stats(); s.Duplicates != 2 {
		t.Errorf("%+v", s)
	}
	results := 0
	if err := b.Results(context.Background(), func(r crawlqueue.Result) {
		results++
		if r.ID != first.ID() || r.Entry.State != crawlqueue.Answered || r.Entry.By != "a" {
			t.Errorf("%+v", r)
		}
	}); err != nil || results != 1 {
		t.Errorf("%d results, %v", results, err)
	}
}

// A worker that was suspended for so long that another one has its task neither begins the visit
// nor stores a result.
func TestQueueFence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		claimed bool
	}{{"before the claim", false}, {"after the claim", true}} {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t)
			_, a := s.open(t, "c", "a")
			_, b := s.open(t, "c", "b")
			push(t, a, identity(t, 1, 1))
			old := fetch(t, a)
			if c.claimed {
				claim(t, old, true)
			}
			old.Release(0) // for the server, as if its heartbeats had ended
			current := fetch(t, b)
			if current.Delivery != 2 {
				t.Fatalf("delivery %d", current.Delivery)
			}
			claim(t, current, true)
			if c.claimed {
				if ok, err := old.Renew(context.Background()); ok || err != nil {
					t.Errorf("claim renewed: %t, %v", ok, err)
				}
				finish(t, old, crawlqueue.Entry{State: crawlqueue.Failed}, false)
			} else {
				claim(t, old, false)
			}
			length(t, b, 1)
			finish(t, current, crawlqueue.Entry{State: crawlqueue.Answered}, true)
			length(t, b, 0)
			if s := a.Stats(); s.Fenced == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A bad task does not keep its node from being queued, nor does a task of another node.
func TestQueueBadTask(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	conn, q := s.open(t, "c", "a")
	for i, bad := range []string{"", "junk", identity(t, 9, 1).String()} {
		r := identity(t, byte(i+1), 1)
		if _, err := conn.JetStream().Publish(context.Background(), "discv5.crawl.c."+r.ID().String(), []byte(bad)); err != nil {
			t.Fatal(err)
		}
		push(t, q, r)
		length(t, q, 1)
		task := fetch(t, q)
		if task.ID != r.ID() || !task.Node.Record.View().Equal(r.View()) {
			t.Errorf("the task is %+v", task)
		}
		claim(t, task, true)
		finish(t, task, crawlqueue.Entry{State: crawlqueue.Failed}, true)
	}
	if s := q.Stats(); s.Bad != 3 {
		t.Errorf("%+v", s)
	}
}

// A task that this worker has returned goes to another one, unless there is none.
func TestQueueReturned(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	_, a := s.open(t, "c", "a")
	push(t, a, identity(t, 1, 1))
	task := fetch(t, a)
	claim(t, task, true)
	task.Release(0)
	for task = fetch(t, a); task.Delivery < crawlqueue.MaxDeliveries; task = fetch(t, a) {
		claim(t, task, false)
		if !task.Returned {
			t.Errorf("delivery %d was not returned", task.Delivery)
		}
	}
	claim(t, task, true)
	finish(t, task, crawlqueue.Entry{State: crawlqueue.Failed}, true)
	length(t, a, 0)
}

// The queue is bounded.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	conn, _ := s.open(t, "other", "a")
	q, err := crawlqueue.Open(context.Background(), conn, crawlqueue.Options{Name: "c", Worker: "a", MaxNodes: 2, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	push(t, q, identity(t, 1, 1))
	push(t, q, identity(t, 2, 1))
	push(t, q, identity(t, 2, 1))
	r := identity(t, 3, 1)
	if err := q.Push(context.Background(), r.ID(), r.String()); err != crawlqueue.ErrFull {
		t.Errorf("%v", err)
	}
}

// Crawls that nobody continues are deleted, others are not.
func TestQueueClean(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ctx := context.Background()
	conn, q := s.open(t, "new", "a")
	open := func(name string, keep time.Duration) *crawlqueue.Queue {
		q, err := crawlqueue.Open(ctx, conn, crawlqueue.Options{Name: name, Worker: "a", MaxNodes: 10, Patience: time.Minute, Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		return q
	}
	push(t, open("old", 0), identity(t, 1, 1))
	if _, err := conn.JetStream().CreateStream(ctx, jetstream.StreamConfig{Name: "discv5-other", Subjects: []string{"other"}}); err != nil {
		t.Fatal(err)
	}
	if n, err := q.Clean(ctx); err != nil || n != 0 {
		t.Errorf("%d crawls deleted: %v", n, err)
	}
	time.Sleep(2 * time.Second)
	short := open("short", time.Second)
	if n, err := short.Clean(ctx); err != nil || n != 2 {
		t.Errorf("%d crawls deleted: %v", n, err)
	}
	var names []string
	list := conn.JetStream().StreamNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	if len(names) != 3 {
		t.Errorf("streams %v are left", names)
	}
	if _, err := crawlqueue.Open(ctx, conn, crawlqueue.Options{Name: "old", Worker: "a", Existing: true, Patience: time.Minute}); err != crawlqueue.ErrMissing {
		t.Errorf("the old crawl: %v", err)
	}
}
