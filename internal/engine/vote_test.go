package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// votersOf returns voters of one rank at addresses.
func votersOf(rank voterRank, addrs ...string) (list []voter) {
	for i, a := range addrs {
		list = append(list, voter{id: enr.ID{byte(rank), byte(i), byte(i >> 8)}, addr: netip.MustParseAddrPort(a), rank: rank})
	}
	return list
}

// numbered makes addresses of a pattern with one number in it.
func numbered(pattern string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf(pattern, i))
	}
	return list
}

// agree has n peers that a node has chosen, each of another wide prefix, vote for an endpoint.
func (n *node) agree(count int, says netip.AddrPort) {
	pattern := "5.%d.6.1:9000"
	if says.Addr().Is6() {
		pattern = "[2a01:%x::1]:9000"
	}
	for _, v := range votersOf(voterChosen, numbered(pattern, count)...) {
		n.e.vote(n.net.now, v, says)
	}
}

func TestS18Votes(t *testing.T) {
	const truth, lie, lie6 = "8.8.4.4:9000", "9.9.9.9:9000", "[2a02::1]:9000"
	type speech struct {
		by   []voter
		says string
		at   time.Duration
	}
	wide := func(n int) []voter { return votersOf(voterChosen, numbered("5.%d.6.1:9000", n)...) }
	for _, c := range []struct {
		name     string
		speeches []speech
		want     string
	}{
		{"ten prefixes agree", []speech{{wide(10), truth, 0}}, truth},
		{"nine are too few", []speech{{wide(9), truth, 0}}, ""},
		{"a hundred identities in one /24 are one vote", []speech{{votersOf(voterChosen, numbered("5.6.7.%d:9000", 100)...), lie, 0}}, ""},
		{"so they are with a bootnode among them", []speech{
			{votersOf(voterChosen, numbered("5.6.7.%d:9000", 100)...), lie, 0}, {votersOf(voterAnchor, "5.6.7.200:9000"), lie, 0},
		}, ""},
		{"a hundred addresses in one IPv6 /48 are one vote", []speech{{votersOf(voterChosen, numbered("[2a01:4f8:1:%x::1]:9000", 100)...), lie6, 0}}, ""},
		{"the last word of a prefix counts", []speech{{wide(10), lie, 0}, {wide(10), truth, 1}}, truth},
		{"public peers do not put a private address", []speech{{wide(20), "192.168.1.1:9000", 0}}, ""},
		{"private peers do not put a public address", []speech{{votersOf(voterChosen, numbered("10.6.%d.1:9000", 20)...), lie, 0}}, ""},
		{"loopback peers do not put a private address", []speech{{votersOf(voterChosen, numbered("127.0.0.1:90%02d", 20)...), "192.168.1.1:9000", 0}}, ""},
		{"nobody puts a link-local address", []speech{{votersOf(voterChosen, numbered("[fe80::%x]:9000", 20)...), "[fe80::99]:9000", 0}}, ""},
		{"nobody puts port 0", []speech{{wide(20), "8.8.4.4:0", 0}}, ""},
		{"a narrow majority is none", []speech{{wide(20), truth, 0}, {votersOf(voterChosen, numbered("6.%d.6.1:9000", 20)...), lie, 0}}, ""},
		{"old votes are forgotten", []speech{{wide(20), lie, -voteLife - time.Second}}, ""},
		{"families are apart", []speech{{votersOf(voterChosen, numbered("[2a01:%x::1]:9000", 20)...), truth, 0}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v votes
			for _, s := range c.speeches {
				for _, by := range s.by {
					v.add(s.at, by, netip.MustParseAddrPort(s.says))
				}
			}
			for f := range netaddr.Family(netaddr.NumFamilies) {
				b := v.count(0, f)
				for class := netaddr.Global; class < netaddr.Special; class++ {
					want := ""
					if f == netaddr.IPv4 && class == netaddr.Global {
						want = c.want
					}
					got := ""
					if w, ok := b.winner(class, netip.AddrPort{}, DefaultDetectAddress); ok {
						got = w.String()
					}
					if got != want {
						t.Errorf("%v, %v: winner %q, want %q", f, class, got, want)
					}
				}
			}
		})
	}
	var v votes
	for i := range 3 * MaxVotes {
		v.add(time.Duration(i), voter{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{5, byte(i >> 8), byte(i), 1}), 1)}, netip.MustParseAddrPort(truth))
	}
	if n := len(v.family[0]); n > MaxVotes {
		t.Errorf("%d votes are held, the bound is %d", n, MaxVotes)
	}
}

