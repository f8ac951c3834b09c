package simnet

import (
	"fmt"
	"testing"
	"time"
)

// A node that is suspended for hours while a lookup is under way breaks no rule: the audit did not
// watch it meanwhile.
func TestSuspendForHoursIsNoViolation(t *testing.T) {
	for _, mode := range []ClockMode{ClockRuns, ClockStops} {
		for _, d := range []time.Duration{lookupPause + time.Minute, 3 * time.Hour, 48 * time.Hour} {
			t.Run(fmt.Sprintf("mode %d, %v", mode, d), func(t *testing.T) {
				if raceEnabled && d > 3*time.Hour {
					t.Skip("probed for the race detector, under which the others are enough; make test runs it")
				}
				n := ForTest(t, Config{Seed: 6, InsecureCurve: true})
				all := swarmOf(t, n, 10, NodeConfig{engine: calm})
				nd := all[5]
				silent := all[1].ID() // its queries end by timeouts, so that lookups take a while
				n.SetFilter(func(Datagram) bool { return false })
				if err := nd.lookup(silent, func(foundNodes) {}); err != nil {
					t.Fatal(err)
				}
				if nd.engine().Lookups() == 0 {
					t.Fatal("no lookup is under way: this tests nothing")
				}
				nd.Suspend(d, mode)
				n.Run(d)
				n.SetFilter(nil)
				n.Run(5 * time.Minute)
				if err := n.Check(); err != nil {
					t.Error(err)
				}
				if !nd.Running() || nd.engine().Lookups() > 1 {
					t.Errorf("running %v, %d lookups under way", nd.Running(), nd.engine().Lookups())
				}
			})
		}
	}
}
