package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
)

// An attacker with a prefix as wide as a provider gets, a /32 or /16, has more sites in it than any
// node has peers. The tests of this file try each bounded list of the engine with such an attacker.

// wide6 and wide4 are endpoints of different sites of one wide prefix.
func wide6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, 0, 7, byte(i >> 8), byte(i), 15: 1}), 9000)
}
func wide4(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{77, 1, byte(i), 1}), 9000)
}

// apart are endpoints of different wide prefixes.
func apart(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i), 1, 1}), 9000)
}

// S32: a wide prefix has a few responders, and so has a site to which responders have moved.
func TestS32RespondersOfOneWidePrefix(t *testing.T) {
	count := func(rs *responders, in func(a netip.Addr) bool) (n int) {
		for _, p := range rs.peers() {
			if in(p.Addr.Addr()) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name string
		at   func(int) netip.AddrPort
	}{{"/32", wide6}, {"/16", wide4}} {
		t.Run(c.name, func(t *testing.T) {
			var rs responders
			for i := range 40 {
				rs.answered(0, Peer{ID: enr.ID{1, byte(i)}, Addr: apart(i)})
			}
			for i := range 250 {
				rs.answered(time.Second+time.Duration(i), Peer{ID: enr.ID{2, byte(i)}, Addr: c.at(i)})
			}
			wide := netaddr.Wide(c.at(0).Addr())
			if n := count(&rs, func(a netip.Addr) bool { return netaddr.Wide(a) == wide }); n != maxResponderWide {
				t.Errorf("%d responders of one wide prefix, want %d", n, maxResponderWide)
			}
			if n := count(&rs, func(a netip.Addr) bool { return netaddr.Wide(a) != wide }); n != 40 {
				t.Errorf("%d of 40 responders of other networks are left", n)
			}
		})
	}
	t.Run("moved", func(t *testing.T) {
		var rs responders
		for i := range 20 {
			rs.answered(0, Peer{ID: enr.ID{1, byte(i)}, Addr: apart(i)})
		}
		for i := range 20 {
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{77, 1, 1, byte(i)}), 9000)
			rs.answered(time.Second+time.Duration(i), Peer{ID: enr.ID{1, byte(i)}, Addr: to})
		}
		if n := len(rs.peers()); n != maxResponderSite || !rs.has(enr.ID{1, 19}) {
			t.Errorf("%d responders in one site, want the last %d that moved there", n, maxResponderSite)
		}
	})
}

// S44: the nodes of a wide prefix leave places to others whose records wait to be fetched, all
// nodes together are bounded, and unlisted ones use up no claims of members.
func TestS44RecordsOfOneWidePrefix(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	m := &a.e.maintain
	for _, at := range []func(int) netip.AddrPort{wide4, wide6} {
		n := 0
		for i := range 100 {
			if a.w.noteUpdate(recordUpdate{id: enr.ID{byte(i), at(0).Addr().As16()[0]}, seq: 1, from: at(i)}) {
				n++
			}
		}
		if n != maxUpdatesWide {
			t.Errorf("%d nodes of one wide prefix wait, want %d", n, maxUpdatesWide)
		}
	}
	if !a.w.noteUpdate(recordUpdate{id: enr.ID{200}, seq: 1, from: apart(1)}) {
		t.Error("no place for a node of another network")
	}
	m.updates = make([]recordUpdate, maxUpdates)
	if !m.updatesFull(&recordUpdate{id: enr.ID{201}, from: apart(2)}) {
		t.Error("members of the table wait without a bound")
	}
	n, from := 0, netip.MustParseAddrPort("40.1.1.1:1")
	for i := range 20 {
		m.updates = nil
		if a.w.noteUpdate(recordUpdate{id: enr.ID{byte(i), 9}, seq: 1, from: from}) {
			n++
		}
	}
	if n != budget.MaxClaimsPerSecond/2 || !a.e.budget.Claim(nw.now, from, true) {
		t.Errorf("%d records of one site at one moment, want %d, and claims for members", n, budget.MaxClaimsPerSecond/2)
	}
}

