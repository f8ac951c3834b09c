package table

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// TestClosest compares with sorting everything.
func TestClosest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tab := newTable(nil)
	var all, live []enr.ID
	for k := range uint32(1500) {
		id := randomID(r)
		if k%3 == 0 { // crowd the near buckets too
			id = tab.atDistance(1+r.IntN(256), id)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(k >> 8), byte(k), 1}), 1)
		n := stating(Node{ID: id, Addr: addr}, 1, addr)
		if tab.Add(0, n) != Added {
			continue
		}
		all = append(all, id)
		if k%2 == 0 {
			tab.MarkLive(0, id, n.Addr)
			live = append(live, id)
		}
	}
	check := func(target enr.ID, n int, got []Node, from []enr.ID) {
		t.Helper()
		slices.SortFunc(from, func(a, b enr.ID) int { return enr.CompareDistance(target, a, b) })
		want := from[:min(n, len(from))]
		if !slices.EqualFunc(got, want, func(n Node, id enr.ID) bool { return n.ID == id }) {
			t.Fatalf("target at distance %d, n %d: wrong nodes", distance(target), n)
		}
	}
	prefix := []Node{node(256, 1)}
	for i := range 200 {
		target := randomID(r)
		switch i % 4 {
		case 1:
			target = tab.atDistance(1+r.IntN(256), target)
		case 2:
			target = all[r.IntN(len(all))]
		case 3:
			target = self
		}
		n := []int{0, 1, 3, 16, 100, 5000}[r.IntN(6)]
		check(target, n, tab.Closest(target, n, prefix)[1:], all)
		check(target, n, tab.ClosestLive(target, n, nil), live)
	}
}
