package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// seen answers the PINGs that have arrived and reports that it sees n at an endpoint. It returns
// their number.
func (s *scriptedPeer) seen(n *node, at netip.AddrPort) (k int) {
	for len(s.got) > 0 {
		p, _ := s.take()
		if p.Flag != codec.FlagMessage {
			continue
		}
		m, err := s.Keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			continue
		}
		var ping codec.Ping
		if t, body, err := codec.SplitMessage(m); err != nil || t != codec.TypePing || ping.Decode(body) != nil {
			continue
		}
		pong := codec.Pong{RequestID: ping.RequestID, RecordSeq: s.Record.Seq(), Recipient: at}
		s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, pong.Append(nil)))
		k++
	}
	return k
}

// comesIn has a node that n has never contacted make a session, and answer that it sees n at an
// endpoint.
func (nw *network) comesIn(n *node, from string, seed uint64, at netip.AddrPort) {
	nw.t.Helper()
	s := nw.scriptedPeer(from, seed).listen()
	s.connect(n)
	answered := 0
	for range 40 {
		nw.run(50 * time.Millisecond)
		answered += s.seen(n, at)
	}
	if answered == 0 {
		nw.t.Fatalf("the node that came in from %s was not asked", from)
	}
}

// missed has n find nodes of so many networks, which did not find it, while its neighbors check it.
func (n *node) missed(count int) {
	for f := range netaddr.Family(netaddr.NumFamilies) {
		for i := range count {
			at, checker := netip.AddrFrom4([4]byte{7, byte(i), 6, 1}), netip.AddrFrom4([4]byte{5, byte(i), 6, 1})
			if f == netaddr.IPv6 {
				at, checker = netip.AddrFrom16([16]byte{0x2a, 7, 0, byte(i)}), netip.AddrFrom16([16]byte{0x2a, 5, 0, byte(i)})
			}
			n.w.found(enr.ID{7, byte(f), byte(i), byte(n.net.now / time.Minute)}, at)
			n.e.address.checkedBy(n.net.now, checker)
		}
	}
}

var (
	trueEnd  = netip.MustParseAddrPort("8.8.4.4:9000")
	falseEnd = netip.MustParseAddrPort("9.9.9.9:9000")
	ownEnd   = netip.MustParseAddrPort("10.0.0.1:9000")
)

// reachNode is a node with a private address whose addresses may be revoked after a minute.
func reachNode(nw *network) *node {
	return nw.add(ownEnd.String(), func(c *Config) { c.ReachWait = time.Minute })
}

func (n *node) wantAddress(what string, at netip.AddrPort, source AddressSource) AddressState {
	n.net.t.Helper()
	s := n.e.AddressState(n.net.now, netaddr.IPv4)
	if named, _ := n.e.Record().UDPEndpoint4(); named != at || s.Endpoint != at || s.Source != source {
		n.net.t.Errorf("%s: the record names %v, the state is %v of source %v; want %v of source %v", what, named, s.Endpoint, s.Source, at, source)
	}
	return s
}

// The lack of unsolicited contacts does not revoke an address. Neither do nodes that were found
// while this one was new to the network, or that its neighbors would not have named. Enough nodes
// that could have found it do.
func TestDetectedAddressIsRevoked(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Second)
	a.wantAddress("after the votes", trueEnd, AddressVoted)
	a.missed(2 * DefaultReachMisses) // the first minute does not count
	nw.run(24 * time.Hour / 10)
	s := a.wantAddress("after hours in which nobody came", trueEnd, AddressVoted)
	if s.InDoubt || s.Proven || s.Missed != 0 {
		t.Errorf("state %+v", s)
	}

	a.missed((DefaultReachMisses + 1) / 2)
	nw.run(2 * time.Second)
	if s := a.wantAddress("after half of the misses", trueEnd, AddressVoted); !s.InDoubt || s.Missed != (DefaultReachMisses+1)/2 || s.MissedMax != DefaultReachMisses {
		t.Errorf("state %+v", s)
	}
	nw.run(7 * time.Minute)
	if s := a.e.AddressState(nw.now, netaddr.IPv4); s.InDoubt || s.Missed != 0 {
		t.Errorf("misses count for ever: %+v", s)
	}
	a.missed(DefaultReachMisses)
	nw.run(2 * time.Second)
	s = a.wantAddress("after the misses", ownEnd, AddressInterface)
	if s.Revoked != trueEnd.Addr() || s.RevokedUntil < nw.now {
		t.Errorf("state %+v", s)
	}
	var kinds []EventKind
	for _, e := range a.events {
		switch e.Kind {
		case AddressChanged, AddressRevoked, AddressInDoubt, AddressProven:
			kinds = append(kinds, e.Kind)
		}
	}
	if want := "[address changed address in doubt address revoked]"; fmt.Sprint(kinds) != want {
		t.Errorf("events %v, want %v", kinds, want)
	}
}

