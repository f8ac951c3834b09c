package soak

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/load"
)

// memoryBound is by how much a flooded process may grow beyond what it was before, with 1,000
// sessions: 1536 sessions of 2 KiB, or up to 1888 as shards are uneven, 16384 challenges of 200
// bytes, 1024 waiting handshakes of 1.5 KiB and 4096 remembered records of 1 KiB are 16 MiB, and
// the collector lets a heap become twice as large. The rest is stacks, and what the runtime has not
// yet given back.
const memoryBound = 32 * mebibyte

// In the short form IPv6 is left to the flood of junk.

// Junk at the rate that one core can send.
func TestFloodJunk(t *testing.T) { floods(t, junk, true) }

// Handshakes that fail.
func TestFloodBadHandshakes(t *testing.T) { floods(t, badHandshakes, false) }

// Handshakes that succeed.
func TestFloodHandshakes(t *testing.T) { floods(t, goodHandshakes, false) }

// TALK requests to a handler that is slow.
func TestFloodTalk(t *testing.T) { floods(t, slowTalk, false) }

// floods floods a node on each family of loopback.
func floods(t *testing.T, begin func(*testing.T, *target) attack, always6 bool) {
	if testing.Short() {
		t.Skip("probed for -short: it takes all processors for seconds; make test runs it")
	}
	if raceEnabled && os.Getenv(envFlood) == "" {
		t.Skipf("probed for the race detector, which makes it take minutes: set %s to run it; make test runs it", envFlood)
	}
	const short = 2 * time.Second
	d := setting(t, envFlood, short)
	t.Run("IPv4", func(t *testing.T) { flood(t, netip.MustParseAddr("127.0.0.1"), d, begin) })
	t.Run("IPv6", func(t *testing.T) {
		if d == short && !always6 {
			t.Skipf("probed for %s, the long form: it is not set", envFlood)
		}
		if !hasIPv6() {
			t.Skip("probed for an IPv6 loopback address: there is none")
		}
		flood(t, netip.IPv6Loopback(), d, begin)
	})
}

// flood has 1,000 sessions ask at a steady rate beside an attack.
func flood(t *testing.T, addr netip.Addr, d time.Duration, begin func(*testing.T, *target) attack) {
	identities, perSecond := lighter(1000), lighter(2000.0)
	x := newTarget(t, addr)
	cfg := load.Config{Mix: load.Mix{load.Ping: 1, load.FindNode: 1}, Identities: identities, Window: 64, Timeout: 3 * time.Second,
		// the node's own record alone, so that an answer is one datagram
		Distances:  []uint{0},
		DisableGSO: true} // each is dropped and counted separately, in the kernel and in the node
	if addr.Is4() {
		cfg.Sources = prefixes(netSteady, 64)
	}
	steady := prepare(t, x, cfg)
	// A session is in use, and protected from eviction, when it has brought a few messages.
	if _, err := steady.Run(t.Context(), load.Plan{For: patience, Requests: uint64(4 * identities)}); err != nil {
		t.Fatal(err)
	}
	a := begin(t, x)
	w := &watch{x: x, every: max(d/200, 100*time.Millisecond)}
	w.look(t)
	if t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { w.run(ctx, t) })
	beside.Go(func() {
		if err := a.run(ctx); err != nil {
			t.Errorf("flood: %v", err)
		}
	})
	r, err := steady.Run(t.Context(), load.Plan{For: d, Rate: perSecond})
	beside.Wait()
	if err != nil {
		t.Fatal(err)
	}
	// The node has still to count datagrams of the flood that wait in its sockets.
	for end := time.Now().Add(patience); w.look(t) && a.counted != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if a.counted(&w.states[0], &w.states[len(w.states)-1]) {
			break
		}
	}
	if t.Failed() {
		return
	}
	verdict(t, &a, w, r, d)
}

