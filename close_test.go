package discv5

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// apiCalls are all calls of a node that wait or change something, by name. Each ends without help,
// at most with an error of this package.
func apiCalls(n *Node, peer, dead Contact, target limits.Target) map[string]func(context.Context) error {
	any := func(*enr.Record) bool { return false }
	return map[string]func(context.Context) error{
		"Ping":         func(ctx context.Context) error { _, err := n.Ping(ctx, peer); return err },
		"Ping silent":  func(ctx context.Context) error { _, err := n.Ping(ctx, dead); return err },
		"FindNode":     func(ctx context.Context) error { _, err := n.FindNode(ctx, peer, 0, 256, 255); return err },
		"Talk":         func(ctx context.Context) error { _, err := n.Talk(ctx, peer, "echo", []byte("x")); return err },
		"Talk silent":  func(ctx context.Context) error { _, err := n.Talk(ctx, dead, "echo", []byte("x")); return err },
		"RequestENR":   func(ctx context.Context) error { _, err := n.RequestENR(ctx, peer); return err },
		"Lookup":       func(ctx context.Context) error { _, err := n.Lookup(ctx, enr.ID{1}); return err },
		"LookupWhere":  func(ctx context.Context) error { _, err := n.LookupWhere(ctx, enr.ID{1}, any, 1); return err },
		"Resolve":      func(ctx context.Context) error { _, err := n.Resolve(ctx, enr.ID{2}); return err },
		"UpdateRecord": func(context.Context) error { return n.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") }) },
		"SetEndpoint":  func(context.Context) error { return n.SetEndpoint(netip.MustParseAddrPort("127.0.0.9:9")) },
		"SetBootnodes": func(context.Context) error { return n.SetBootnodes([]Contact{peer}) },
		"AddNode":      func(context.Context) error { return n.AddNode(peer.Record()) },
		"Ban":          func(context.Context) error { return n.Ban(target, time.Hour) },
		"Permit":       func(context.Context) error { return n.Permit(target, time.Hour) },
		"Restrict":     func(context.Context) error { return n.Restrict() },
		"WriteTo":      func(context.Context) error { return n.WriteTo([]byte("x"), dead.peer.Addr) },
		"Search": func(ctx context.Context) error {
			var last error
			for _, last = range n.Search(ctx, enr.ID{3}) {
			}
			return last
		},
		"RandomNodes": func(ctx context.Context) error {
			var last error
			for _, last = range n.RandomNodes(ctx) {
			}
			return last
		},
		"Subscribe": func(ctx context.Context) error {
			s := n.Subscribe(4)
			defer s.Close()
			for {
				select {
				case _, ok := <-s.C:
					if !ok {
						return ErrClosed
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
		"state": func(context.Context) error {
			n.Stats()
			n.Latency()
			n.Nodes()
			n.Bans()
			n.LocalRecord()
			n.Sockets()
			n.ReleaseEndpoint(IPv4)
			n.DemoteNode(peer.ID())
			n.RemoveNode(peer.ID())
			n.Unban(target)
			n.Unpermit(target)
			n.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
			return nil
		},
	}
}

// TestCloseEndsAllCalls: whatever is called while a node is being closed ends soon, and nothing is
// left running.
func TestCloseEndsAllCalls(t *testing.T) {
	before := runtime.NumGoroutine()
	target, err := limits.ParseTarget("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	rounds := 10
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		peer := loopback(t, "127.0.0.1:0", nil)
		peer.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
		n := loopback(t, "127.0.0.1:0", func(c *Config) { c.Bootnodes, c.RequestTimeout = Contacts(peer.LocalRecord()), 30*time.Second })
		dead := silentContact(t)
		type end struct {
			name string
			err  error
			took time.Duration
		}
		ends := make(chan end)
		calls := apiCalls(n, contact(peer), dead, target)
		const each = 3
		for name, call := range calls {
			for range each {
				go func() {
					var err error
					for n.state.Load() != stateClosed {
						if err = call(context.Background()); errors.Is(err, ErrClosed) {
							break
						}
					}
					start := time.Now()
					if err == nil || !errors.Is(err, ErrClosed) {
						err = call(context.Background()) // once more, on the closed node
					}
					ends <- end{name, err, time.Since(start)}
				}()
			}
		}
		go peer.Ping(context.Background(), contact(n))
		time.Sleep(time.Duration(round) * 5 * time.Millisecond)
		closed := make(chan struct{})
		for range 2 {
			go func() { n.Close(); closed <- struct{}{} }()
		}
		deadline := time.After(patience)
		for range each * len(calls) {
			select {
			case e := <-ends:
				switch e.name {
				case "Ping", "Ping silent", "FindNode", "Talk", "Talk silent", "RequestENR", "Lookup", "LookupWhere", "Resolve", "Subscribe", "Search", "RandomNodes":
					if !errors.Is(e.err, ErrClosed) {
						t.Errorf("round %d: %s on a closed node: %v", round, e.name, e.err)
					}
				}
			case <-deadline:
				stacks := make([]byte, 1<<20)
				t.Fatalf("round %d: calls do not end\n%s", round, stacks[:runtime.Stack(stacks, true)])
			}
		}
		for range 2 {
			<-closed
		}
		peer.Close()
	}
	// The runtime may need a moment to end goroutines.
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

// silentContact is a node that never answers: a socket that nobody reads from.
func silentContact(t *testing.T) Contact {
	t.Helper()
	n := loopback(t, "127.0.0.1:0", nil)
	e, ok := n.LocalRecord().Enode()
	if !ok {
		t.Fatal("no enode form")
	}
	c, err := EnodeContact(e, netip.MustParseAddrPort("127.0.0.1:9"))
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	return c
}

// TestCallsBeforeStart: what needs a running node says that it is not one.
func TestCallsBeforeStart(t *testing.T) {
	peer := loopback(t, "127.0.0.1:0", nil)
	n, err := New(Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	target, err := limits.ParseTarget("192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	calls := apiCalls(n, contact(peer), contact(peer), target)
	for _, name := range strings.Fields("Ping FindNode Talk RequestENR Lookup LookupWhere Resolve Search RandomNodes") {
		if err := calls[name](within(t)); !errors.Is(err, ErrNotStarted) {
			t.Errorf("%s before Start: %v", name, err)
		}
	}
}

// TestErrorsAreOneLine: what UpdateRecord says can be put into a log as it is.
func TestErrorsAreOneLine(t *testing.T) {
	full := errors.New("disk is full")
	n := loopback(t, "127.0.0.1:0", func(c *Config) { c.SaveRecord = func(*enr.Record) error { return full } })
	before := n.LocalRecord()
	err := n.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") })
	if !errors.Is(err, ErrRecord) || !errors.Is(err, full) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q", err)
	}
	if n.LocalRecord() != before {
		t.Error("the record has changed all the same")
	}
}
