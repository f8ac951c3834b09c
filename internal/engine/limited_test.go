package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/limiter"
)

// A flood makes its address and its network limited sources, each under the limit that refuses it.
// They are no longer limited when the flood is over.
func TestLimitedSources(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", func(c *Config) {
		c.Unverified = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 1})
		c.Handshake = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 2})
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
	})
	if list := b.e.LimitedSources(nw.now, 10, nil); len(list) != 0 {
		t.Errorf("limited before anything came: %v", list)
	}
	evil := nw.scriptedPeer("203.0.113.1:1", 7)
	for host := range byte(10) {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, host}), 1)
		for range 150 {
			b.w.Receive(nw.now, from, evil.message(evil.Key.ID(), b, nil, nil))
		}
	}
	nw.Queue = nil
	if b.e.Counters()[RateUnverified] == 0 {
		t.Fatal("the flood is within the limits: this tests nothing")
	}
	want := LimitedSource{netip.MustParsePrefix("203.0.113.0/24"), RateUnverified}
	if list := b.e.LimitedSources(nw.now, 10, nil); !slices.Equal(list, []LimitedSource{want}) {
		t.Errorf("limited: %v, want %v", list, want)
	}
	if list := b.e.LimitedSources(nw.now, 0, nil); len(list) != 0 {
		t.Errorf("more than asked for: %v", list)
	}
	if list := b.e.LimitedSources(nw.now+10*time.Second, 10, nil); len(list) != 0 {
		t.Errorf("limited after the flood: %v", list)
	}
}
