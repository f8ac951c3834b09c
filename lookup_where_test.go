package discv5

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/limits"
)

// LookupWhere continues with other targets until it has as many nodes as were wanted, and reports
// when there are no more.
func TestLookupWhereContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes, every = 40, 4
		w := newWire()
		var boot *Node
		for i := range nodes {
			n := onWire(t, w, byte(i+1), func(c *Config) {
				c.Sockets, c.MaxChallenges = 1, 64
				if boot != nil {
					c.Bootnodes = Contacts(boot.LocalRecord())
				}
			})
			defer n.Close()
			if i == 0 {
				boot = n
			}
			if i%every == 0 {
				if err := n.UpdateRecord(func(b *enr.Builder) { b.SetString("app", "1") }); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(5 * time.Minute)
		// The observer's table is empty at first, and each of its lookups is as short as can be.
		n := onWire(t, w, 200, func(c *Config) {
			c.Bootnodes, c.NoEndpoint = Contacts(boot.LocalRecord()), true
		})
		defer n.Close()
		calls := 0
		serves := func(r *enr.Record) bool {
			calls++
			_, ok := r.View().Get("app")
			return ok
		}
		short := []LookupOption{WithResults(1), WithAlpha(1)}
		// Nobody may know one of them or two: buckets are full, and these searches are narrow.
		const matching, wanted = nodes / every, nodes/every - 3
		found, err := n.LookupWhere(t.Context(), enr.ID{1}, serves, wanted, short...)
		if err != nil || len(found) != wanted {
			t.Errorf("%d of %d nodes, %v", len(found), wanted, err)
		}
		for _, r := range found {
			if _, ok := r.View().Get("app"); !ok {
				t.Errorf("%s does not match", r.ID().Short())
			}
		}
		if calls > nodes+1 {
			t.Errorf("asked about %d records of %d nodes", calls, nodes)
		}
		start := time.Now()
		found, err = n.LookupWhere(t.Context(), enr.ID{1}, serves, matching+1, short...)
		// It ends when lookups bring nobody new for a while, and may miss nodes.
		if !errors.Is(err, ErrExhausted) || len(found) > matching || len(found) < matching/2 || time.Since(start) > time.Minute {
			t.Errorf("one more than there are: %d nodes, %v after %v", len(found), err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		found, err = n.LookupWhere(ctx, enr.ID{1}, func(*enr.Record) bool { cancel(); return true }, 1000, short...)
		if !errors.Is(err, context.Canceled) || len(found) == 0 {
			t.Errorf("canceled: %d nodes, %v", len(found), err)
		}
	})
}

// Targets are spread evenly: the first 2^k of them differ in their first k bits.
func TestSpread(t *testing.T) {
	target := enr.ID{0xa5, 0x5a, 3}
	if spread(rand.Reader, target, 0) != target {
		t.Error("the first target is another one")
	}
	for _, bits := range []int{1, 4, 8, 11} {
		seen := make(map[int]bool)
		for i := range 1 << bits {
			id := spread(rand.Reader, target, i)
			seen[(int(id[0])<<8|int(id[1]))>>(16-bits)] = true
		}
		if len(seen) != 1<<bits {
			t.Errorf("%d different prefixes of %d bits", len(seen), bits)
		}
	}
}

// searches is every way to look for nodes, by name, each until its first error.
func searches(n *Node) map[string]func(context.Context) error {
	none := func(*enr.Record) bool { return false }
	return map[string]func(context.Context) error{
		"Lookup":      func(ctx context.Context) error { _, err := n.Lookup(ctx, enr.ID{1}); return err },
		"LookupWhere": func(ctx context.Context) error { _, err := n.LookupWhere(ctx, enr.ID{1}, none, 1); return err },
		"Resolve":     func(ctx context.Context) error { _, err := n.Resolve(ctx, enr.ID{1}); return err },
		"Search": func(ctx context.Context) error {
			for _, err := range n.Search(ctx, enr.ID{1}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"RandomNodes": func(ctx context.Context) error {
			for _, err := range n.RandomNodes(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// A search that finds nobody says why: emptiness is the answer of the network alone. The state of
// the bootnodes tells the same.
func TestSearchesTellWhy(t *testing.T) {
	at := func(w *wiretest.Net, last byte) fastpath.Conn {
		return w.Conn(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, last, 1}), 9000))
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, w *wiretest.Net, cfg *Config)
		act    func(t *testing.T, n *Node)
		want   []error
		state  error // of the first bootnode
		failed bool
	}{
		{"not started", nil, nil, []error{ErrNotStarted}, nil, false},
		{"closed", nil, func(t *testing.T, n *Node) {
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.Close()
		}, []error{ErrClosed}, nil, false},
		{"no bootnodes", nil, start, []error{ErrNoNodes}, nil, false},
		{"silent bootnodes", func(t *testing.T, w *wiretest.Net, cfg *Config) {
			for i := range byte(3) {
				n := onWire(t, w, 20+i, nil)
				cfg.Bootnodes = append(cfg.Bootnodes, contact(n))
				n.Close()
			}
		}, start, []error{ErrNoAnswer, ErrTimeout}, ErrTimeout, true},
		{"bootnode of another family", func(t *testing.T, w *wiretest.Net, cfg *Config) {
			n := onWireAt(t, w, "[fd00::1]:9000", nil)
			cfg.Bootnodes = Contacts(n.LocalRecord())
		}, start, []error{ErrNoNodes, ErrNoEndpoint}, ErrNoEndpoint, false},
		{"banned bootnode", func(t *testing.T, w *wiretest.Net, cfg *Config) {
			n := onWire(t, w, 20, nil)
			t.Cleanup(func() { n.Close() })
			cfg.Bootnodes, cfg.Access = Contacts(n.LocalRecord()), limits.NewAccess(0)
			target, err := limits.ParseTarget("10.0.20.0/24")
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Access.Ban(target, limits.Forever); err != nil {
				t.Fatal(err)
			}
		}, start, []error{ErrNoAnswer, ErrBlocked}, ErrBlocked, true},
		{"self", func(t *testing.T, w *wiretest.Net, cfg *Config) {
			key, err := enr.ParsePrivateKeyHex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
			if err != nil {
				t.Fatal(err)
			}
			cfg.PrivateKey = key
			r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("10.0.1.1")).SetUDP(9000).Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Bootnodes = Contacts(r)
		}, start, []error{ErrNoNodes}, ErrSelf, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				cfg := Config{Conns: []fastpath.Conn{at(w, 1)}, MaxSessions: 256, MaxChallenges: 256}
				if c.change != nil {
					c.change(t, w, &cfg)
				}
				n, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				events := n.Subscribe(100, EventBootnodeFailed, EventBootnodeUnusable)
				if c.act != nil {
					c.act(t, n)
				}
				for name, search := range searches(n) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					err := search(ctx)
					cancel()
					for _, want := range c.want {
						if !errors.Is(err, want) {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if n.running() != nil || len(cfg.Bootnodes) == 0 {
					return
				}
				time.Sleep(10 * time.Second)
				states := n.Bootnodes()
				if len(states) != len(cfg.Bootnodes) {
					t.Fatalf("%d bootnodes", len(states))
				}
				if b := states[0]; !errors.Is(b.Err, c.state) || b.ID != cfg.Bootnodes[0].ID() || b.Answered != 0 ||
					(b.Failed > 0) != c.failed || b.Last.IsZero() == c.failed {
					t.Errorf("%+v", b)
				}
				select {
				case e := <-events.C:
					if e.ID != states[0].ID && len(states) == 1 || !errors.Is(e.Err, c.state) && !errors.Is(e.Err, ErrBanned) {
						t.Errorf("event %+v", e)
					}
				default:
					t.Error("no event")
				}
			})
		})
	}
}

func start(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A bootnode whose record names no UDP endpoint is a mistake that New and SetBootnodes name, if no
// other one is left; else it is an event, and the others are used.
func TestBootnodeWithoutEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		good, bad := onWire(t, w, 2, nil), onWire(t, w, 3, func(c *Config) { c.NoEndpoint = true })
		defer good.Close()
		defer bad.Close()
		for name, list := range map[string][]Contact{
			"no UDP":  Contacts(bad.LocalRecord()),
			"no key":  {ContactAt(good.ID(), good.Addrs()[0])},
			"both":    {ContactAt(good.ID(), good.Addrs()[0]), contact(bad)},
			"nothing": {{}},
		} {
			cfg := Config{Conns: []fastpath.Conn{w.Conn(netip.MustParseAddrPort("10.0.9.1:9000"))}, Bootnodes: list, MaxSessions: 256, MaxChallenges: 256}
			n, err := New(cfg)
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				n.Close()
			}
		}
		n := onWire(t, w, 1, nil)
		defer n.Close()
		events := n.Subscribe(4, EventBootnodeUnusable)
		if err := n.SetBootnodes(Contacts(bad.LocalRecord())); !errors.Is(err, ErrConfig) || !errors.Is(err, enr.ErrNoUDP) {
			t.Errorf("SetBootnodes: %v", err)
		}
		if err := n.SetBootnodes(Contacts(bad.LocalRecord(), good.LocalRecord())); err != nil {
			t.Fatal(err)
		}
		for range 2 { // of the call that failed, and of the one that did not
			if e := <-events.C; e.ID != bad.ID() || !errors.Is(e.Err, enr.ErrNoUDP) {
				t.Errorf("event %+v", e)
			}
		}
		time.Sleep(10 * time.Second)
		list := n.Bootnodes()
		if len(list) != 2 || list[0].ID != good.ID() || list[0].Answered == 0 || list[0].Err != nil || list[1].ID != bad.ID() || list[1].Err == nil {
			t.Errorf("bootnodes %+v", list)
		}
		if s := n.Stats(); s.Live == 0 {
			t.Error("the good bootnode is not used")
		}
	})
}
