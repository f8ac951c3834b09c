package dnsdisc

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/internal/dnstest"
)

func TestResolveExample(t *testing.T) {
	s := dnstest.Start(t)
	s.Tree(domain, example(t))
	got, err := fast(s).Resolve(t.Context(), exampleLink)
	// The example does not contain the tree that it links to.
	if len(got) != 3 || err == nil || !strings.HasPrefix(err.Error(), "dnsdisc: morenodes.example.org: no such host") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestResolveBadURL(t *testing.T) {
	for in, want := range map[string]error{"nonsense": ErrLink, exampleLink + " ": ErrDomain} {
		if got, err := new(Client).Resolve(t.Context(), in); err != want || got != nil {
			t.Errorf("%q: %v", in, err)
		}
		for _, err := range new(Client).Walk(t.Context(), in) {
			if err != want {
				t.Errorf("%q: %v", in, err)
			}
		}
	}
}

func TestWalk(t *testing.T) {
	s := dnstest.Start(t)
	b, lb := make1(t, 1002, "b.example.org", 2, records(t, 3))
	a, la := make1(t, 1001, "a.example.org", 1, records(t, 30), lb)
	s.Tree("a.example.org", a)
	s.Tree("b.example.org", b)
	roots, links, found := map[string]uint64{}, 0, 0
	for f, err := range fast(s).Walk(t.Context(), la.String()) {
		switch {
		case err != nil:
			t.Error(err)
		case f.Root != nil:
			roots[f.Name] = f.Root.Seq
		case f.Link != nil:
			links++
			if *f.Link != lb || f.Tree != la {
				t.Errorf("%+v", f)
			}
		case f.Record != nil:
			found++
			if f.Name != HashOf(f.Record.String())+"."+f.Tree.Domain {
				t.Errorf("%+v", f)
			}
		}
	}
	if roots["a.example.org"] != 1 || roots["b.example.org"] != 2 || links != 1 || found != 33 {
		t.Errorf("roots %v, %d links, %d records", roots, links, found)
	}
}

// TestWalkEnds: a walk ends when the loop does.
func TestWalkEnds(t *testing.T) {
	s := dnstest.Start(t)
	tree, l := make1(t, 1000, domain, 1, records(t, 100))
	s.Tree(domain, tree)
	c := fast(s)
	n := 0
	for range c.Walk(t.Context(), l.String()) {
		if n++; n == 5 {
			break
		}
	}
	c.Limits.Records, c.Limits.Concurrency = 7, 1
	got := resolve(t, c, l)
	if len(got) != 7 {
		t.Fatalf("%d records", len(got))
	}
	// The choice is random.
	same := 0
	for range 9 {
		if again := resolve(t, c, l); again[0].ID() == got[0].ID() {
			same++
		}
	}
	if same == 9 {
		t.Error("always the same record comes first")
	}
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		list, err := (&Client{Resolver: resolverFunc(func(context.Context, string) ([]string, error) {
			cancel()
			return nil, errors.New("no")
		})}).Resolve(ctx, l.String())
		if list != nil || !errors.Is(err, context.Canceled) || len(err.(*Errors).List) != 1 {
			t.Fatalf("%v", err)
		}
	}
}

type resolverFunc func(ctx context.Context, name string) ([]string, error)

func (f resolverFunc) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return f(ctx, name)
}

// fromMap returns a resolver that takes a second per answer. most becomes the largest number of
// concurrent requests.
func fromMap(tree map[string]string, most *atomic.Int32) resolverFunc {
	var running atomic.Int32
	return func(ctx context.Context, name string) ([]string, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		text, ok := tree[strings.TrimSuffix(strings.TrimSuffix(name, domain+"."), ".")]
		if !ok {
			return nil, errors.New("no such name")
		}
		return []string{text}, nil
	}
}

// These tests use virtual time.

func TestRate(t *testing.T) {
	tree, l := make1(t, 1000, domain, 1, records(t, 100))
	requests := time.Duration(len(tree))
	for _, c := range []struct {
		rate        float64
		concurrency int
		least, most time.Duration
	}{
		{0.5, 8, (requests - 1) * 2 * time.Second, requests*2*time.Second + 3*time.Second},
		{64, 8, requests * time.Second / 8, requests*time.Second/8 + 20*time.Second},
		{-1, 1, requests * time.Second, requests*time.Second + time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var most atomic.Int32
			client := &Client{Resolver: fromMap(tree, &most), Limits: Limits{Rate: c.rate, Concurrency: c.concurrency}}
			began := time.Now()
			if got := resolve(t, client, l); len(got) != 100 {
				t.Errorf("%d records", len(got))
			}
			if d := time.Since(began); d < c.least || d > c.most || int(most.Load()) > c.concurrency {
				t.Errorf("rate %v: %d requests in %v, %d at a time", c.rate, requests, d, most.Load())
			}
		})
	}
}

// TestTimeout: a request that takes too long is left out; when the context of the walk ends, the
// walk ends immediately.
func TestTimeout(t *testing.T) {
	tree, l := make1(t, 1000, domain, 1, records(t, 20))
	slow := HashOf(record(t, 3, 1).String())
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int32
		next := fromMap(tree, &most)
		c := &Client{Resolver: resolverFunc(func(ctx context.Context, name string) ([]string, error) {
			if strings.HasPrefix(name, slow) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return next(ctx, name)
		}), Limits: Limits{Rate: -1, Timeout: 5 * time.Second}}
		if got := resolve(t, c, l, context.DeadlineExceeded); len(got) != 19 {
			t.Errorf("%d records", len(got))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		got, err := c.Resolve(ctx, l.String())
		if d := time.Since(began); d != 3*time.Second || len(got) == 20 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %d records, %v", d, len(got), err)
		}
		if n := len(err.(*Errors).List); n != 1 {
			t.Errorf("%d errors for one deadline", n)
		}
	})
}

func TestErrorsText(t *testing.T) {
	var e Errors
	for range keptErrors + 5 {
		e.add(&Error{Name: "x", Err: ErrHash})
	}
	if text := e.Error(); len(e.List) != keptErrors || e.Omitted != 5 || strings.Count(text, "dnsdisc: ") != 1 || !strings.HasSuffix(text, "; and 66 more") {
		t.Errorf("%s", text)
	}
	if !errors.Is(&e, ErrHash) {
		t.Error("not unwrapped")
	}
}

// TestConcurrentWalks: two walks of one client share its state.
func TestConcurrentWalks(t *testing.T) {
	s := dnstest.Start(t)
	tree, l := make1(t, 1000, domain, 3, records(t, 30))
	s.Tree(domain, tree)
	c := fast(s)
	done := make(chan int)
	for range 4 {
		go func() {
			list, _ := c.Resolve(t.Context(), l.String())
			done <- len(list)
		}()
	}
	for range 4 {
		if n := <-done; n != 30 {
			t.Errorf("%d records", n)
		}
	}
}
