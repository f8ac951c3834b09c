package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// A ban ends the sessions of the nodes concerned, and no others. They leave the table and the
// responders, and a handshake makes a new session only after the ban.
func TestExpelEndsSessions(t *testing.T) {
	for _, c := range []struct {
		name   string
		ban    func(a *limits.Access, n *node) error
		unban  func(a *limits.Access, n *node)
		filter bool // the table refuses the node: it is a responder
	}{
		{"node ID", func(a *limits.Access, n *node) error { return a.Ban(limits.NodeTarget(n.e.ID()), limits.Forever) },
			func(a *limits.Access, n *node) { a.Remove(limits.Ban, limits.NodeTarget(n.e.ID())) }, false},
		{"address", func(a *limits.Access, n *node) error { return a.Ban(limits.AddrTarget(n.addr.Addr()), limits.Forever) },
			func(a *limits.Access, n *node) { a.Remove(limits.Ban, limits.AddrTarget(n.addr.Addr())) }, false},
		{"prefix", func(a *limits.Access, n *node) error {
			return a.Ban(limits.PrefixTarget(netip.MustParsePrefix("20.2.0.0/16")), limits.Forever)
		}, func(a *limits.Access, _ *node) {
			a.Remove(limits.Ban, limits.PrefixTarget(netip.MustParsePrefix("20.2.0.0/16")))
		}, false},
		{"outside of the networks", func(a *limits.Access, _ *node) error {
			return a.Restrict([]netip.Prefix{netip.MustParsePrefix("20.3.0.0/16")})
		}, func(a *limits.Access, _ *node) { a.Restrict(nil) }, false},
		{"responder", func(a *limits.Access, n *node) error { return a.Ban(limits.NodeTarget(n.e.ID()), limits.Forever) },
			func(a *limits.Access, n *node) { a.Remove(limits.Ban, limits.NodeTarget(n.e.ID())) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			access := limits.NewAccess(0)
			a := nw.add("20.1.0.1:9000", func(cfg *Config) {
				cfg.Access = access
				if c.filter {
					cfg.Table.Filter = func(table.Node) bool { return false }
				}
			})
			banned, other := nw.add("20.2.0.1:9000", nil), nw.add("20.3.0.1:9000", nil)
			for _, n := range []*node{banned, other} {
				if r := a.ping(n); r.Err != nil {
					t.Fatal(r.Err)
				}
			}
			if n := a.e.Sessions().Stats().Sessions; n != 2 {
				t.Fatalf("%d sessions", n)
			}
			if c.filter && !a.e.responders.has(banned.e.ID()) {
				t.Fatal("not a responder")
			}
			a.events = nil
			if err := c.ban(access, banned); err != nil {
				t.Fatal(err)
			}
			a.e.Expel(nw.now)
			if _, ok := a.e.Sessions().Find(banned.e.ID()); ok {
				t.Error("the session of the banned node lives on")
			}
			if _, ok := a.e.Sessions().Find(other.e.ID()); !ok {
				t.Error("the session of another node has ended")
			}
			if _, known := a.e.table.Seq(banned.e.ID()); known || a.e.responders.has(banned.e.ID()) {
				t.Error("the banned node is still known")
			}
			ended := 0
			for _, ev := range a.events {
				if ev.Kind == SessionEnded && ev.ID == banned.e.ID() {
					ended++
				}
			}
			if ended != 1 {
				t.Errorf("%d events about the end of the session", ended)
			}
			if r := banned.ping(a); r.Err == nil {
				t.Error("a banned node got an answer")
			}
			c.unban(access, banned)
			handshakes := a.e.Counters()[HandshakesReceived]
			if r := banned.ping(a); r.Err != nil {
				t.Fatalf("after the ban: %v", r.Err)
			}
			if a.e.Counters()[HandshakesReceived] == handshakes {
				t.Error("the old session was used again")
			}
		})
	}
}

// A ban that comes while a handshake waits in the queue is in force when its turn comes.
func TestBanWhileHandshakeWaits(t *testing.T) {
	nw := newNetwork(t)
	access := limits.NewAccess(0)
	a := nw.add("20.1.0.1:9000", func(cfg *Config) { cfg.Access = access })
	b := nw.add("20.2.0.1:9000", nil)
	a.holdTasks = true
	b.w.Begin(nw.now)
	b.w.Start(Request{Type: codec.TypePing, Peer: a.peer(), Done: func(*Worker, Result) {}})
	nw.deliver()
	if a.e.Tasks() != 1 {
		t.Fatalf("%d tasks", a.e.Tasks())
	}
	if err := access.Ban(limits.NodeTarget(b.e.ID()), limits.Forever); err != nil {
		t.Fatal(err)
	}
	a.e.Expel(nw.now)
	a.holdTasks = false
	a.w.Begin(nw.now + time.Millisecond)
	a.runTasks()
	if n := a.e.Sessions().Stats().Sessions; n != 0 {
		t.Errorf("%d sessions with a banned node", n)
	}
	if n := a.e.Counters()[DropBannedID]; n != 1 {
		t.Errorf("%d drops counted", n)
	}
}

// has reports whether a node is among the responders.
func (rs *responders) has(id enr.ID) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return slices.ContainsFunc(rs.list, func(r responder) bool { return r.peer.ID == id })
}