// S35: the votes of a few networks do not win, whatever their number, nor do those of peers that
// made contact first. In a network of one prefix the operator's bootnode is what tells honest
// peers.
func TestS35VotesOfAFewNetworks(t *testing.T) {
	const truth, lie = "8.8.4.4:9000", "9.9.9.9:9000"
	oneWide := numbered("5.6.%d.1:9000", 12)
	wides := numbered("5.%d.6.1:9000", 12)
	boot := votersOf(voterAnchor, "5.6.99.1:9000")
	for _, c := range []struct {
		name        string
		truth, lies []voter
		want        string
	}{
		{"twelve /24 of one /16 that came first", nil, votersOf(voterCame, oneWide...), ""},
		{"twelve /24 of one /16 that were found", nil, votersOf(voterChosen, oneWide...), ""},
		{"forty IPv4 /24 of nine /16", nil, append(votersOf(voterChosen, wides[:9]...), votersOf(voterChosen, numbered("5.1.%d.1:9000", 31)...)...), ""},
		{"twelve /16 that came first", nil, votersOf(voterCame, wides...), ""},
		{"twelve /16, three of them found by us", nil, append(votersOf(voterCame, wides[3:]...), votersOf(voterChosen, wides[:3]...)...), ""},
		{"twelve /16, four of them found by us", append(votersOf(voterCame, wides[4:]...), votersOf(voterChosen, wides[:4]...)...), nil, truth},
		{"a bootnode and nine /24 of its /16", append(votersOf(voterCame, oneWide[:9]...), boot...), nil, truth},
		{"a bootnode and eight /24 of its /16", append(votersOf(voterCame, oneWide[:8]...), boot...), nil, ""},
		{"a bootnode's word against twelve /24 of one /16", append(votersOf(voterChosen, numbered("7.6.%d.1:9000", 9)...), boot...),
			votersOf(voterCame, oneWide...), truth},
		{"peers of one /24 do not speak for the bootnode there", nil, append(boot, votersOf(voterCame, append(oneWide, "5.6.99.7:9000")...)...), lie},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v votes
			for _, by := range c.truth {
				v.add(0, by, netip.MustParseAddrPort(truth))
			}
			for _, by := range c.lies {
				v.add(0, by, netip.MustParseAddrPort(lie))
			}
			got := ""
			if w, ok := v.count(0, netaddr.IPv4).winner(netaddr.Global, netip.AddrPort{}, DefaultDetectAddress); ok {
				got = w.String()
			}
			if got != c.want {
				t.Errorf("winner %q, want %q", got, c.want)
			}
		})
	}

	// A voter of lower rank neither takes the vote of its network nor, where the list is full, the
	// slot of another.
	var v votes
	v.add(0, boot[0], netip.MustParseAddrPort(truth))
	if v.add(1, votersOf(voterCame, "5.6.99.7:1")[0], netip.MustParseAddrPort(lie)) {
		t.Error("a peer that came first has the vote of a bootnode")
	}
	for i := range 2 * MaxVotes {
		v.add(2, voter{rank: voterCame, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{77, byte(i), byte(i >> 8), 1}), 1)}, netip.MustParseAddrPort(lie))
	}
	if got := v.count(2, netaddr.IPv4).of(netip.MustParseAddrPort(truth)); !got.anchored {
		t.Error("peers that came first have pushed out the vote of a bootnode")
	}
	if !v.add(3, votersOf(voterCame, "78.1.1.1:1")[0], netip.MustParseAddrPort(lie)) {
		t.Error("an old vote of a bootnode keeps out others")
	}
	var full votes
	for i := range MaxVotes {
		full.add(0, voter{rank: voterChosen, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{77, byte(i), byte(i >> 8), 1}), 1)}, netip.MustParseAddrPort(truth))
	}
	if full.add(1, votersOf(voterCame, "78.1.1.1:1")[0], netip.MustParseAddrPort(lie)) {
		t.Error("a peer that came first has the slot of one that was chosen")
	}
}

