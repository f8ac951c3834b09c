package serve

import (
	"context"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/load"
)

const testKey = "00000000000000000000000000000000000000000000000000000000000001c8"

// generate makes a load generator for a server in this process.
func generate(t *testing.T, s server, cfg load.Config) *load.Generator {
	t.Helper()
	var err error
	if cfg.Target, err = load.ParseTarget(s.ready().Records[0], false); err != nil {
		t.Fatal(err)
	}
	if cfg.Mix == (load.Mix{}) {
		cfg.Mix = load.Only(load.Ping)
	}
	cfg.Sockets = 1
	g, err := load.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// ask runs a plan, which may take a minute.
func ask(t *testing.T, g *load.Generator, p load.Plan) *load.Result {
	t.Helper()
	p.For = time.Minute
	r, err := g.Run(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seeded makes a generator whose sessions the core has too.
func seeded(t *testing.T, c *core, n int) *load.Generator {
	t.Helper()
	g := generate(t, c, load.Config{SessionSeed: 7, Identities: n, JunkIDs: 200, RepeatJunk: true, Timeout: 20 * time.Second})
	if _, err := g.Prepare(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := c.inject(Command{Seed: 7, Count: n, From: g.Addrs()[0].String()}); err != nil {
		t.Fatal(err)
	}
	return g
}

// Sessions that were put in answer like others; peers without one are challenged.
func TestCore(t *testing.T) {
	s, err := startCore(Spec{Key: testKey, Sessions: 1024, Challenges: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const n = 300
	g := seeded(t, s.(*core), n)
	var u Usage
	if s.usage(&u); u.Sessions != n {
		t.Errorf("%d sessions, want %d", u.Sessions, n)
	}
	var size int
	r := ask(t, g, load.Plan{Requests: 2 * n, OnDatagram: func(n int) { size = n }})
	if r.Total.Answered != 2*n || r.Total.Lost != 0 {
		t.Errorf("of %d requests in sessions %+v, %+v", 2*n, r.Total, r.Events)
	}
	other := generate(t, s, load.Config{SessionSeed: 8, Identities: 1, Timeout: 3 * time.Second})
	if _, err := other.Prepare(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, other, load.Plan{Requests: 1}); r.Total.Answered != 0 || r.Events.Whoareyou != 1 {
		t.Errorf("a session of another seed: %+v, %+v", r.Total, r.Events)
	}
	// All datagrams of a mixture are answered, junk by WHOAREYOU.
	for _, percent := range []int{0, 30, 100} {
		p := load.Plan{Mix: load.Mix{load.Ping: 100 - percent, load.Junk: percent}, Window: 64, Ahead: 1000, Sizes: []int{size}}
		if r := ask(t, g, p); r.Total.Answered != 1000 || r.Total.Lost != 0 || abs(int(answered(r, load.Junk))-10*percent) > 8 {
			t.Errorf("%d %% junk: %+v, %+v", percent, r.Total, r.Events)
		}
	}
	if size < codec.MinPacketSize {
		t.Errorf("answers of %d bytes", size)
	}
	if err := s.(*core).inject(Command{Seed: 9, Count: 5000, From: g.Addrs()[0].String()}); err == nil {
		t.Error("more sessions than there is room for, without an error")
	}
}

// Handshakes one by one and several at a time make sessions with a whole node.
func TestHandshakes(t *testing.T) {
	s, err := startNode(Spec{Key: testKey, Sessions: 1024, Challenges: 1024})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	g := generate(t, s, load.Config{Mix: load.Only(load.Handshake), Timeout: 20 * time.Second})
	for _, p := range []load.Plan{{Window: 4, Requests: 9}, {Window: 1, Requests: 1}} {
		if r := ask(t, g, p); r.Total.Answered != p.Requests || r.Latency.Max() <= 0 {
			t.Errorf("%d handshakes: %+v, %+v", p.Requests, r.Total, r.Events)
		}
	}
	var u Usage
	if s.usage(&u); u.Sessions != 10 {
		t.Errorf("%d sessions, want 10", u.Sessions)
	}
}

// answered returns how many requests of a kind were answered.
func answered(r *load.Result, k load.Kind) uint64 {
	for _, x := range r.Kinds {
		if x.Kind == k {
			return x.Answered
		}
	}
	return 0
}

func abs(n int) int { return max(n, -n) }
