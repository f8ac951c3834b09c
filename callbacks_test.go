package discv5

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// hanging fails a test whose function does not return, with all stacks.
func hanging(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s hangs\n%s", what, stacks[:runtime.Stack(stacks, true)])
	}
}

// Every function of the program that a node calls may call Close, from any goroutine that the
// node calls it: Close returns, there and elsewhere, and nothing is left running.
func TestCloseFromCallbacks(t *testing.T) {
	type scene struct {
		n    *Node
		peer *Node
		in   chan struct{} // receives when the callback has returned from Close
	}
	// act is called from the callback.
	for _, c := range []struct {
		name   string
		change func(c *Config, act func())
		begin  func(t *testing.T, s *scene, act func())
	}{
		{"TableFilter of a peer that makes contact", func(c *Config, act func()) {
			c.TableFilter = func(*enr.Record) bool { act(); return true }
		}, func(t *testing.T, s *scene, _ func()) { go s.peer.Ping(context.Background(), contact(s.n)) }},
		{"TableFilter of AddNode", func(c *Config, act func()) {
			c.TableFilter = func(*enr.Record) bool { act(); return true }
		}, func(t *testing.T, s *scene, _ func()) { s.n.AddNode(s.peer.LocalRecord()) }},
		{"TableFilter of results", func(c *Config, act func()) {
			c.TableFilter = func(*enr.Record) bool { act(); return true }
		}, func(t *testing.T, s *scene, _ func()) {
			if err := s.n.SetBootnodes([]Contact{contact(s.peer)}); err != nil {
				t.Error(err)
			}
			s.n.Lookup(within(t), enr.ID{1})
		}},
		{"OtherProtocol", func(c *Config, act func()) {
			c.OtherProtocol = OtherProtocolFunc(func(netip.AddrPort, []byte) { act() })
		}, func(t *testing.T, s *scene, _ func()) {
			if err := s.peer.WriteTo([]byte("another protocol"), s.n.Addrs()[0]); err != nil {
				t.Error(err)
			}
		}},
		{"SaveRecord", func(c *Config, act func()) {
			c.SaveRecord = func(*enr.Record) error { act(); return nil }
		}, func(t *testing.T, s *scene, _ func()) {
			s.n.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") })
		}},
		{"Store", func(c *Config, act func()) {
			c.Store, c.SaveInterval = &memoryStore{act: act}, time.Millisecond
		}, func(*testing.T, *scene, func()) {}},
		{"Logger", func(c *Config, act func()) {
			c.Logger = slog.New(&closer{do: act})
		}, func(*testing.T, *scene, func()) {}},
		{"UpdateRecord", nil, func(t *testing.T, s *scene, act func()) {
			s.n.UpdateRecord(func(b *enr.Builder) { act() })
		}},
		{"TALK handler", nil, func(t *testing.T, s *scene, act func()) {
			s.n.HandleTalk("p", func(context.Context, TalkRequest) []byte { act(); return nil })
			go s.peer.Talk(context.Background(), contact(s.n), "p", nil)
		}},
		{"SendTalk", nil, func(t *testing.T, s *scene, act func()) {
			if err := s.n.SendTalk(contact(s.peer), "p", nil, func([]byte, error) { act() }); err != nil {
				t.Error(err)
			}
		}},
		{"LookupWhere", nil, func(t *testing.T, s *scene, act func()) {
			if err := s.n.SetBootnodes([]Contact{contact(s.peer)}); err != nil {
				t.Error(err)
			}
			s.n.LookupWhere(within(t), enr.ID{1}, func(*enr.Record) bool { act(); return false }, 1)
		}},
		{"Search", nil, func(t *testing.T, s *scene, act func()) {
			if err := s.n.SetBootnodes([]Contact{contact(s.peer)}); err != nil {
				t.Error(err)
			}
			for range s.n.Search(within(t), enr.ID{1}) {
				act()
			}
		}},
		{"RandomNodes", nil, func(t *testing.T, s *scene, act func()) {
			for range s.n.RandomNodes(within(t)) { // also without a record
				act()
			}
		}},
		{"Sessions", nil, func(t *testing.T, s *scene, act func()) {
			if _, err := s.n.Ping(within(t), contact(s.peer)); err != nil {
				t.Error(err)
			}
			for range s.n.Sessions() {
				act()
			}
		}},
		{"event", nil, func(t *testing.T, s *scene, act func()) {
			sub := s.n.Subscribe(4, EventSession)
			go s.peer.Ping(context.Background(), contact(s.n))
			for range sub.C {
				act()
			}
		}},
		{"option of a lookup", nil, func(t *testing.T, s *scene, act func()) {
			s.n.Lookup(within(t), enr.ID{1}, func(*lookupOptions) { act() })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{peer: loopback(t, "127.0.0.1:0", nil), in: make(chan struct{}, 1)}
			var once sync.Once
			ready := make(chan struct{})
			act := func() {
				<-ready
				once.Do(func() {
					// Another goroutine closes the node at the same time.
					go s.n.Close()
					if err := s.n.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					s.in <- struct{}{}
				})
			}
			s.n = loopback(t, "127.0.0.1:0", func(cfg *Config) {
				if c.change != nil {
					c.change(cfg, act)
				}
			})
			close(ready)
			hanging(t, c.name, func() { c.begin(t, s, act) })
			hanging(t, "Close in "+c.name, func() { <-s.in })
			hanging(t, "another Close", func() { s.n.Close() })
			eventually(t, "no loop is left", func() bool {
				left := 0
				s.n.loops.byGoroutine.Range(func(any, any) bool { left++; return true })
				return left == 0
			})
		})
	}
}

