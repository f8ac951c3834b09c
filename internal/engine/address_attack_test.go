package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// S36: a false vote that has won is undone. The address before comes back by a third of the votes,
// or by two unsolicited sources that come in there, which prove that address and not the false one.
func TestS36FalseVote(t *testing.T) {
	fooled := func(t *testing.T, proven bool) (*network, *node) {
		nw := newNetwork(t)
		a := reachNode(nw)
		a.agree(DefaultDetectAddress, trueEnd)
		nw.run(2 * time.Second)
		if proven {
			for i, from := range []string{"7.7.7.7:1", "6.6.6.6:1"} {
				nw.comesIn(a, from, uint64(40+i), trueEnd)
			}
		}
		a.agree(2*DefaultDetectAddress, falseEnd) // the peers of before among them
		nw.run(2 * time.Second)
		if s := a.wantAddress("after the false votes", falseEnd, AddressVoted); s.Before != trueEnd || s.Proven {
			t.Fatalf("state %+v", s)
		}
		return nw, a
	}
	for _, proven := range []bool{false, true} {
		t.Run(fmt.Sprintf("votes, proven before %v", proven), func(t *testing.T) {
			nw, a := fooled(t, proven)
			nw.run(voteLife) // the liars have left
			a.agree(3, trueEnd)
			nw.run(2 * time.Second)
			a.wantAddress("after three votes", falseEnd, AddressVoted)
			a.agree(4, trueEnd)
			nw.run(2 * time.Second)
			if s := a.wantAddress("after four votes", trueEnd, AddressVoted); s.Proven != proven {
				t.Errorf("state %+v", s)
			}
		})
	}
	t.Run("unsolicited sources", func(t *testing.T) {
		nw, a := fooled(t, false)
		nw.comesIn(a, "77.7.7.7:1", 50, trueEnd)
		nw.comesIn(a, "77.7.7.8:1", 51, trueEnd)
		nw.run(voteLife)
		if s := a.wantAddress("after two of one network", falseEnd, AddressVoted); s.Proven {
			t.Errorf("they prove the false address: %+v", s)
		}
		nw.comesIn(a, "76.6.6.6:1", 52, trueEnd)
		nw.run(2 * time.Second)
		if s := a.wantAddress("after two of two networks", trueEnd, AddressVoted); !s.Proven {
			t.Errorf("state %+v", s)
		}
	})
	t.Run("misses", func(t *testing.T) {
		nw, a := fooled(t, false)
		nw.run(voteLife)
		a.agree(1, trueEnd)
		a.missed(DefaultReachMisses)
		nw.run(2 * time.Second)
		a.wantAddress("after misses and a vote", trueEnd, AddressVoted)
	})
	t.Run("twice in a row", func(t *testing.T) {
		nw, a := fooled(t, true)
		third := netip.MustParseAddrPort("9.9.9.10:9000")
		a.agree(4*DefaultDetectAddress, third)
		nw.run(2 * time.Second)
		if s := a.wantAddress("after more false votes", third, AddressVoted); s.Before != trueEnd {
			t.Errorf("the proven address is not kept: %+v", s)
		}
	})
	t.Run("unsolicited sources at both", func(t *testing.T) {
		nw, a := fooled(t, false)
		for i, at := range []netip.AddrPort{falseEnd, falseEnd, trueEnd, trueEnd} {
			nw.comesIn(a, fmt.Sprintf("7%d.7.7.7:1", i), uint64(50+i), at)
		}
		nw.run(voteLife)
		a.wantAddress("after two at each", falseEnd, AddressVoted) // the votes will tell
	})
	t.Run("at an interface", func(t *testing.T) {
		nw := newNetwork(t)
		a := nw.add(trueEnd.String(), nil)
		a.agree(DefaultDetectAddress, falseEnd)
		nw.run(2 * time.Second)
		a.wantAddress("after the false votes", falseEnd, AddressVoted)
		nw.comesIn(a, "77.7.7.7:1", 50, trueEnd)
		nw.comesIn(a, "76.6.6.6:1", 51, trueEnd)
		nw.run(voteLife)
		if s := a.wantAddress("after unsolicited sources", trueEnd, AddressInterface); !s.Proven {
			t.Errorf("state %+v", s)
		}
	})
}

// S35: twelve nodes of ten /24 of one /16 make contact with a node that knows nobody else, and
// agree on a false address for as long as they like. Ten of ten /16 do not succeed either.
func TestS35InboundVoters(t *testing.T) {
	for name, from := range map[string]func(i int) string{
		"one /16": func(i int) string { return fmt.Sprintf("77.7.%d.%d:9000", i%10, 1+i) },
		"ten /16": func(i int) string { return fmt.Sprintf("77.%d.7.%d:9000", i%10, 1+i) },
	} {
		t.Run(name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add(trueEnd.String(), nil)
			var liars []*scriptedPeer
			for i := range 12 {
				s := nw.scriptedPeer(from(i), uint64(200+i)).listen()
				s.connect(a)
				liars = append(liars, s)
			}
			answered := 0
			for range 10 * 60 * 20 {
				nw.run(50 * time.Millisecond)
				for _, s := range liars {
					answered += s.seen(a, falseEnd)
				}
			}
			s := a.wantAddress("after ten minutes", trueEnd, AddressInterface)
			if answered < 12 || s.Rival != falseEnd {
				t.Errorf("%d lies, rival %v with %d votes: this tests nothing", answered, s.Rival, s.RivalVotes)
			}
		})
	}
}

// S35: a bootnode that nobody has named, such as a node that was known before a restart, does not
// vouch for others, and neither does one that has been replaced.
func TestS35WhoVouches(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add(trueEnd.String(), nil)
	named, unnamed, came := enr.ID{1}, enr.ID{2}, enr.ID{3}
	a.e.address.came.noteNode(nw.now, came)
	for _, id := range []enr.ID{named, unnamed, came} {
		a.e.address.met.noteNode(nw.now, id)
	}
	for _, c := range []struct {
		boot []Peer
		want [3]voterRank
	}{
		{nil, [3]voterRank{voterChosen, voterChosen, voterCame}},
		{[]Peer{{ID: named}, {ID: unnamed, Unvouched: true}}, [3]voterRank{voterAnchor, voterChosen, voterCame}},
		{[]Peer{{ID: unnamed}, {ID: came, Unvouched: true}, {ID: named, Listed: true}}, [3]voterRank{voterChosen, voterAnchor, voterCame}},
	} {
		a.e.SetBootnodes(c.boot)
		for i, id := range []enr.ID{named, unnamed, came} {
			if got := a.e.voterRank(nw.now, id); got != c.want[i] {
				t.Errorf("bootnodes %+v: node %d has rank %d, want %d", c.boot, i+1, got, c.want[i])
			}
		}
	}
}
