package discv5

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
)

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
