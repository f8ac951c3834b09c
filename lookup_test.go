package discv5

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// cluster starts nodes that know the first one, and waits until the last knows all.
func cluster(t *testing.T, size int) []*Node {
	t.Helper()
	nodes := []*Node{loopback(t, "127.0.0.1:0", nil)}
	for len(nodes) < size {
		nodes = append(nodes, loopback(t, "127.0.0.1:0", func(c *Config) {
			c.Bootnodes = Contacts(nodes[0].LocalRecord())
			c.RefreshInterval = time.Second
		}))
	}
	for i, n := range nodes {
		eventually(t, fmt.Sprintf("node %d knows all others", i), func() bool { return n.Stats().Live >= size-1 })
	}
	return nodes
}

func TestSearches(t *testing.T) {
	nodes := cluster(t, 6)
	n, ctx := nodes[1], within(t)
	target := nodes[4].ID()

	found, err := n.Lookup(ctx, target, WithPaths(2), WithAlpha(2))
	if err != nil || len(found) == 0 || found[0].ID() != target {
		t.Errorf("Lookup: %d nodes, %v", len(found), err)
	}
	if found, err = n.Lookup(ctx, target, WithResults(2)); err != nil || len(found) != 2 {
		t.Errorf("Lookup of 2: %d nodes, %v", len(found), err)
	}
	if r, err := n.Resolve(ctx, target); err != nil || r.ID() != target {
		t.Errorf("Resolve: %v, %v", r, err)
	}
	if _, err := n.Resolve(ctx, enr.ID{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("Resolve of nobody: %v", err)
	}
	found, err = n.LookupWhere(ctx, target, func(r *enr.Record) bool { return r.ID() == target }, 1)
	if err != nil || len(found) != 1 {
		t.Errorf("LookupWhere: %d nodes, %v", len(found), err)
	}
	if found, err = n.LookupWhere(ctx, target, all, len(nodes)-1); err != nil || len(found) != len(nodes)-1 {
		t.Errorf("LookupWhere of all: %d nodes, %v", len(found), err)
	}
	for i, r := range found {
		for _, o := range found[:i] {
			if r.ID() == o.ID() {
				t.Errorf("LookupWhere: %s twice", r.ID().Short())
			}
		}
	}
	seen := make(map[enr.ID]bool)
	for r, err := range n.RandomNodes(ctx) {
		if err != nil {
			t.Error(err)
			break
		}
		if seen[r.ID()] = true; len(seen) == 4 {
			break
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	var last error
	for _, last = range n.RandomNodes(short) {
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("RandomNodes after the deadline: %v", last)
	}
	if _, err := n.Lookup(short, target); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lookup after the deadline: %v", err)
	}
	n.Close()
	if _, err := n.Lookup(ctx, target); !errors.Is(err, ErrClosed) {
		t.Errorf("Lookup on a closed node: %v", err)
	}
	for r, err := range n.RandomNodes(ctx) {
		if r != nil || !errors.Is(err, ErrClosed) {
			t.Errorf("a closed node found %v, %v", r, err)
		}
	}
}

// A loop that cancels its context gets nothing more, not even records that the search has found.
func TestSearchEndsWithContext(t *testing.T) {
	nodes := cluster(t, 5)
	n := nodes[1]
	// so that the search below starts from several nodes
	if _, err := n.Lookup(within(t), nodes[0].ID()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	count := 0
	var last error
	for r, err := range n.Search(ctx, nodes[0].ID()) {
		if last = err; r != nil {
			count++
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
	if count != 1 {
		t.Errorf("%d nodes, %d of them after the end", count, count-1)
	}
}

func TestEvents(t *testing.T) {
	a := loopback(t, "127.0.0.1:0", nil)
	all, one := a.Subscribe(100), a.Subscribe(1, EventSession)
	gone := a.Subscribe(1)
	gone.Close()
	gone.Close()
	if _, ok := <-gone.C; ok {
		t.Error("a closed subscription delivers")
	}
	for range 3 {
		b := loopback(t, "127.0.0.1:0", nil)
		if _, err := b.Ping(within(t), contact(a)); err != nil {
			t.Fatal(err)
		}
	}
	for ctx := within(t); one.Lost() < 2; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%d events lost, want 2", one.Lost())
		}
	}
	if e := <-one.C; e.Kind != EventSession || !e.Inbound || e.Record == nil {
		t.Errorf("got %+v", e)
	}
	a.Close()
	kinds := make(map[EventKind]int)
	for e := range all.C {
		kinds[e.Kind]++
	}
	if kinds[EventSession] < 3 || kinds[EventTable] < 3 {
		t.Errorf("events by kind: %v", kinds)
	}
	if _, ok := <-a.Subscribe(1).C; ok {
		t.Error("a closed node delivers")
	}
}

// TestTooManyLookupsAreBusy: a lookup that cannot be started says so, and is not taken for one that
// found nobody.
func TestTooManyLookupsAreBusy(t *testing.T) {
	const started = 64 // maxLookups of package engine
	n := amongSilent(t)
	ctx := within(t)
	ends := make(chan error, started+1)
	for range started + 1 {
		go func() {
			_, err := n.Lookup(ctx, enr.ID{1})
			ends <- err
		}()
	}
	if err := <-ends; !errors.Is(err, ErrBusy) {
		t.Errorf("the first lookup to end: %v", err)
	}
	any := func(*enr.Record) bool { return false }
	eventually(t, "LookupWhere is refused", func() bool {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := n.LookupWhere(short, enr.ID{1}, any, 1)
		return errors.Is(err, ErrBusy)
	})
	n.Close()
	for range started {
		if err := <-ends; !errors.Is(err, ErrClosed) && !errors.Is(err, ErrBusy) {
			t.Errorf("a lookup of a closed node: %v", err)
		}
	}
}

// amongSilent starts a node that is patient, and whose table holds some nodes that do not answer.
func amongSilent(t *testing.T) *Node {
	n := loopback(t, "127.0.0.1:0", func(c *Config) { c.RequestTimeout, c.Resend, c.RefreshInterval = time.Hour, 0, time.Hour })
	for range 8 { // one would be asked too much
		silent := loopback(t, "127.0.0.1:0", nil)
		silent.Close()
		if err := n.AddNode(silent.LocalRecord()); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestQueryTimeout: a lookup does not wait for silent nodes longer than it is told, however patient
// the node is otherwise.
func TestQueryTimeout(t *testing.T) {
	n := amongSilent(t)
	ctx := within(t)
	if found, err := n.Lookup(ctx, enr.ID{1}, WithQueryTimeout(20*time.Millisecond)); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, ErrTimeout) || len(found) != 0 {
		t.Errorf("%d nodes, %v", len(found), err)
	}
}
