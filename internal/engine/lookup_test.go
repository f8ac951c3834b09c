package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/table"
)

// A record is verified once between the NODES response that brings it and the result of the lookup.
// Events, the stream of the lookup and its results share it. The asker's cache has room for four
// records: turning bytes into a record a second time would verify most of them once more, and give
// another copy.
func TestLookupVerifiesRecordsOnce(t *testing.T) {
	const size = 60
	discovered := make(map[*enr.Record]bool)
	events := 0
	nw, list := newLookupNet(t, size, func(i int, c *Config) {
		if i > 0 {
			return
		}
		c.Records = 1
		c.OnEvent = func(ev Event) {
			if ev.Kind == Discovered {
				discovered[ev.Record] = true
				events++
			}
		}
	})
	asker := list[0]
	look := func(target enr.ID) (found map[enr.ID]*enr.Record, results []Peer) {
		found = make(map[enr.ID]*enr.Record)
		ended := false
		asker.w.Begin(nw.now)
		h := asker.w.StartLookup(target, lookup.Config{}, func(r *enr.Record) {
			if found[r.ID()] != nil {
				t.Errorf("node %s is reported twice", r.ID().Short())
			}
			found[r.ID()] = r
		}, func() { ended = true })
		nw.deliver(t, asker)
		if !ended {
			t.Fatal("the lookup has not ended")
		}
		return found, h.Results()
	}
	for _, n := range list[1:] { // makes the sessions: handshakes verify records too
		look(n.rec.ID())
	}
	known := make(map[*enr.Record]bool) // by the table, where lookups start
	for n := range asker.e.table.All() {
		known[n.Record] = true
	}
	clear(discovered)
	events = 0
	before := asker.e.records.Stats().Verified
	found, results := look(list[size/2].rec.ID())
	verified := int(asker.e.records.Stats().Verified - before)
	if len(results) != lookup.DefaultK || events < 2*lookup.DefaultK {
		t.Fatalf("%d results, %d records in responses", len(results), events)
	}
	if verified > events {
		t.Errorf("%d verifications for %d records in NODES responses", verified, events)
	}
	streamed := 0
	for id, r := range found {
		if !known[r] && !discovered[r] {
			t.Errorf("the stream has a copy of the record of %s", id.Short())
		}
		if discovered[r] {
			streamed++
		}
	}
	if streamed == 0 {
		t.Error("the lookup has learned no node")
	}
	for _, p := range results {
		if p.Record != found[p.ID] {
			t.Errorf("the result has a copy of the record of %s", p.ID.Short())
		}
	}
	t.Logf("%d records in responses, %d verifications, %d nodes streamed", events, verified, streamed)
}

// S34: a lookup that refreshes the table ends with PINGs to a few nodes that were named and not
// asked: those of network prefixes that the table has fewest members of, one for each address.
func TestS34FeelersGoToNewPrefixes(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("7.7.7.1:9000", nil)
	candidate := func(seed uint64, addr string) lookup.Peer {
		r := nw.scriptedPeer(addr, seed).Record
		return lookup.NewPeer(r, netip.MustParseAddrPort(addr))
	}
	for i, addr := range []string{"40.1.1.1:1", "40.1.1.2:1", "41.1.1.1:1"} {
		r := nw.scriptedPeer(addr, 500+uint64(i)).Record
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

// All nodes of a small network may be at one provider. Their tables and lookups find each other
// with the default limits.
func TestNetworkOfOneProvider(t *testing.T) {
	const nodes = 20
	nw := newNetwork(t)
	boot := nw.add("20.0.0.1:9000", nil)
	for i := 1; i < nodes; i++ {
		nw.add(fmt.Sprintf("20.0.%d.1:9000", i), nil, boot.peer())
	}
	nw.run(4 * time.Minute)
	live, room := 0, 0
	for _, n := range nw.order {
		live += n.e.table.LiveLen()
		room += n.room(nw.order)
	}
	if live*20 < room*19 {
		t.Errorf("%d live entries in %d tables that have room for %d", live, nodes, room)
	}
	for _, n := range nw.order[:5] {
		if _, results := n.search(enr.ID{7}); len(results) < lookup.DefaultK {
			t.Errorf("a lookup has %d results of %d nodes", len(results), nodes)
		}
	}
}

// The limit for wide prefixes applies to lookups where enough of those are known to fill the
// results.
func TestLookupLimits(t *testing.T) {
	seeds := func(addrs ...string) (list []lookup.Peer) {
		for _, a := range addrs {
			list = append(list, lookup.Peer{Addr: netip.MustParseAddrPort(a + ":9000")})
		}
		return list
	}
	for _, tt := range []struct {
		name  string
		limit int // Config.Table.BucketLimits.Wide
		seeds []lookup.Peer
		want  int
	}{
		{"none", 0, nil, -1},
		{"one provider", 0, seeds("20.0.1.1", "20.0.2.1", "20.0.3.1", "20.0.4.1"), -1},
		{"three providers", 0, seeds("20.0.1.1", "20.1.2.1", "20.2.3.1", "20.2.4.1"), -1},
		{"four providers", 0, seeds("20.0.1.1", "20.1.2.1", "20.2.3.1", "20.3.4.1"), lookupWide},
		{"a stricter limit", 2, seeds("20.0.1.1", "20.1.2.1", "20.2.3.1", "20.3.4.1"), 2},
		{"no limit", -1, seeds("20.0.1.1", "20.1.2.1", "20.2.3.1", "20.3.4.1"), -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			n := nw.add("8.8.8.8:9000", func(c *Config) { c.Table.BucketLimits = prefixquota.Limits{Wide: tt.limit} })
			got := n.e.lookupLimits(tt.seeds)
			if got.Wide != tt.want || got.Site != 2 || got.Host != 2 {
				t.Errorf("limits %v, want %d for wide prefixes", got, tt.want)
			}
		})
	}
}
