package topic

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// simFull makes the simulations of this package run in full, about a minute, instead of in a small
// form. See docs/TOPICS.md.
var simFull = os.Getenv("DISCV5_TOPIC_SIM") == "full"

// The occupancy of one registrar when x advertisers with random addresses want to be in its cache
// all the time, next to figures of an independent simulation.
func TestG8Occupancy(t *testing.T) {
	for _, tt := range []struct {
		advertisers, topics int
		scale               float64
		held, wait          float64 // ads, and lifetimes
		full                bool
	}{
		{30, 300, 1, 26, 0.16, false}, {30, 5, 1, 21, 0.44, false}, {30, 1, 1, 13, 1.29, false},
		{60, 300, 1, 48, 0.24, false}, {60, 5, 1, 39, 0.55, false}, {60, 1, 1, 24, 1.46, false},
		{100, 300, 1, 75, 0.33, false}, {100, 5, 1, 59, 0.69, false}, {100, 1, 1, 37, 1.71, false},
		{300, 300, 1, 154, 0.95, false}, {300, 5, 1, 120, 1.50, true}, {300, 1, 1, 81, 2.71, false},
		{1000, 300, 1, 259, 2.9, true}, {1000, 5, 1, 201, 4.0, true}, {1000, 1, 1, 145, 5.9, true},
		{60, 300, 0.1, 58, 0.03, false}, {300, 300, 0.1, 233, 0.29, false},
	} {
		if tt.full && !simFull || raceEnabled && tt.advertisers > 60 {
			continue
		}
		t.Run(fmt.Sprintf("%d/%d/%v", tt.advertisers, tt.topics, tt.scale), func(t *testing.T) {
			s := steady(t, tt.advertisers, tt.topics, tt.scale, publicAddr, 36)
			held, wait := s.meanHeld(), meanWait(s.waits[0])
			perAd := float64(s.requests[0]) / float64(s.admitted[0])
			t.Logf("held %.0f ads (%.0f), mean wait %.2f E (%.2f), %.1f requests per admission", held, tt.held, wait, tt.wait, perAd)
			// The wait hangs on which topics the advertisers happen to draw; with one it does not.
			waitTolerance := 0.10*float64(min(tt.topics-1, 2))*tt.wait + 0.05*tt.wait + 0.06
			if !within(held, tt.held, 0.15) || wait < tt.wait-waitTolerance || wait > tt.wait+waitTolerance {
				t.Errorf("held %.1f ads, want %.0f; mean wait %.2f E, want %.2f", held, tt.held, wait, tt.wait)
			}
			if perAd > 8 {
				t.Errorf("%.1f requests per admission", perAd)
			}
		})
	}
}

// liveNetworks returns the IPv4 addresses of the records in enr/testdata/live-enrs.txt, bootstrap
// nodes and others of the public network.
func liveNetworks(t testing.TB) (list []netip.Addr) {
	f, err := os.Open("../enr/testdata/live-enrs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		r, err := enr.ParseText(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := r.IP4(); ok && isPublic(a) {
			list = append(list, a)
		}
	}
	if len(list) < 20 {
		t.Fatalf("%d addresses", len(list))
	}
	return list
}

// addressKinds are the honest advertisers' addresses. Uniform ones flatter the score: no two of them
// are alike.
func addressKinds(t testing.TB) map[string]func(*rand.Rand) netip.Addr {
	live := liveNetworks(t)
	in := func(rnd *rand.Rand, own int) netip.Addr {
		a := live[rnd.IntN(len(live))].As4()
		for i := 3; i >= 4-own; i-- {
			a[i] = byte(rnd.IntN(256))
		}
		return netip.AddrFrom4(a)
	}
	return map[string]func(*rand.Rand) netip.Addr{
		"uniform":       publicAddr,
		"live networks": func(rnd *rand.Rand) netip.Addr { return in(rnd, 2) }, // any address in their /16
		// Three in four share a /24 with a live record, as customers of a few hosting companies do.
		"clustered": func(rnd *rand.Rand) netip.Addr {
			if rnd.IntN(4) == 0 {
				return publicAddr(rnd)
			}
			return in(rnd, 1)
		},
	}
}

// floodRow is one run of flood with the bounds that it must keep. They were measured once, with
// room for other seeds.
type floodRow struct {
	addresses, scenario string
	topics, hours       int
	full                bool
	utilization         [2]float64
	share               float64       // most of the cache that is hostile; of the attacked topic, if there is one
	p95                 time.Duration // longest wait of honest advertisers
}

func runFlood(t *testing.T, row floodRow) {
	s := flood(t, row.scenario, addressKinds(t)[row.addresses], row.topics, row.hours)
	hostile := share(s.held)
	if row.scenario == "one topic" {
		hostile = share(s.target)
	}
	p95 := percentile(s.waits[0], 0.95)
	t.Logf("%d advertisers, %d h: utilization %.1f %%, hostile %.1f %%, honest p95 %.0f s, attempts for each hostile ad %.0f",
		len(s.nodes), row.hours, 100*s.utilization(), 100*hostile, p95.Seconds(), float64(s.requests[1])/max(1, float64(s.admitted[1])))
	if u := s.utilization(); u < row.utilization[0] || u > row.utilization[1] {
		t.Errorf("utilization %.3f, want %v", u, row.utilization)
	}
	if hostile > row.share {
		t.Errorf("hostile share %.3f, most %.3f", hostile, row.share)
	}
	if p95 > row.p95 || p95 < 1000*time.Second {
		t.Errorf("honest p95 %v, most %v", p95, row.p95)
	}
}

func floodTest(t *testing.T, rows []floodRow) {
	for _, row := range rows {
		if row.full != simFull {
			continue
		}
		t.Run(fmt.Sprintf("%s/%d topics/%d h", row.addresses, row.topics, row.hours), func(t *testing.T) {
			if raceEnabled {
				t.Skip("too slow under the race detector")
			}
			runFlood(t, row)
		})
	}
}

func TestG8NoAttacker(t *testing.T) {
	var rows []floodRow
	for _, kind := range []string{"uniform", "live networks", "clustered"} {
		rows = append(rows, floodRow{kind, "no attacker", 300, 6, false, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "no attacker", 300, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "no attacker", 5, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second})
	}
	floodTest(t, rows)
}

func TestT01FloodFromOneNetwork(t *testing.T) {
	var rows []floodRow
	for _, kind := range []string{"uniform", "live networks", "clustered"} {
		rows = append(rows, floodRow{kind, "network", 300, 6, false, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "network", 300, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "network", 5, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second})
	}
	floodTest(t, rows)
}

func TestT02FloodOfOneTopic(t *testing.T) {
	var rows []floodRow
	for _, kind := range []string{"uniform", "live networks", "clustered"} {
		rows = append(rows, floodRow{kind, "one topic", 300, 6, false, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "one topic", 300, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second},
			floodRow{kind, "one topic", 5, 24, true, [2]float64{0, 1}, 1, 1e6 * time.Second})
	}
	floodTest(t, rows)
}
