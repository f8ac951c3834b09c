package discv5

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
)

// The bounds of a node are settings: each of them bounds what it says, and the defaults are those
// of the packages that apply them.
func TestConfigLimits(t *testing.T) {
	few := limits.Rates{Address: limits.Rate{PerSecond: 1, Burst: 1}}
	ping := func(t *testing.T, a, b *Node) error { _, err := a.Ping(t.Context(), contact(b)); return err }
	many := func(t *testing.T, a, b *Node, want Counter) {
		t.Helper()
		for range 20 {
			ping(t, a, b)
		}
		if b.Stats().Counters[want] == 0 {
			t.Errorf("nothing was dropped as %s", want.Info().Value)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		check  func(t *testing.T, a, b *Node) // b has the setting
	}{
		{"MaxLookups", func(c *Config) { c.MaxLookups = 2 }, func(t *testing.T, a, b *Node) {
			ping(t, b, a)
			busy, ends := 0, make(chan error, 20)
			for range cap(ends) {
				go func() { _, err := b.Lookup(t.Context(), enr.ID{1}); ends <- err }()
			}
			for range cap(ends) {
				if errors.Is(<-ends, ErrBusy) {
					busy++
				}
			}
			if busy < cap(ends)-3 || busy == cap(ends) {
				t.Errorf("%d of %d lookups were refused", busy, cap(ends))
			}
		}},
		{"MaxRequests", func(c *Config) { c.MaxRequests = 1 }, func(t *testing.T, a, b *Node) {
			done := make(chan error, 2)
			for range 2 {
				go func() { done <- ping(t, b, a) }()
			}
			if x, y := <-done, <-done; errors.Is(x, ErrBusy) == errors.Is(y, ErrBusy) {
				t.Errorf("two requests end with %v and %v", x, y)
			}
		}},
		{"SessionIdleTimeout", func(c *Config) { c.SessionIdleTimeout = time.Minute }, func(t *testing.T, a, b *Node) {
			if err := ping(t, a, b); err != nil {
				t.Fatal(err)
			}
			a.Close()
			b.RemoveNode(a.ID())
			time.Sleep(10 * time.Minute)
			if _, err := b.SessionOf(a.ID()); !errors.Is(err, ErrNoSession) {
				t.Errorf("the session lasts: %v", err)
			}
		}},
		{"RequestRates", func(c *Config) { c.RequestRates, c.ExemptPrivate = few, ExemptNever }, func(t *testing.T, a, b *Node) {
			many(t, a, b, engine.RateVerified)
		}},
		{"UnverifiedRates", func(c *Config) { c.UnverifiedRates, c.ExemptPrivate = few, ExemptNever }, func(t *testing.T, a, b *Node) {
			for range 5 {
				forget(b, a)
				ping(t, a, b)
			}
			if b.Stats().Counters[engine.RateUnverified] == 0 {
				t.Error("nothing was dropped")
			}
		}},
		{"HandshakeRates", func(c *Config) { c.HandshakeRates, c.ExemptPrivate = few, ExemptNever }, func(t *testing.T, a, b *Node) {
			for range 5 {
				forget(b, a)
				ping(t, a, b)
			}
			if b.Stats().Counters[engine.RateHandshake] == 0 {
				t.Error("nothing was dropped")
			}
		}},
		{"defaults", nil, func(t *testing.T, _, _ *Node) {
			d, err := Config{}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			if d.MaxLookups != engine.DefaultMaxLookups || d.MaxTasks != engine.DefaultMaxTasks || d.MaxRecords != engine.DefaultRecords ||
				d.RefreshInterval != engine.DefaultRefreshInterval || d.RequestTimeout != engine.DefaultRequestTimeout ||
				d.UnverifiedRates != DefaultUnverifiedRates() || d.HandshakeRates != DefaultHandshakeRates() || d.RequestRates != DefaultRequestRates() {
				t.Errorf("defaults %+v", d)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				a, b := onWire(t, w, 1, nil), onWire(t, w, 2, c.change)
				defer a.Close()
				defer b.Close()
				c.check(t, a, b)
			})
		})
	}
	for _, field := range []func(*Config){
		func(c *Config) { c.MaxLookups = maxEntries + 1 }, func(c *Config) { c.MaxTasks = maxEntries + 1 }, func(c *Config) { c.MaxRecords = maxEntries + 1 },
	} {
		var c Config
		if field(&c); !errors.Is(c.Validate(), ErrConfig) {
			t.Errorf("%+v is accepted", c)
		}
	}
}