// Misses alone do not revoke an address: this node's neighbors must be known to relay it.
func TestMissesOfANodeThatNobodyChecks(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Minute)
	for i := range 4 * DefaultReachMisses {
		a.w.found(enr.ID{7, byte(i)}, netip.AddrFrom4([4]byte{7, byte(i), 6, 1}))
	}
	nw.run(2 * time.Second)
	a.wantAddress("after misses", trueEnd, AddressVoted)
	for i := range checkersNeeded {
		a.e.address.checkedBy(nw.now, netip.AddrFrom4([4]byte{5, 5, byte(i), 1}))
	}
	nw.run(2 * time.Second)
	a.wantAddress("once neighbors check it", ownEnd, AddressInterface)
}

// An address stays for a minimum time whatever the evidence against it, and so does one at which a
// peer has made contact.
func TestDetectedAddressHasItsTime(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add(ownEnd.String(), func(c *Config) { c.ReachWait = 5 * time.Minute })
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(4 * time.Minute)
	a.missed(DefaultReachMisses)
	nw.run(50 * time.Second)
	a.wantAddress("before the time", trueEnd, AddressVoted)
	nw.comesIn(a, "7.7.7.7:1", 40, trueEnd)
	a.missed(DefaultReachMisses)
	nw.run(4 * time.Minute)
	a.missed(DefaultReachMisses)
	nw.run(2 * time.Second)
	a.wantAddress("before the time after a contact", trueEnd, AddressVoted)
	nw.run(time.Minute)
	a.wantAddress("after that", ownEnd, AddressInterface)
}

// A late PONG says nothing about how its sender made contact.
func TestLateProof(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Second)
	s := nw.scriptedPeer("7.7.7.7:1", 40).listen()
	s.connect(a)
	answered := 0
	for start := nw.now; nw.now < start+waitTime+time.Minute; {
		nw.run(500 * time.Millisecond)
		if nw.now < start+waitTime+time.Second {
			s.got = nil
		}
		answered += s.seen(a, trueEnd)
	}
	if s := a.e.AddressState(nw.now, netaddr.IPv4); len(s.ProvenBy) != 0 || answered == 0 {
		t.Errorf("%d PONGs, state %+v", answered, s)
	}
}

// Peers see temporary IPv6 addresses of a host. Its record keeps naming the stable one.
func TestTemporaryAddresses(t *testing.T) {
	nw := newNetwork(t)
	stable := netip.MustParseAddrPort("[2a00:1:2:3::1]:9000")
	a := nw.add(stable.String(), nil)
	seq := a.e.Record().Seq()
	for _, seen := range []string{"[2a00:1:2:3:aaaa::5]:9000", "[2a00:1:2:3:bbbb::6]:9000"} {
		a.agree(2*DefaultDetectAddress, netip.MustParseAddrPort(seen))
		nw.run(2 * time.Second)
		if s := a.e.AddressState(nw.now, netaddr.IPv6); s.Endpoint != stable || s.Votes != 2*DefaultDetectAddress || s.InDoubt || a.e.Record().Seq() != seq {
			t.Errorf("seen at %s: %+v", seen, s)
		}
	}
	// a NAT, another link
	for _, seen := range []string{"[2a00:1:2:3:aaaa::5]:9001", "[2a00:1:2:4:aaaa::5]:9000"} {
		want := netip.MustParseAddrPort(seen)
		a.agree(2*DefaultDetectAddress, want)
		nw.run(2 * time.Second)
		if s := a.e.AddressState(nw.now, netaddr.IPv6); s.Endpoint != want {
			t.Errorf("seen at %s: %+v", seen, s)
		}
	}
}

// A host of this network that makes contact at the private address says nothing about the public
// one.
func TestContactFromOwnNetwork(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Minute)
	nw.comesIn(a, "10.0.0.9:9000", 40, ownEnd)
	nw.comesIn(a, "10.0.0.8:9000", 41, ownEnd)
	if s := a.wantAddress("after contacts", trueEnd, AddressVoted); s.Missed != 0 || len(s.ProvenBy) != 0 {
		t.Errorf("state %+v", s)
	}
	nw.comesIn(a, "78.7.7.7:9000", 42, netip.MustParseAddrPort("8.8.4.5:9000"))
	if s := a.wantAddress("after a contact elsewhere", trueEnd, AddressVoted); s.Missed != 1 {
		t.Errorf("state %+v", s)
	}
}