// verdict tells the figures and checks what must hold for every kind of flood.
func verdict(t *testing.T, a *attack, w *watch, r *load.Result, d time.Duration) {
	t.Helper()
	before, after := &w.states[0], &w.states[len(w.states)-1]
	in, dropped := after.Sockets.RxDatagrams-before.Sockets.RxDatagrams, after.Sockets.KernelDrops-before.Sockets.KernelDrops
	// A good handshake brings a PING of its own.
	opened := delta(before, after, engine.InPing) + delta(before, after, engine.InFindNode) - delta(before, after, engine.HandshakesReceived)
	// Each steady request arrives separately. Requests that were sent and that the kernel cannot
	// have dropped were delivered, and so were those that the node opened.
	delivered := opened
	if r.Total.Sent > dropped {
		delivered = max(delivered, r.Total.Sent-dropped)
	}
	// Late responses count, also those that came when nobody remembered the request: a machine that
	// stops for seconds is not the node's fault. Responses that the sockets of the generator had no
	// room for count too.
	answered := r.Total.Answered + r.Events.Late + r.Events.Unmatched + r.Traffic.KernelDrops
	t.Logf("flood: %d sent, %.0f/s", a.sent(), float64(a.sent())/d.Seconds())
	if a.tells != nil {
		t.Logf("flood: %s", a.tells())
	}
	gone := lost(a.out()+r.Traffic.TxDatagrams, in, dropped)
	t.Logf("node: %.0f datagrams/s in, %.0f/s dropped by the kernel (%.1f %%), which counts %d, and a GRO batch as one", float64(in)/d.Seconds(),
		float64(gone)/d.Seconds(), 100*float64(gone)/float64(max(in+gone, 1)), dropped)
	t.Logf("steady: %d sent, %d at least delivered, %d answered in time (%.2f %% of those), %d late, %d later still, p50 %v, p99 %v", r.Total.Sent, delivered, r.Total.Answered,
		100*float64(r.Total.Answered)/float64(max(delivered, 1)), r.Events.Late, r.Events.Unmatched, r.Latency.Quantile(0.5), r.Latency.Quantile(0.99))
	t.Logf("memory: %.1f MiB before, %.1f at most, %.1f after; at most %d sessions, %d challenges, %d goroutines, %d tasks", before.RSS/mebibyte,
		w.most(func(s *state) float64 { return s.RSS })/mebibyte, after.RSS/mebibyte, int(w.most(func(s *state) float64 { return float64(s.Sessions.Sessions) })),
		int(w.most(func(s *state) float64 { return float64(s.Sessions.Challenges) })), int(w.most(func(s *state) float64 { return float64(s.Goroutines) })),
		int(w.most(func(s *state) float64 { return float64(s.Stats.Tasks) })))

	if !served(answered, delivered) {
		t.Errorf("steady: %d answers to %d requests that were delivered, want 99 %%", answered, delivered)
	}
	if r.Total.Sent == 0 || opened == 0 {
		t.Error("steady: nothing came through")
	}
	if lost := r.Events.Whoareyou; lost > 0 {
		t.Errorf("steady: the node lost sessions: %d challenges, %d renewed", lost, r.Events.Rekeys)
	}
	for _, c := range []engine.Counter{engine.RateUnverified, engine.RateHandshake, engine.RateVerified, engine.DropSendQueue} {
		if n := delta(before, after, c); n > 0 {
			t.Errorf("%d datagrams were dropped: %s", n, c.Info().Value)
		}
	}
	w.bounds(t)
	if a.check != nil {
		a.check(t, before, after)
	}
}

// watch looks at the node again and again.
type watch struct {
	x      *target
	every  time.Duration
	states []state
}

func (w *watch) look(t *testing.T) bool {
	s, err := w.x.state()
	if err != nil {
		t.Error(err)
		return false
	}
	w.states = append(w.states, s)
	return true
}

func (w *watch) run(ctx context.Context, t *testing.T) {
	for tick := time.NewTicker(w.every); ; {
		select {
		case <-tick.C:
			if !w.look(t) {
				return
			}
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

func (w *watch) most(get func(*state) float64) (most float64) {
	for i := range w.states {
		most = max(most, get(&w.states[i]))
	}
	return most
}

// bounds checks that nothing in the node grew beyond its bound, and that memory does not rise all
// the time.
func (w *watch) bounds(t *testing.T) {
	t.Helper()
	before := &w.states[0]
	for _, c := range []struct {
		name string
		get  func(*state) float64
		most float64
	}{
		// each shard has more than its share
		{"sessions", func(s *state) float64 { return float64(s.Sessions.Sessions) }, targetSessions * 1.3},
		{"challenges", func(s *state) float64 { return float64(s.Sessions.Challenges) }, targetChallenges},
		{"goroutines", func(s *state) float64 { return float64(s.Goroutines) }, float64(before.Goroutines + targetTalks + 8)},
	} {
		if most := w.most(c.get); most > c.most {
			t.Errorf("%.0f %s, at most %.0f are allowed", most, c.name, c.most)
		}
	}
	if raceEnabled {
		return // the race detector takes memory of its own
	}
	if most := w.most(func(s *state) float64 { return s.RSS }); most > before.RSS+memoryBound {
		t.Errorf("memory grew from %.1f to %.1f MiB, at most %.1f MiB more are allowed", before.RSS/mebibyte, most/mebibyte, float64(memoryBound)/mebibyte)
	}
	rss := make([]float64, len(w.states))
	for i := range w.states {
		rss[i] = w.states[i].RSS
	}
	if time.Duration(len(rss))*w.every >= 30*time.Second {
		if _, _, err := grows(rss, tolerance{0.10, 4 * mebibyte}); err != nil {
			t.Errorf("resident memory %v", err)
		}
	}
}
