package simnet

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/lookup"
)

// A lookup that finds all of the 16 closest nodes has found all that are settled among them,
// however many are new; one that finds only the new ones has found none of them.
func TestRecallOfSettled(t *testing.T) {
	const settled = 10 * time.Minute
	n := ForTest(t, Config{Seed: 14, InsecureCurve: true})
	for range 20 {
		add(t, n)
	}
	n.Run(settled)
	for range 20 {
		add(t, n)
	}
	n.Run(time.Minute)
	from, target := n.nodes[0], n.randomID()
	all := n.reachable(from, target, time.Second)
	var every, fresh foundNodes
	for _, c := range all {
		every.nodes = append(every.nodes, lookup.Peer{ID: c.id})
		if c.uptime < settled {
			fresh.nodes = append(fresh.nodes, lookup.Peer{ID: c.id})
		}
	}
	if len(all) != 16 || len(fresh.nodes) == 0 || len(fresh.nodes) == 16 {
		t.Fatalf("%d of the %d closest are new", len(fresh.nodes), len(all))
	}
	for _, c := range []struct {
		l               foundNodes
		recall, settled float64
	}{{every, 1, 1}, {fresh, float64(len(fresh.nodes)) / 16, 0}, {foundNodes{}, 0, 0}} {
		var f findings
		f.add(n, from, target, c.l, settled)
		if f.recall != c.recall || f.settled != c.settled || (f.closest == 1) != (c.settled == 1) {
			t.Errorf("recall %v, of settled nodes %v; want %v and %v; closest %v", f.recall, f.settled, c.recall, c.settled, f.closest)
		}
	}
}
