package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
)

// peerSet is a PeerSet that a test looks at.
type peerSet map[netip.AddrPort]int

func (p peerSet) Hold(a netip.AddrPort) { p[a]++ }

func (p peerSet) Release(a netip.AddrPort) {
	if p[a]--; p[a] == 0 {
		delete(p, a)
	}
}

// TestPeersFollowSessionsAndRequests: endpoints are held while they have a session or a request
// waits for them, and for nothing that unverified datagrams do.
func TestPeersFollowSessionsAndRequests(t *testing.T) {
	nw := newNetwork(t)
	held, other := peerSet{}, peerSet{}
	a := nw.add("91.0.0.1:9000", func(c *Config) { c.Peers = held; c.Session.IdleTimeout = time.Minute })
	b := nw.add("92.0.0.1:9000", func(c *Config) { c.Peers = other; c.Session.MaxSessions = 2; c.Session.Shards = 1 })
	want := func(what string, p peerSet, list ...netip.AddrPort) {
		t.Helper()
		if len(p) != len(list) {
			t.Errorf("%s: %v are held, want %v", what, p, list)
		}
		for _, l := range list {
			if p[l] <= 0 {
				t.Errorf("%s: %v is not held in %v", what, l, p)
			}
		}
	}

	// A request to a node that does not exist: held until it ends.
	gone := netip.MustParseAddrPort("93.0.0.1:9000")
	p := b.peer()
	p.Addr = gone
	ended := false
	a.w.Begin(nw.now)
	a.w.Start(Request{Type: codec.TypePing, Peer: p, Done: func(*Worker, Result) { ended = true }})
	want("a request waits", held, gone)
	nw.deliver()
	for range 100 {
		nw.run(100 * time.Millisecond)
	}
	if !ended {
		t.Fatal("the request has not ended")
	}
	want("the request has ended", held)

	// A message that does not open: challenged, and nothing held.
	unverified := netip.MustParseAddrPort("94.0.0.1:9000")
	nw.Tap = func(_, to netip.AddrPort, raw []byte) {
		if to == b.addr {
			nw.Tap = nil
			nw.Send(unverified, b.addr, raw)
		}
	}
	// a makes contact with b. Its packets must pass at b, and those of b at a, before they leave.
	sent := 0
	nw.Drop = func(from, to netip.AddrPort, _ []byte) bool {
		if to == a.addr && from == b.addr {
			sent++
			if held[from] == 0 {
				t.Errorf("packet %d comes from an endpoint that is not held", sent)
			}
		}
		return false
	}
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	want("a session", held, b.addr)
	want("a session", other, a.addr)
	if n := b.e.Counters()[WhoareyouSent]; n < 2 {
		t.Fatalf("%d WHOAREYOU: the unverified source got none", n)
	}

	// Sessions that are evicted.
	for _, addr := range []string{"95.0.0.1:9000", "96.0.0.1:9000", "97.0.0.1:9000", "98.0.0.1:9000"} {
		if r := nw.add(addr, nil).ping(b); r.Err != nil {
			t.Logf("%s: %v", addr, r.Err)
		}
		if n := b.e.Sessions().Stats().Sessions; len(other) != n {
			t.Errorf("%d sessions, held %v", n, other)
		}
	}

	// Removal, and the end of idle sessions.
	k := session.MakeKey(b.addr, (*[32]byte)(p.ID[:]))
	a.e.Sessions().Remove(&k, a.e.Sessions().Hash(&k))
	want("removed", held)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	want("a new session", held, b.addr)
	a.e.Sessions().SweepAll(nw.now + time.Hour)
	want("idle", held)
}
