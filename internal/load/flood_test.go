package load

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// A flood sends as many packets as it says, each of another node ID unless told otherwise, at most
// at the rate that it is given.
func TestFlood(t *testing.T) {
	t.Parallel()
	// At this rate the target's socket holds what is due after a pause of the machine.
	const rate, enoughPackets = 250, 50
	for _, c := range []struct {
		name string
		ids  int
		rate float64
		want int // packets that end it
	}{{"new IDs", 0, rate, enoughPackets}, {"repeated IDs", 10, rate, enoughPackets}, {"as fast as possible", 0, 0, 1}} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			seen, packets := map[[32]byte]int{}, 0
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			f, to := newFake(t, "127.0.0.1:0", nil)
			f.seen = func(p *codec.Packet) {
				mu.Lock()
				defer mu.Unlock()
				seen[p.SourceID]++
				if packets++; packets == c.want {
					cancel()
				}
			}
			f.loses = func(*codec.Packet) bool { return true }
			f.serve()
			flood, err := NewFlood(FloodConfig{Target: to, Size: 95, IDs: c.ids})
			if err != nil {
				t.Fatal(err)
			}
			defer flood.Close()
			began := time.Now()
			sent, err := flood.Run(ctx, c.rate)
			took := time.Since(began)
			if err != nil || sent == 0 || uint64(sent) != flood.Sent() {
				t.Fatalf("%d sent, the kernel took %d: %v", sent, flood.Sent(), err)
			}
			if c.rate == 0 {
				return // more than the fake reads
			}
			if most := c.rate * took.Seconds(); float64(sent) > most {
				t.Errorf("%d sent, at most %.0f in %v", sent, most, took)
			}
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				mu.Lock()
				if packets == sent {
					break
				}
				mu.Unlock()
				if time.Now().After(end) {
					t.Fatalf("%d of %d packets have arrived", packets, sent)
				}
			}
			defer mu.Unlock()
			want := sent
			if c.ids > 0 {
				want = min(c.ids, sent)
			}
			if len(seen) != want {
				t.Errorf("%d node IDs in %d packets, want %d", len(seen), sent, want)
			}
		})
	}
}

func TestFloodConfig(t *testing.T) {
	_, to := newFake(t, "127.0.0.1:0", nil)
	far := to
	far.Addr = netip.MustParseAddrPort("192.0.2.1:30303")
	for name, c := range map[string]struct {
		config FloodConfig
		want   error
	}{
		"size":   {FloodConfig{Target: to, Size: 20}, ErrConfig},
		"large":  {FloodConfig{Target: to, Size: 1281}, ErrConfig},
		"public": {FloodConfig{Target: far, Size: 95}, ErrPublic},
		"source": {FloodConfig{Target: to, Size: 95, Source: []netip.Addr{netip.IPv6Loopback()}}, ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := NewFlood(c.config); !errors.Is(err, c.want) {
				t.Errorf("%v, %v", f, err)
			}
		})
	}
}
