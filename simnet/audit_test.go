package simnet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/session"
)

func isError(err, want error) bool { return errors.Is(err, want) }

// Each rule of the audit finds what breaks it.
func TestAuditFinds(t *testing.T) {
	for _, c := range []struct {
		rule  Rule
		spoil func(n *Network, a, b *Node)
	}{
		{RuleRelay, func(n *Network, a, b *Node) {
			add(t, n, a)
			n.Run(2 * Housekeeping)
			a.audit.answered = nil // as if nobody had ever answered it
			b.findNode(a, 256, 255, 254, 253, 252)
		}},
		{RuleAmplify, func(n *Network, a, b *Node) {
			a.audit.unproved, a.audit.from, a.audit.size, a.audit.back = true, b.Addr(), 62, 0
			a.audit.sent(b.Addr(), 63)
			a.audit.after()
		}},
		{RuleBounds, func(n *Network, a, b *Node) {
			a.machine.Load().config.Session.MaxSessions = 0
			n.Run(Housekeeping)
		}},
		{RuleSequence, func(n *Network, a, b *Node) {
			a.highest += 1 << 40
			if err := a.Restart(false); err != nil {
				t.Fatal(err)
			}
		}},
		{RuleEnds, func(n *Network, a, b *Node) {
			ended := a.expectEnd("request", time.Second)
			ended()
			ended()
		}},
		{RuleEnds, func(n *Network, a, b *Node) {
			a.expectEnd("request", time.Second)
			n.Run(2 * time.Second)
		}},
		{RuleEnds, func(n *Network, a, b *Node) {
			a.audit.idle = n.Now() - 2*lookupPause
			if err := a.lookup(b.ID(), func(foundNodes) {}); err != nil {
				t.Fatal(err)
			}
			a.audit.ticked()
		}},
		{RuleSessions, func(n *Network, a, b *Node) {
			// After every PING that b answers it gets keys that nobody else has.
			spoil := func() {
				id := [32]byte(a.ID())
				k := session.MakeKey(a.Addr(), &id)
				m := b.engine().Sessions()
				keys := session.NewKeys(&[16]byte{1}, &[16]byte{2})
				m.Offer(b.Clock(), &k, m.Hash(&k), keys, b.Clock()+time.Hour)
				m.Promote(b.Clock(), &k, m.Hash(&k), keys)
			}
			n.cfg.OnDatagram = func(d Datagram, _ Fate) {
				if d.From == b.Addr() && d.To == a.Addr() {
					n.After(0, spoil)
				}
			}
			n.CheckSessions(10)
		}},
	} {
		t.Run(string(c.rule), func(t *testing.T) {
			n := must(New(Config{Seed: 9, Conditions: Conditions{Delay: Always(20 * time.Millisecond)}}))
			a := add(t, n)
			b := add(t, n, a)
			n.Run(time.Minute)
			if err := n.Check(); err != nil {
				t.Fatalf("before: %v", err)
			}
			c.spoil(n, a, b)
			var v *ViolationError
			if err := n.Check(); !errors.As(err, &v) || v.First[0].Rule != c.rule {
				t.Errorf("found %v, want %s", err, c.rule)
			} else if !strings.Contains(err.Error(), "seed 9") {
				t.Errorf("the error names no seed: %v", err)
			}
		})
	}
}

// recorder is a test that fails.
type recorder struct {
	failed bool
	log    strings.Builder
	end    []func()
}

func (r *recorder) Helper()                   {}
func (r *recorder) Name() string              { return "TestName" }
func (r *recorder) Failed() bool              { return r.failed }
func (r *recorder) Cleanup(f func())          { r.end = append(r.end, f) }
func (r *recorder) Logf(s string, a ...any)   { fmt.Fprintf(&r.log, s+"\n", a...) }
func (r *recorder) Errorf(s string, a ...any) { r.failed = true; r.Logf(s, a...) }

// A test that fails says how to run it again, also if the audit fails it. A test that passes says
// nothing. The environment replaces the seed.
func TestForTest(t *testing.T) {
	for _, c := range []struct {
		name, env string
		seed      uint64
		do        func(r *recorder, n *Network)
		says      []string
	}{
		{"passes", "", 11, func(*recorder, *Network) {}, nil},
		{"fails", "", 11, func(r *recorder, _ *Network) { r.Errorf("bad") }, []string{"bad", "SIMNET_SEED=11 go test", "'^TestName$'"}},
		{"violates", "", 11, func(r *recorder, n *Network) { n.violated(add(t, n), RuleEnds, "hangs") }, []string{"hangs", "SIMNET_SEED=11 "}},
		{"seed of the environment", "77", 77, func(r *recorder, _ *Network) { r.Errorf("bad") }, []string{"SIMNET_SEED=77 "}},
		{"no seed", "x", 11, func(*recorder, *Network) {}, []string{`SIMNET_SEED="x"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(SeedVariable, c.env)
			var r recorder
			n := ForTest(&r, Config{Seed: 11})
			if n.Seed() != c.seed && c.env != "x" {
				t.Errorf("seed %d, want %d", n.Seed(), c.seed)
			}
			c.do(&r, n)
			for _, f := range r.end {
				f()
			}
			for _, s := range c.says {
				if !strings.Contains(r.log.String(), s) {
					t.Errorf("%q does not say %q", r.log.String(), s)
				}
			}
			if c.says == nil && r.log.Len() > 0 {
				t.Errorf("says %q", r.log.String())
			}
		})
	}
}

// A call from within an event that would let time pass returns an error.
func TestNested(t *testing.T) {
	n := ForTest(t, Config{})
	a := add(t, n)
	b := add(t, n, a)
	n.Run(5 * time.Second)
	asked := false
	n.After(time.Second, func() {
		asked = true
		at := n.Now()
		n.Run(time.Hour)
		if r := a.ping(b); !isError(r.Err, ErrNested) || n.Now() != at {
			t.Errorf("PING from within an event: %v, time went from %v to %v", r.Err, at, n.Now())
		}
		if _, err := a.Node().Lookup(context.Background(), b.ID()); !isError(err, ErrNested) {
			t.Errorf("lookup from within an event: %v", err)
		}
		// A call that does not wait is allowed.
		if err := a.lookup(b.ID(), func(foundNodes) {}); err != nil {
			t.Errorf("start of a lookup: %v", err)
		}
	})
	if n.Run(2 * time.Second); !asked || n.Now() != 7*time.Second {
		t.Errorf("asked %v, now %v", asked, n.Now())
	}
}