// A change of the record from within another one is an error, and the outer one continues. Nodes
// do not mix: the function may change another node's record.
func TestNestedUpdateRecord(t *testing.T) {
	var n *Node
	var nested []error
	save := func(*enr.Record) error {
		nested = append(nested, n.UpdateRecord(func(b *enr.Builder) { b.SetString("inner", "1") }))
		return nil
	}
	n = loopback(t, "127.0.0.1:0", func(c *Config) { c.SaveRecord = save })
	other := loopback(t, "127.0.0.1:0", nil)
	hanging(t, "UpdateRecord", func() {
		err := n.UpdateRecord(func(b *enr.Builder) {
			nested = append(nested,
				n.UpdateRecord(func(b *enr.Builder) { b.SetString("inner", "2") }),
				n.SetEndpoint(netip.MustParseAddrPort("127.0.0.9:9")))
			if err := other.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") }); err != nil {
				t.Errorf("of another node: %v", err)
			}
			b.SetString("k", "v")
		})
		if err != nil {
			t.Error(err)
		}
	})
	if len(nested) != 3 {
		t.Errorf("%d nested calls", len(nested))
	}
	for _, err := range nested {
		if !errors.Is(err, ErrNested) {
			t.Errorf("nested: %v", err)
		}
	}
	if _, ok := n.LocalRecord().View().Get("k"); !ok {
		t.Error("the change around them was not made")
	}
	// Calls from several goroutines still wait for each other.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := other.UpdateRecord(func(b *enr.Builder) { time.Sleep(time.Millisecond); b.SetString("k", "w") }); err != nil {
				t.Error(err)
			}
		})
	}
	hanging(t, "concurrent UpdateRecord", wg.Wait)
	// A call that waits ends when the node is closed.
	entered, release := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- other.UpdateRecord(func(b *enr.Builder) { close(entered); <-release; b.SetString("k", "x") })
	}()
	<-entered
	go func() { second <- other.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "y") }) }()
	hanging(t, "Close", func() { other.Close() })
	hanging(t, "UpdateRecord", func() {
		if err := <-second; !errors.Is(err, ErrClosed) {
			t.Errorf("waiting when the node was closed: %v", err)
		}
	})
	close(release)
	hanging(t, "UpdateRecord", func() { <-first })
}

// A function that changes the record may wait for requests of the node, whose timeouts continue.
func TestUpdateRecordMayWaitForNode(t *testing.T) {
	n := loopback(t, "127.0.0.1:0", nil)
	dead := silentContact(t)
	hanging(t, "UpdateRecord", func() {
		err := n.UpdateRecord(func(b *enr.Builder) {
			if _, err := n.Ping(context.Background(), dead, WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
				t.Errorf("PING: %v", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
