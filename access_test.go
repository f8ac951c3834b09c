package discv5

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
)

func TestBan(t *testing.T) {
	for _, c := range []struct {
		name   string
		target func(b *Node) limits.Target
		cause  engine.Counter
	}{
		{"node ID", func(b *Node) limits.Target { return limits.NodeTarget(b.ID()) }, engine.DropBannedID},
		{"address", func(*Node) limits.Target { return limits.AddrTarget(netip.MustParseAddr("127.0.0.1")) }, engine.DropBannedAddr},
		{"range", func(*Node) limits.Target { return limits.PrefixTarget(netip.MustParsePrefix("127.0.0.0/8")) }, engine.DropBannedAddr},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := loopback(t, "127.0.0.1:0", nil)
			b := loopback(t, "127.0.0.1:0", nil)
			ctx, target := within(t), c.target(b)
			if _, err := b.Ping(ctx, contact(a)); err != nil {
				t.Fatal(err)
			}
			if err := a.Ban(target, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Ping(ctx, contact(a), WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
				t.Errorf("a banned node got an answer: %v", err)
			}
			if _, err := a.Ping(ctx, contact(b)); !errors.Is(err, ErrBlocked) {
				t.Errorf("request to a banned node: %v", err)
			}
			if s := a.Stats(); s.Table != 0 || s.Sessions.Sessions != 0 {
				t.Errorf("%d nodes in the table, %d sessions", s.Table, s.Sessions.Sessions)
			}
			eventually(t, "what is dropped is counted", func() bool { return a.Stats().Counters[c.cause] > 0 })
			if len(a.Bans()) != 1 {
				t.Errorf("%d bans", len(a.Bans()))
			}
			if !a.Unban(target) || a.Unban(target) {
				t.Error("ban was not lifted once")
			}
			if _, err := b.Ping(ctx, contact(a)); err != nil {
				t.Errorf("after the ban: %v", err)
			}
		})
	}
}

func TestRestrict(t *testing.T) {
	a := loopback(t, "127.0.0.1:0", nil)
	b := loopback(t, "127.0.0.1:0", nil)
	if err := a.Restrict(netip.MustParsePrefix("192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ping(within(t), contact(a), WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
		t.Errorf("a node outside got an answer: %v", err)
	}
	eventually(t, "what is dropped is counted", func() bool { return a.Stats().Counters[engine.DropOutside] > 0 })
	if err := a.Restrict(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ping(within(t), contact(a)); err != nil {
		t.Errorf("after the restriction: %v", err)
	}
}

// The time until a moment in the past is not a term; only 0 is forever.
func TestNegativeTermIsRefused(t *testing.T) {
	a := loopback(t, "127.0.0.1:0", nil)
	target := limits.AddrTarget(netip.MustParseAddr("192.0.2.1"))
	for name, f := range map[string]func(limits.Target, time.Duration) error{"Ban": a.Ban, "Permit": a.Permit} {
		if err := f(target, -time.Second); !errors.Is(err, limits.ErrDuration) {
			t.Errorf("%s for -1 s: %v", name, err)
		}
	}
	if list := a.Bans(); len(list) != 0 {
		t.Errorf("in force: %v", list)
	}
}

// A peer that sends as many requests as it may is a limited source, and its network is not.
func TestLimitedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWire(t, w, 1, nil)
		defer a.Close()
		b := onWire(t, w, 2, func(c *Config) {
			c.RequestRates = limits.Rates{Address: limits.Rate{PerSecond: 1, Burst: 20}, Network: limits.Rate{PerSecond: 10, Burst: 200}}
			c.ExemptPrivate = ExemptNever
		})
		defer b.Close()
		for range 20 {
			a.Ping(t.Context(), contact(b))
		}
		want := LimitedSource{Prefix: netip.PrefixFrom(a.Addrs()[0].Addr(), 32), Cause: engine.RateVerified}
		if list := b.LimitedSources(10); !slices.Equal(list, []LimitedSource{want}) {
			t.Errorf("limited sources %v, want %v", list, want)
		}
	})
}
