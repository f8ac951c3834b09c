package simnet

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// IPv6-only nodes among many IPv4-only ones find each other, with only a dual-stack bootnode
// between them: a response starts with the records that the requester can use, and a bucket that is
// full of the other family still relays the few.
func TestFewIPv6NodesFindEachOther(t *testing.T) {
	for _, tt := range []struct {
		name      string
		bootnodes int
		late      bool // the IPv6 nodes come when the bootnode's buckets are full
	}{{"one bootnode", 1, false}, {"one bootnode, last", 1, true}, {"three bootnodes, last", 3, true}} {
		t.Run(tt.name, func(t *testing.T) {
			if raceEnabled && tt.bootnodes == 1 {
				t.Skip("probed for the race detector, under which one case is enough; make test runs all")
			}
			const six = 9
			four := scaled(300, 100)
			n := ForTest(t, Config{Seed: 17, InsecureCurve: true, Audit: 20})
			add := func(c NodeConfig) *Node {
				t.Helper()
				c.engine = func(e *engine.Config) { e.RefreshInterval = 2 * time.Minute }
				nd, err := n.Add(c)
				if err != nil {
					t.Fatal(err)
				}
				return nd
			}
			var boot []*Node
			for range tt.bootnodes {
				boot = append(boot, add(NodeConfig{IPv4: true, IPv6: true, Bootnodes: boot}))
			}
			var nodes []*Node
			for i := range four + six {
				last := i >= four
				if !tt.late {
					last = i%(four/six) == 0 && len(nodes) < six
				}
				if nd := add(NodeConfig{IPv4: !last, IPv6: last, Bootnodes: boot}); last {
					nodes = append(nodes, nd)
				}
				n.Run(200 * time.Millisecond)
			}
			if len(nodes) != six {
				t.Fatalf("%d IPv6 nodes", len(nodes))
			}
			n.Run(5 * time.Minute)
			for i, a := range nodes {
				found := 0
				for _, b := range nodes {
					if _, s, ok := a.engine().Table().Get(b.ID()); ok && s.Member && s.Live {
						found++
					}
				}
				if found != six-1 {
					t.Errorf("node %d has found %d of %d", i, found, six-1)
				}
			}
			few := 0
			for x := range boot[0].engine().Table().All() {
				if hasOnly6(x.Record) {
					few++
				}
			}
			t.Logf("the bootnode knows %d IPv6 nodes", few)
		})
	}
}

// hasOnly6 reports whether a record names an IPv6 endpoint and no IPv4 one.
func hasOnly6(r *enr.Record) bool {
	_, has4 := r.UDPEndpoint4()
	_, has6 := r.UDPEndpoint6()
	return has6 && !has4
}
