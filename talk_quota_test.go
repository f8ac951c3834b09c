package discv5

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// onWireAt starts a node at an address of a virtual network.
func onWireAt(t *testing.T, w *wiretest.Net, addr string, change func(*Config)) *Node {
	t.Helper()
	cfg := Config{Conns: []fastpath.Conn{w.Conn(netip.MustParseAddrPort(addr))}, MaxSessions: 256, MaxChallenges: 256}
	return startNode(t, cfg, change)
}

// TestS37BlockedHandlersOfOneNetwork: ten identities of one address, whose requests never end,
// leave handlers to another network. So do ten of one /24, and of several networks of one provider.
func TestS37BlockedHandlersOfOneNetwork(t *testing.T) {
	for _, c := range []struct {
		name, server, other string
		attacker            func(i byte) [4]byte
	}{
		{"one address", "52.1.0.1:9000", "99.1.1.1:9000", func(i byte) [4]byte { return [4]byte{52, 9, 9, 9} }},
		{"one /24", "52.1.0.1:9000", "99.1.1.1:9000", func(i byte) [4]byte { return [4]byte{52, 9, 9, i} }},
		{"one /16", "52.1.0.1:9000", "99.1.1.1:9000", func(i byte) [4]byte { return [4]byte{52, 9, i, 9} }},
		{"one address of a private network", "10.0.0.1:9000", "10.0.7.1:9000", func(i byte) [4]byte { return [4]byte{10, 0, 9, 9} }},
		{"one /24 of a private network", "10.0.0.1:9000", "10.0.7.1:9000", func(i byte) [4]byte { return [4]byte{10, 0, 9, i} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				b := onWireAt(t, w, c.server, func(c *Config) { c.TalkConcurrency = 64 })
				var blocked atomic.Int32
				b.HandleTalk("block", func(ctx context.Context, _ TalkRequest) []byte {
					blocked.Add(1)
					<-ctx.Done()
					return nil
				})
				b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
				for i := range byte(10) {
					a := onWireAt(t, w, netip.AddrPortFrom(netip.AddrFrom4(c.attacker(i)), 9000+uint16(i)).String(), nil)
					for range 40 {
						go a.Talk(t.Context(), contact(b), "block", nil)
					}
				}
				time.Sleep(5 * time.Second)
				if n := blocked.Load(); n < 32 {
					t.Fatalf("%d handlers block", n)
				}
				other := onWireAt(t, w, c.other, nil)
				for i := range 20 {
					if got, err := other.Talk(t.Context(), contact(b), "echo", []byte("x")); err != nil || string(got) != "x" {
						t.Fatalf("request %d of another network: %q, %v", i, got, err)
					}
				}
			})
		})
	}
}

// A busy TALK responder stays silent: every answer is one that the handler gave.
func TestBusyTalkIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		b := onWireAt(t, w, "52.1.0.1:9000", func(c *Config) { c.TalkConcurrency = 64 })
		var handled, answered, silent, other atomic.Int32
		b.HandleTalk("slow", func(context.Context, TalkRequest) []byte {
			handled.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil // its own empty answer
		})
		var wg sync.WaitGroup
		const peers, each = 8, 40
		for i := range byte(peers) {
			a := onWireAt(t, w, netip.AddrPortFrom(netip.AddrFrom4([4]byte{52, 9, i, 9}), 9000).String(), nil)
			for range each {
				wg.Go(func() {
					switch _, err := a.Talk(t.Context(), contact(b), "slow", nil); {
					case err == nil:
						answered.Add(1)
					case errors.Is(err, ErrTimeout):
						silent.Add(1)
					default:
						other.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if answered.Load() != handled.Load() || other.Load() != 0 {
			t.Errorf("%d answers, the handler was called %d times; %d other errors", answered.Load(), handled.Load(), other.Load())
		}
		if silent.Load() == 0 || uint64(silent.Load()) != counted(b, "talk_busy") {
			t.Errorf("%d requests were met with silence, %d are counted", silent.Load(), counted(b, "talk_busy"))
		}
		// A request of an unknown protocol takes no handler: its response is empty.
		a := onWireAt(t, w, "99.1.1.1:9000", nil)
		if got, err := a.Talk(t.Context(), contact(b), "unknown", nil); err != nil || len(got) != 0 {
			t.Errorf("unknown protocol: %q, %v", got, err)
		}
	})
}
