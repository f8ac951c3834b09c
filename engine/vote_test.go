package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

func TestS18Votes(t *testing.T) {
	truth := netip.MustParseAddrPort("8.8.4.4:9000")
	lie := netip.MustParseAddrPort("9.9.9.9:9000")
	voter := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("5.6.%d.1", i)) }
	for _, c := range []struct {
		name string
		vote func(v *votes)
		want netip.AddrPort
	}{
		{"ten prefixes agree", func(v *votes) {
			for i := range 10 {
				v.add(0, voter(i), truth)
			}
		}, truth},
		{"nine are too few", func(v *votes) {
			for i := range 9 {
				v.add(0, voter(i), truth)
			}
		}, netip.AddrPort{}},
		{"a hundred identities in one /24 are one vote", func(v *votes) {
			for i := range 100 {
				v.add(0, netip.AddrFrom4([4]byte{5, 6, 7, byte(i)}), lie)
			}
		}, netip.AddrPort{}},
		{"a hundred addresses in one IPv6 /48 are one vote", func(v *votes) {
			for i := range 100 {
				v.add(0, netip.MustParseAddr(fmt.Sprintf("2a01:4f8:1:%x::1", i)), netip.MustParseAddrPort("[2a02::1]:9000"))
			}
		}, netip.AddrPort{}},
		{"the last word of a prefix counts", func(v *votes) {
			for i := range 10 {
				v.add(0, voter(i), lie)
				v.add(1, voter(i), truth)
			}
		}, truth},
		{"private addresses do not win", func(v *votes) {
			for i := range 20 {
				v.add(0, voter(i), netip.MustParseAddrPort("192.168.1.1:9000"))
			}
		}, netip.AddrPort{}},
		{"private peers do not vote", func(v *votes) {
			for i := range 20 {
				v.add(0, netip.MustParseAddr(fmt.Sprintf("10.6.%d.1", i)), lie)
			}
		}, netip.AddrPort{}},
		{"a narrow majority is none", func(v *votes) {
			for i := range 40 {
				if i%2 == 0 {
					v.add(0, voter(i), lie)
				} else {
					v.add(0, voter(i), truth)
				}
			}
		}, netip.AddrPort{}},
		{"old votes are forgotten", func(v *votes) {
			for i := range 20 {
				v.add(-voteLife-time.Second, voter(i), lie)
			}
		}, netip.AddrPort{}},
		{"families are apart", func(v *votes) {
			for i := range 20 {
				v.add(0, netip.MustParseAddr(fmt.Sprintf("2a01:%x::1", i)), truth)
			}
		}, netip.AddrPort{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := votes{min: DefaultVoteMin}
			c.vote(&v)
			got, ok := v.winner(0, 0)
			if !ok {
				got = netip.AddrPort{}
			}
			if got != c.want {
				t.Errorf("winner %v, want %v", got, c.want)
			}
			if _, ok := v.winner(0, 1); ok {
				t.Error("an address won in IPv6")
			}
		})
	}
	v := votes{min: DefaultVoteMin}
	for i := range 3 * maxVotes {
		v.add(time.Duration(i), netip.AddrFrom4([4]byte{5, byte(i >> 8), byte(i), 1}), truth)
	}
	if n := len(v.family[0]); n > maxVotes {
		t.Errorf("%d votes are held, the bound is %d", n, maxVotes)
	}
}

// Peers tell a node behind a full-cone NAT its address; later nobody reaches it there and the record drops it.
func TestDetectedAddressIsRevoked(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", func(c *Config) { c.ReachWait = time.Minute })
	truth := netip.MustParseAddrPort("8.8.4.4:9000")
	for i := range DefaultVoteMin {
		a.e.address.votes.add(nw.now, netip.AddrFrom4([4]byte{5, 6, byte(i), 1}), truth)
	}
	seq := a.e.Record().Seq()
	nw.run(2 * time.Second)
	r := a.e.Record()
	if got, _ := r.UDPEndpoint4(); got != truth || r.Seq() <= seq || a.e.Reach(4) != ReachWaiting {
		t.Fatalf("record names %v with sequence number %d (was %d), reach %d", got, r.Seq(), seq, a.e.Reach(4))
	}
	nw.run(70 * time.Second)
	if got, ok := a.e.Record().UDPEndpoint4(); ok || a.e.Reach(4) != ReachRevoked {
		t.Errorf("record still names %v", got)
	}
	kinds := 0
	for _, e := range a.events {
		if e.Kind == AddressChanged || e.Kind == AddressRevoked {
			kinds++
		}
	}
	if kinds != 2 {
		t.Errorf("%d events, want one of change and one of revocation", kinds)
	}
}

func TestDetectedAddressIsProvedByStrangers(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", func(c *Config) { c.ReachWait = time.Minute })
	for i := range DefaultVoteMin {
		a.e.address.votes.add(nw.now, netip.AddrFrom4([4]byte{5, 6, byte(i), 1}), netip.MustParseAddrPort("8.8.4.4:9000"))
	}
	nw.run(2 * time.Second)
	for i, addr := range []string{"7.7.7.7:1", "7.7.7.8:1", "6.6.6.6:1"} {
		nw.stranger(addr, uint64(40+i)).listen().connect(a)
	}
	if a.e.Reach(4) != ReachProved {
		t.Fatalf("reach %d after contact from two networks", a.e.Reach(4))
	}
	nw.run(70 * time.Second)
	if _, ok := a.e.Record().UDPEndpoint4(); !ok {
		t.Error("a proved address was revoked")
	}
}

// A detected public address and a private one of the other family make a record that others refuse: the private one goes, unless it is pinned.
func TestDetectedAddressEndsPrivateOne(t *testing.T) {
	for _, pinned := range []bool{false, true} {
		nw := newNetwork(t)
		a := nw.add("10.0.0.1:9000", func(c *Config) { c.ReachWait = time.Minute })
		if err := a.e.UpdateRecord(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(9000) }); err != nil {
			t.Fatal(err)
		}
		a.e.PinAddress(6, pinned)
		for i := range DefaultVoteMin {
			a.e.address.votes.add(nw.now, netip.AddrFrom4([4]byte{5, 6, byte(i), 1}), netip.MustParseAddrPort("8.8.4.4:9000"))
		}
		nw.run(2 * time.Second)
		_, ok4 := a.e.Record().UDPEndpoint4()
		if got, ok6 := a.e.Record().UDPEndpoint6(); !ok4 || ok6 != pinned {
			t.Errorf("pinned %v: record has %v, %v", pinned, got, a.e.Record())
		}
	}
}
