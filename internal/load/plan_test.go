package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// A round trip separates each WHOAREYOU from its handshake, and is not part of the latency.
func TestTrip(t *testing.T) {
	t.Parallel()
	const trip, n = time.Second, 4
	var mu sync.Mutex
	first, gaps := map[[32]byte]time.Time{}, []time.Duration{}
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.seen = func(p *codec.Packet) {
		mu.Lock()
		defer mu.Unlock()
		if p.Flag == codec.FlagHandshake {
			gaps = append(gaps, time.Since(first[p.SourceID]))
			return
		}
		first[p.SourceID] = time.Now()
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Handshake), Window: 2, Timeout: enough, Trip: trip})
	r := load(t, g, Plan{For: patience, Requests: n})
	mu.Lock()
	defer mu.Unlock()
	if r.Total.Answered != n || len(gaps) != n || len(first) != n {
		t.Fatalf("counted %+v, %d handshakes of %d identities", r.Total, len(gaps), len(first))
	}
	for _, d := range gaps {
		if d < trip {
			t.Errorf("a handshake came %v after the first message, want %v or more", d, trip)
		}
	}
	if least := r.Latency.Quantile(0); least >= trip {
		t.Errorf("the shortest latency is %v: the round trip is part of it", least)
	}
}

// With RepeatJunk each node ID sends one message, again and again. Plan.JunkIDs limits the IDs, or
// makes up new ones.
func TestRepeatJunk(t *testing.T) {
	t.Parallel()
	const packets = 60
	for _, c := range []struct {
		name        string
		repeat      bool
		used        int
		ids, nonces int
	}{
		{"repeated", true, 0, 10, 10},
		{"with nonces of their own", false, 0, 10, packets},
		{"some of them", true, 3, 3, 3},
		{"new ones", true, -1, packets, packets},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			ids, nonces := map[[32]byte]bool{}, map[codec.Nonce]bool{}
			f, to := newFake(t, "127.0.0.1:0", nil)
			f.seen = func(p *codec.Packet) {
				mu.Lock()
				defer mu.Unlock()
				ids[p.SourceID], nonces[p.Nonce] = true, true
			}
			f.serve()
			g := generate(t, Config{Target: to, Mix: Only(Junk), JunkIDs: 10, RepeatJunk: c.repeat, Window: 5, Sockets: 1, Timeout: enough})
			r := load(t, g, Plan{For: patience, Requests: packets, JunkIDs: c.used})
			if r.Total.Answered != packets || r.Events.Bad() > 0 {
				t.Errorf("counted %+v, %+v", r.Total, r.Events)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(ids) != c.ids || len(nonces) != c.nonces {
				t.Errorf("%d node IDs and %d nonces, want %d and %d", len(ids), len(nonces), c.ids, c.nonces)
			}
		})
	}
}

// Sessions can be made in parts.
func TestPrepareUpTo(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 10, PrepareWindow: 2, Sockets: 2, Timeout: enough})
	for _, n := range []int{3, 3, 10, 12} {
		p, err := g.PrepareUpTo(context.Background(), n, nil)
		if want := min(n, 10); err != nil || p.Sessions != want || f.good.Load() != int64(want) {
			t.Fatalf("up to %d: %d sessions, %d handshakes, %v", n, p.Sessions, f.good.Load(), err)
		}
	}
	if r := load(t, g, Plan{For: patience, Requests: 40}); r.Total.Answered != 40 {
		t.Errorf("counted %+v", r.Total)
	}
}

// A run can take responses by their size, and requests that were sealed before it.
func TestResponsesBySize(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	f.answer = func(r *fakeRequest) {
		if r.kind == codec.TypeFindNode { // two datagrams
			r.nodes(2)
			r.nodes(2)
			return
		}
		usual(r)
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Mix{Ping: 1, FindNode: 1}, Identities: 5, Sockets: 1, Timeout: enough})
	prepare(t, g)
	sizes := map[Kind][]int{}
	for _, k := range []Kind{Ping, FindNode} {
		load(t, g, Plan{Mix: Only(k), For: patience, Requests: 1, OnDatagram: func(n int) { sizes[k] = append(sizes[k], n) }})
	}
	if len(sizes[Ping]) != 1 || len(sizes[FindNode]) != 2 {
		t.Fatalf("responses of %v bytes", sizes)
	}
	for _, c := range []struct {
		name string
		kind Kind
		size []int
		good bool
	}{
		{"one datagram", Ping, sizes[Ping], true},
		{"two datagrams", FindNode, sizes[FindNode], true},
		{"another size", Ping, []int{sizes[Ping][0] + 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 30
			window := 4
			if !c.good {
				window = n // nothing makes room
			}
			r := loadUntil(t, g, Plan{Mix: Only(c.kind), For: patience, Window: window, Ahead: n, Sizes: c.size}, int64(n*len(c.size)))
			if r.Total.Sent != n {
				t.Errorf("%d sent, want the %d that were sealed", r.Total.Sent, n)
			}
			if c.good && (r.Total.Answered != n || r.Events.Bad() > 0) || !c.good && (r.Total.Answered > 0 || r.Events.Malformed != n) {
				t.Errorf("counted %+v, %+v", r.Total, r.Events)
			}
		})
	}
}

func TestPlanErrors(t *testing.T) {
	_, to := newFake(t, "127.0.0.1:0", usual)
	g := generate(t, Config{Target: to, Mix: Only(Junk)})
	for name, p := range map[string]Plan{
		"no time":            {},
		"too long":           {For: MaxDuration + 1},
		"ahead":              {For: 1, Ahead: -1},
		"far ahead":          {For: 1, Ahead: MaxAhead + 1},
		"junk IDs":           {For: 1, JunkIDs: -2},
		"handshakes by size": {For: 1, Mix: Only(Handshake), Sizes: []int{100}},
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := g.Run(context.Background(), p); !errors.Is(err, ErrConfig) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