// S30: nodes of one network that ask, and answer no PING, leave places to others whose answers are
// withheld, and every place is given back.
func TestS30WithheldOfOneNetwork(t *testing.T) {
	for _, c := range []struct {
		name string
		at   func(int) netip.AddrPort
		most int
	}{
		{"one address", func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("77.1.1.1"), uint16(2000+i))
		}, maxWithheld / 2},
		{"one loopback address", func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(2000+i))
		}, maxWithheld / 2},
		{"one private /24", func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(i)}), 9000)
		}, maxWithheld / 2},
		{"one /16", wide4, maxWithheld / 2},
		{"one /32", wide6, maxWithheld / 2},
		{"many networks", apart, maxWithheld},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h withheld
			h.init()
			key := func(at netip.AddrPort) *session.Key {
				k := session.MakeKey(at, &[32]byte{1})
				return &k
			}
			n := 0
			for i := range 250 {
				if _, ok := h.add(key(c.at(i)), heldRequest{}); ok {
					n++
				}
			}
			if n != c.most {
				t.Errorf("%d endpoints wait, want %d", n, c.most)
			}
			other := netip.MustParseAddrPort("50.1.1.1:9000")
			first, ok := h.add(key(other), heldRequest{})
			if want := c.most < maxWithheld; ok != want || first != want {
				t.Errorf("another network has a place: %v", ok)
			}
			for range 2 * maxWithheldEach {
				h.add(key(other), heldRequest{})
			}
			if got := len(h.take(key(other))); ok && got != maxWithheldEach {
				t.Errorf("%d requests of one endpoint wait, want %d", got, maxWithheldEach)
			}
			for i := range 250 {
				h.take(key(c.at(i)))
				h.take(key(c.at(i))) // a second time gives nothing back
			}
			if len(h.waiting) != 0 || h.quota.Len() != 0 || h.quota.Prefixes() != 0 {
				t.Errorf("%d endpoints, %d places, %d prefixes left", len(h.waiting), h.quota.Len(), h.quota.Prefixes())
			}
		})
	}
}

// S35: the voters of a wide prefix with many sites push out no votes of others, and voters that
// this node chose count once for a wide prefix.
func TestS35VotesOfOneWidePrefix(t *testing.T) {
	truth, lie := netip.MustParseAddrPort("8.8.8.8:9000"), netip.MustParseAddrPort("9.9.9.9:9000")
	var v votes
	for i := range 20 {
		v.add(0, voter{rank: voterChosen, addr: apart(i)}, truth)
	}
	for i := range 250 {
		for j := range 2 {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{77, byte(j), byte(i), 1}), 9000)
			v.add(time.Second, voter{rank: voterChosen, addr: at}, lie)
		}
	}
	b := v.count(time.Second, netaddr.IPv4)
	if got := b.of(truth).voters; got != 20 {
		t.Errorf("%d of 20 votes of other networks are left", got)
	}
	if got := b.of(lie); got.voters != 2*maxVotesWide || got.wides != 2 || got.chosen != 2 {
		t.Errorf("%+v, want %d votes of 2 wide prefixes", got, 2*maxVotesWide)
	}
	if v.add(time.Second, voter{rank: voterCame, addr: netip.MustParseAddrPort("77.1.253.1:1")}, lie) {
		t.Error("a peer that came first has the slot of one of its prefix that was chosen")
	}
}

// S35: a peer counts as chosen only if something says that this node found it. To be forgotten
// among many that made contact first makes nobody a chosen one.
func TestS35ForgottenPeerIsNotChosen(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	id := enr.ID{1}
	a.e.address.came.noteNode(nw.now, id)
	for i := range 20 * contactSize {
		a.e.address.came.noteNode(nw.now, enr.ID{2, byte(i), byte(i >> 8)})
	}
	if got := a.e.voterRank(nw.now, id); got != voterCame {
		t.Errorf("rank %d of a peer that made contact first, want %d", got, voterCame)
	}
	s := nw.scriptedPeer("9.9.9.8:9000", 8)
	for _, inbound := range []bool{false, true} {
		n := tableNode(s)
		n.Inbound = inbound
		a.e.table.Remove(nw.now, n.ID)
		a.e.addToTable(nw.now, n)
		if got, want := a.e.voterRank(nw.now, n.ID), voterChosen; inbound && got != voterCame || !inbound && got != want {
			t.Errorf("inbound %v: rank %d", inbound, got)
		}
	}
}