// Inside a private network three addresses agree; loopback peers count by endpoint.
func TestPrivateVotes(t *testing.T) {
	for _, c := range []struct {
		name   string
		voters []voter
		says   string
		class  netaddr.Class
		wins   bool
	}{
		{"three hosts of one /24", votersOf(voterCame, numbered("192.168.1.%d:9000", 3)...), "192.168.1.77:9000", netaddr.Private, true},
		{"two hosts", votersOf(voterCame, numbered("192.168.1.%d:9000", 2)...), "192.168.1.77:9000", netaddr.Private, false},
		{"three ports of one host", votersOf(voterCame, numbered("192.168.1.1:900%d", 3)...), "192.168.1.77:9000", netaddr.Private, false},
		{"three hosts of one /64", votersOf(voterCame, numbered("[fd00::%x]:9000", 3)...), "[fd00::77]:9000", netaddr.Private, true},
		{"three loopback endpoints", votersOf(voterCame, numbered("127.0.0.1:900%d", 3)...), "127.0.0.1:9077", netaddr.Loopback, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v votes
			says := netip.MustParseAddrPort(c.says)
			for _, by := range c.voters {
				v.add(0, by, says)
			}
			if w, ok := v.count(0, netaddr.FamilyOf(says.Addr())).winner(c.class, netip.AddrPort{}, privateVotes); ok != c.wins || ok && w != says {
				t.Errorf("winner %v, %v", w, ok)
			}
		})
	}
}

// A detected public address and a private one of the other family make a record that others refuse:
// the private one goes, unless it is pinned.
func TestDetectedAddressEndsPrivateOne(t *testing.T) {
	for _, pinned := range []bool{false, true} {
		nw := newNetwork(t)
		a := nw.add("10.0.0.1:9000", func(c *Config) { c.ReachWait = time.Minute })
		if err := a.e.UpdateRecord(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::1")).SetUDP6(9000) }); err != nil {
			t.Fatal(err)
		}
		a.e.PinAddress(netaddr.IPv6, pinned)
		a.agree(DefaultDetectAddress, netip.MustParseAddrPort("8.8.4.4:9000"))
		nw.run(2 * time.Second)
		_, ok4 := a.e.Record().UDPEndpoint4()
		if got, ok6 := a.e.Record().UDPEndpoint6(); !ok4 || ok6 != pinned {
			t.Errorf("pinned %v: record has %v, %v", pinned, got, a.e.Record())
		}
	}
}

// Another endpoint replaces the one of the record only with twice its votes. So a host with two
// ways out, each seen by half of its peers, does not change its record with each count.
func TestVotesOfTwoWaysOut(t *testing.T) {
	one, other := netip.MustParseAddrPort("8.8.4.4:9000"), netip.MustParseAddrPort("9.9.9.9:9000")
	for _, c := range []struct {
		ones, others int
		current      netip.AddrPort
		want         netip.AddrPort
	}{
		{10, 15, one, netip.AddrPort{}}, {10, 20, one, other}, {10, 15, netip.AddrPort{}, other}, {10, 15, other, other}, {10, 11, one, netip.AddrPort{}},
	} {
		var v votes
		for _, by := range votersOf(voterChosen, numbered("5.%d.6.1:9000", c.ones)...) {
			v.add(0, by, one)
		}
		for _, by := range votersOf(voterChosen, numbered("6.%d.6.1:9000", c.others)...) {
			v.add(0, by, other)
		}
		got, ok := v.count(0, netaddr.IPv4).winner(netaddr.Global, c.current, DefaultDetectAddress)
		if !ok {
			got = netip.AddrPort{}
		}
		if got != c.want {
			t.Errorf("%d and %d votes, the record names %v: winner %v, want %v", c.ones, c.others, c.current, got, c.want)
		}
	}
}