// Private votes do not put a private address beside the public one of the other family, and a
// public address of the other family does not prevent a public one.
func TestVotesBesideTheOtherFamily(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	private := netip.MustParseAddrPort("10.0.0.77:9000")
	if err := a.e.UpdateRecord(func(b *enr.Builder) {
		b.Delete("ip").Delete("udp").SetIP(netip.MustParseAddr("2a00::1")).SetUDP6(9000)
	}); err != nil {
		t.Fatal(err)
	}
	for _, v := range votersOf(voterCame, numbered("10.0.0.%d:9000", 5)...) {
		a.e.address.votes.add(nw.now, v, private)
	}
	nw.run(2 * time.Second)
	a.wantAddress("after private votes", netip.AddrPort{}, AddressNone)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Second)
	a.wantAddress("after public votes", trueEnd, AddressVoted)
	if _, ok := a.e.Record().UDPEndpoint6(); !ok {
		t.Error("the IPv6 address has gone")
	}
}

// A revocation concerns one address. Votes for it are ignored for a while; those for another count.
// Unsolicited peers that make contact there after all end the wait.
func TestRevokedAddressIsOneAddress(t *testing.T) {
	revoked := func(t *testing.T) (*network, *node) {
		nw := newNetwork(t)
		a := reachNode(nw)
		a.agree(DefaultDetectAddress, trueEnd)
		nw.run(2 * time.Minute)
		a.missed(DefaultReachMisses)
		nw.run(2 * time.Second)
		a.wantAddress("after the misses", ownEnd, AddressInterface)
		return nw, a
	}
	t.Run("another address", func(t *testing.T) {
		nw, a := revoked(t)
		other := netip.MustParseAddrPort("8.8.8.8:9000")
		a.agree(DefaultDetectAddress, other)
		nw.run(2 * time.Second)
		a.wantAddress("after votes for another address", other, AddressVoted)
	})
	t.Run("another port", func(t *testing.T) {
		nw, a := revoked(t)
		a.agree(DefaultDetectAddress, netip.AddrPortFrom(trueEnd.Addr(), 41000))
		nw.run(2 * time.Second)
		a.wantAddress("after votes for another port", ownEnd, AddressInterface)
	})
	t.Run("later", func(t *testing.T) {
		nw, a := revoked(t)
		nw.run(DefaultReachRetry)
		a.agree(DefaultDetectAddress, trueEnd)
		nw.run(2 * time.Second)
		a.wantAddress("after the wait", trueEnd, AddressVoted)
	})
	t.Run("with unsolicited sources", func(t *testing.T) {
		nw, a := revoked(t)
		if err := a.e.UpdateRecord(func(b *enr.Builder) { b.Delete("ip").Delete("udp") }); err != nil {
			t.Fatal(err)
		}
		for i, from := range []string{"7.7.7.7:1", "6.6.6.6:1"} {
			nw.comesIn(a, from, uint64(40+i), trueEnd)
		}
		a.agree(DefaultDetectAddress, trueEnd)
		nw.run(2 * time.Second)
		a.wantAddress("after unsolicited sources", trueEnd, AddressVoted)
	})
}

// Two unsolicited sources of different networks prove an address, and two of one network do not.
func TestUnsolicitedPeersProveAddress(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	a.agree(DefaultDetectAddress, trueEnd)
	nw.run(2 * time.Second)
	nw.comesIn(a, "7.7.7.7:1", 40, trueEnd)
	nw.comesIn(a, "7.7.7.8:1", 41, trueEnd)
	if s := a.e.AddressState(nw.now, netaddr.IPv4); s.Proven || len(s.ProvenBy) != 1 {
		t.Errorf("after contact from two addresses of one network: %+v", s)
	}
	nw.comesIn(a, "6.6.6.6:1", 42, trueEnd)
	s := a.e.AddressState(nw.now, netaddr.IPv4)
	if !s.Proven || len(s.ProvenBy) != 2 || s.ProvenAt == 0 {
		t.Errorf("after contact from two networks: %+v", s)
	}
	// It takes four times as many misses to revoke a proven address.
	nw.run(2 * time.Minute)
	a.missed(4*DefaultReachMisses - 1)
	nw.run(2 * time.Second)
	a.wantAddress("after some misses", trueEnd, AddressVoted)
	a.missed(4 * DefaultReachMisses)
	nw.run(2 * time.Second)
	a.wantAddress("after as many as it takes", ownEnd, AddressInterface)
}

