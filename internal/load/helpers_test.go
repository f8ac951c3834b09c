package load

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// patience bounds every wait of these tests. It is far above what anything takes, a handshake of
// Prepare that is lost because the machine paused, and waited for, included.
const patience = 90 * time.Second

// enough is how long answers may take where none is to be lost.
const enough = 10 * time.Second

// node starts a node on a free loopback port.
func node(t testing.TB, addr string, change func(*discv5.Config)) (*discv5.Node, Target) {
	t.Helper()
	cfg := discv5.Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort(addr)}, Sockets: 1}
	if change != nil {
		change(&cfg)
	}
	n, err := discv5.New(cfg)
	if err != nil {
		if cfg.ListenAddrs[0].Addr().Is6() {
			t.Skipf("probed for IPv6: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	to, err := RecordTarget(n.LocalRecord(), false)
	if err != nil {
		t.Fatal(err)
	}
	return n, to
}

// generate returns a Generator that the test closes.
func generate(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// prepare makes the sessions.
func prepare(t testing.TB, g *Generator) Prepared {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := g.Prepare(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load runs a plan.
func load(t testing.TB, g *Generator, p Plan) *Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := g.Run(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loadUntil runs a plan until the generator has got n datagrams of the target, unless the plan ends
// before. Requests without an answer are pending or lost then.
func loadUntil(t testing.TB, g *Generator, p Plan, n int64) *Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got atomic.Int64
	p.OnDatagram = func(int) {
		if got.Add(1) == n {
			cancel()
		}
	}
	r, err := g.Run(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// over returns how many durations are longer than d, as exactly as the histogram is.
func (h *Histogram) over(d time.Duration) (n int64) {
	if h == nil {
		return 0
	}
	for _, b := range h.h.Distribution() {
		if b.From > int64(d) {
			n += b.Count
		}
	}
	return n
}

// bar is a part of a Histogram: how many durations lie from From to To.
type bar struct {
	from, to time.Duration
	count    int64
}

// bars returns the parts of h that are not empty, in rising order.
func (h *Histogram) bars() (list []bar) {
	if h == nil {
		return nil
	}
	for _, b := range h.h.Distribution() {
		if b.Count > 0 {
			list = append(list, bar{time.Duration(b.From), time.Duration(b.To), b.Count})
		}
	}
	return list
}
