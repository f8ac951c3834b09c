package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// All nodes of a small network may be at one provider. Their tables and lookups find each other
// with the default limits.
func TestNetworkOfOneProvider(t *testing.T) {
	const nodes = 20
	nw := newNetwork(t)
	boot := nw.add("20.0.0.1:9000", nil)
	for i := 1; i < nodes; i++ {
		nw.add(fmt.Sprintf("20.0.%d.1:9000", i), func(c *Config) { c.Bootnodes = []Peer{boot.peer()} })
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
