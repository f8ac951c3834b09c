package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// Tests of older records are bounded in number and in time, and end once the remembered endpoint
// answers.
func TestRestartsAreBounded(t *testing.T) {
	var rs restarts
	for i := range 100 {
		rs.add(restart{node: table.Node{ID: enr.ID{byte(i)}}})
	}
	if len(rs.list) != maxRestarts {
		t.Errorf("%d nodes are tested, want %d", len(rs.list), maxRestarts)
	}

	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("20.1.0.1:9000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(time.Minute)
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live {
		t.Fatal("not live")
	}
	older := table.NewNode(b.rec, b.addr, false)
	older.Addr = netip.MustParseAddrPort("20.2.0.1:9000")
	for _, c := range []struct {
		name  string
		until time.Duration
	}{{"its time is over", nw.now - time.Second}, {"the endpoint answers", nw.now + time.Hour}} {
		nw.Drop = func(from, _ netip.AddrPort, _ []byte) bool { return from == b.addr && c.until < nw.now }
		a.e.restarts.add(restart{node: older, until: c.until, next: nw.now})
		nw.run(2 * time.Second)
		if n := len(a.e.restarts.list); n != 0 {
			t.Errorf("%s: the test goes on", c.name)
		}
		if n, _, ok := a.e.table.Get(b.e.ID()); !ok || n.Addr != b.addr {
			t.Errorf("%s: the node is at %v", c.name, n.Addr)
		}
	}
}

// S36: a PONG that comes long after its sender made contact proves nothing, a source of another
// class of addresses neither, and one site counts once.
func TestS36WhatProvesNothing(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("20.1.0.1:9000", nil)
	r := &a.e.address.fam[netaddr.IPv4]
	id := [32]byte(b.e.ID())
	for _, c := range []struct {
		name  string
		after time.Duration
		want  int
	}{{"late", waitTime + time.Minute, 0}, {"in time", time.Second, 1}} {
		a.e.address.waiting[0] = waiting{session.MakeKey(b.addr, &id), siteOf(b.addr.Addr()), nw.now + 1}
		nw.now += c.after
		a.e.address.waiting[1] = waiting{}
		if res := a.ping(b); res.Err != nil {
			t.Fatal(res.Err)
		}
		if r.proof.n != c.want {
			t.Errorf("a PONG that comes %s: %d sites prove the endpoint, want %d", c.name, r.proof.n, c.want)
		}
	}

	nw.stranger("10.0.0.9:9000", 8).listen().connect(a)
	for _, s := range a.e.address.waiting {
		if s.at != 0 && s.site.Addr() == netip.MustParseAddr("10.0.0.9") {
			t.Error("a private source is waited for to prove a public endpoint")
		}
	}

	m := reach{}
	site := netip.MustParsePrefix("30.1.1.0/24")
	if !m.miss(time.Hour, site) || m.miss(time.Hour, site) || len(m.missed) != 1 {
		t.Error("one site speaks twice against an endpoint")
	}
}