// Where sockets report the local address of datagrams, an unsolicited peer proves the address of
// the record as soon as it arrives there. A peer that arrives elsewhere does not.
func TestAddressProvedByArrival(t *testing.T) {
	nw := newNetwork(t)
	other := netip.MustParseAddr("8.8.4.5")
	a := nw.add(trueEnd.String(), func(c *Config) {
		c.LocalAddr = func(v Via) netip.Addr { return map[Via]netip.Addr{1: trueEnd.Addr(), 2: other}[v] }
	})
	for i, c := range []struct {
		via  Via
		want int
	}{{2, 0}, {1, 1}, {1, 2}} {
		home := netip.AddrPortFrom(a.e.LocalAddr(c.via), 9000)
		a.homes = map[Via]netip.AddrPort{c.via: home}
		nw.nodes[home] = a
		a.addr = home
		nw.scriptedPeer(fmt.Sprintf("7.7.%d.7:1", i), uint64(60+i)).listen().connect(a)
		if s := a.e.AddressState(nw.now, netaddr.IPv4); len(s.ProvenBy) != c.want || s.Proven != (c.want == 2) {
			t.Errorf("source %d, which arrived at %v: proven by %v, want %d", i, home, s.ProvenBy, c.want)
		}
	}
}

// Each change of the address is learned, one after another, although some of the peers have been
// silent.
func TestEachChangeOfAddressIsLearned(t *testing.T) {
	nw := newNetwork(t)
	a := reachNode(nw)
	for i := range 9 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, byte(i), 4}), 9000)
		a.agree(DefaultDetectAddress, at)
		nw.run(2 * time.Second)
		a.wantAddress(fmt.Sprintf("change %d", i+1), at, AddressVoted)
		nw.run(8 * time.Minute)
	}
}

// A saved endpoint with its proof is kept, and votes end it as they end any other. In a private
// network where nobody speaks of it, private votes do.
func TestSavedAddress(t *testing.T) {
	start := func(t *testing.T) (*network, *node) {
		nw := newNetwork(t)
		a := nw.add(ownEnd.String(), func(c *Config) {
			c.ReachWait = time.Minute
			r, err := c.Record.Edit().SetIP(trueEnd.Addr()).Sign(c.Key)
			if err != nil {
				t.Fatal(err)
			}
			c.Record = r
			c.Addresses = []AddressState{{Family: netaddr.IPv4, Source: AddressVoted, Proven: true, ProvenAt: -time.Hour,
				ProvenBy: []netip.Prefix{netip.MustParsePrefix("7.7.7.0/24")}, Interface: ownEnd}}
		})
		seq := a.e.Record().Seq()
		nw.comesIn(a, "77.7.7.7:1", 50, trueEnd) // a peer of the last life, perhaps
		nw.run(10 * time.Minute)
		s := a.wantAddress("after a while", trueEnd, AddressSaved)
		if !s.Proven || s.ProvenAt != -time.Hour || len(s.ProvenBy) != 1 || s.Interface != ownEnd || a.e.Record().Seq() != seq {
			t.Errorf("state %+v", s)
		}
		return nw, a
	}
	t.Run("public votes for another", func(t *testing.T) {
		nw, a := start(t)
		a.agree(DefaultDetectAddress, falseEnd)
		nw.run(2 * time.Second)
		a.wantAddress("after votes", falseEnd, AddressVoted)
	})
	private := func(nw *network, a *node) {
		for _, v := range votersOf(voterCame, numbered("10.0.0.%d:9000", 5)...) {
			a.e.address.votes.add(nw.now, v, netip.MustParseAddrPort("10.0.0.77:9000"))
		}
		nw.run(2 * time.Second)
	}
	t.Run("private votes alone", func(t *testing.T) {
		nw, a := start(t)
		private(nw, a)
		a.wantAddress("after private votes", netip.MustParseAddrPort("10.0.0.77:9000"), AddressVoted)
	})
	t.Run("private votes beside a public one", func(t *testing.T) {
		nw, a := start(t)
		a.agree(1, trueEnd)
		private(nw, a)
		a.wantAddress("after private votes", trueEnd, AddressSaved)
	})
}
