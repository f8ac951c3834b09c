package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// S34: a lookup that refreshes the table ends with PINGs to a few nodes that were named and not
// asked: those of network prefixes that the table has fewest members of, one for each address.
func TestS34FeelersGoToNewPrefixes(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("7.7.7.1:9000", nil)
	candidate := func(seed uint64, addr string) lookup.Peer {
		r := nw.stranger(addr, seed).Record
		return lookup.NewPeer(r, netip.MustParseAddrPort(addr))
	}
	for i, addr := range []string{"40.1.1.1:1", "40.1.1.2:1", "41.1.1.1:1"} {
		r := nw.stranger(addr, 500+uint64(i)).Record
		a.e.Table().Add(0, table.NewNode(r, netip.MustParseAddrPort(addr), false))
		a.e.Table().MarkLive(0, r.ID(), netip.MustParseAddrPort(addr))
	}
	asked := candidate(600, "50.1.1.1:1")
	f := &feelers{asked: make(map[enr.ID]bool)}
	f.ask(asked.ID)
	f.add([]lookup.Peer{
		candidate(601, "40.1.1.3:1"), candidate(602, "41.1.1.2:1"), asked, candidate(603, "51.1.1.1:1"),
		candidate(604, "40.1.1.4:1"), candidate(605, "51.1.1.1:2"), candidate(606, "52.1.1.1:1"),
	})
	run := &lookupRun{l: lookup.New(enr.ID{}, lookup.Config{}, a.e.ID(), nil), feelers: f, grants: make(map[enr.ID]*budget.Grant)}
	a.w.Begin(nw.now + time.Second)
	run.feel(a.w)
	got := map[string]int{}
	for _, d := range nw.Queue {
		got[d.To.String()]++
	}
	want := []string{"51.1.1.1:1", "52.1.1.1:1", "41.1.1.2:1"}
	if len(nw.Queue) != len(want) {
		t.Errorf("%d packets to %v, want one to each of %v", len(nw.Queue), got, want)
	}
	for _, to := range want {
		if got[to] != 1 {
			t.Errorf("%d packets to %s", got[to], to)
		}
	}
	f.add(make([]lookup.Peer, 1000))
	if len(f.named) != maxNamed {
		t.Errorf("%d nodes are remembered", len(f.named))
	}
	(&lookupRun{}).feel(a.w) // other lookups have none
}

// S34: lookups that find enough others ask no more nodes of one prefix than a bucket holds, and
// setting the limits of buckets sets those of lookups.
func TestS34LookupsKeepToTheLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits table.Limits
		want   int
	}{{"default", table.Limits{}, table.DefaultBucketLimits.Site}, {"off", table.Unlimited, 6}} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			off := func(c *Config) {
				c.Table.BucketLimits, c.Table.TableLimits = table.Unlimited, table.Unlimited
				c.RefreshInterval = time.Hour
			}
			a := nw.add("7.7.7.1:9000", func(c *Config) {
				off(c)
				c.Table.BucketLimits = tt.limits
			})
			const others = 8
			site := netip.MustParsePrefix("40.1.1.0/24")
			for i := range 6 + others { // a knows them all: they have answered
				at := netip.AddrFrom4([4]byte{40, 1, 1, byte(1 + i)})
				if i >= 6 {
					at = netip.AddrFrom4([4]byte{byte(50 + i), 1, 1, 1})
				}
				n := nw.add(netip.AddrPortFrom(at, 9000).String(), off)
				if r := a.ping(n); r.Err != nil {
					t.Fatal(r.Err)
				}
			}
			asked := map[netip.AddrPort]bool{}
			nw.Tap = func(from, to netip.AddrPort, _ []byte) {
				if from == a.addr && site.Contains(to.Addr()) {
					asked[to] = true
				}
			}
			done := false
			a.w.Begin(nw.now)
			a.w.Lookup(enr.ID{1}, lookup.Config{K: others + tt.want, Distances: 256}, nil, func(*Worker, []lookup.Peer) { done = true })
			nw.deliver()
			for i := 0; i < 100 && !done; i++ {
				nw.run(50 * time.Millisecond)
			}
			if !done || len(asked) != tt.want {
				t.Errorf("ended %v; %d nodes of one /24 were asked, want %d", done, len(asked), tt.want)
			}
		})
	}
}
