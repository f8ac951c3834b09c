package load

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// patience bounds every wait of these tests. It is far above what anything takes.
const patience = 30 * time.Second

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
