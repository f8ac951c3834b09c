package interop

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/internal/proctest"
)

const (
	swarmSize      = 50
	swarmTargets   = 20 // random targets of the final lookups
	swarmSearchers = 5  // nodes that look up each target

	// convergeTimeout and convergeRounds bound the time until the tables are full. Both must be
	// exceeded. relayTimeout is the time until the bootnode has checked its nodes and relays them.
	convergeTimeout = 3 * time.Minute
	convergeRounds  = 20
	relayTimeout    = 3 * time.Minute

	// minTableShare is the fill level that each table must reach, relative to its capacity, with
	// nodes that have answered a PING. The rest leaves room for a few nodes that are being checked.
	minTableShare = 0.9

	// minBootShare is the fraction of tables that must hold the bootnode as a live node.
	// go-ethereum drops a node after five consecutive empty answers, which an empty bootnode cannot
	// avoid, and another node may then take its slot.
	minBootShare = 0.8

	// minRecall is the required mean over all lookups. It is below 1 because go-ethereum ends a
	// lookup once the 16 closest known nodes have been asked for three distances each, and a full
	// bucket hides some of its nodes.
	minRecall = 0.97

	// swarmPingInterval makes peers check new entries every 150 ms on average, ten times faster
	// than by default, and makes the test that much shorter.
	swarmPingInterval = 300 * time.Millisecond
)

// swarm is a bootnode with peers that know only the bootnode.
type swarm struct {
	boot  *bootnode
	peers []*peer
	ids   []enode.ID // of the peers and, last, of the bootnode
}

// TestSwarm: peers that know only the bootnode find each other.
func TestSwarm(t *testing.T) {
	cfg := newBootConfig(t, loopback4)
	cfg.metrics = proctest.FreePort(t, "tcp", loopback4)
	s := &swarm{boot: startBootnode(t, cfg)}

	if body, err := httpGet(t.Context(), cfg.metrics, "/healthz"); err != nil {
		t.Errorf("health check: %v (%q)", err, body)
	}
	before, err := scrapeGauges(t.Context(), cfg.metrics)
	if err != nil {
		t.Fatal("metrics of the empty node:", err)
	}
	for range swarmSize {
		p := startPeer(t, peerConfig{
			addr:         netip.AddrPortFrom(loopback4, 0),
			bootnodes:    []*enode.Node{s.boot.node},
			pingInterval: swarmPingInterval, timeout: responseTimeout,
		})
		s.peers = append(s.peers, p)
		s.ids = append(s.ids, p.Self().ID())
	}
	s.ids = append(s.ids, s.boot.node.ID())

	s.converge(t)
	// While the machine stands still, answers to lookups are late.
	mean := s.recall(t)
	for round := 1; mean < minRecall && round < maxRounds; round++ {
		s.converge(t)
		mean = s.recall(t)
	}
	if mean < minRecall {
		t.Errorf("mean recall %.4f, want %.2f or more", mean, minRecall)
	}
	s.checkRelay(t)
	s.checkMetrics(t, before)
	for _, p := range s.peers {
		expectValidRecords(t, p, s.boot.node)
	}
}

// converge lets each peer look up itself and a random target in rounds, as a go-ethereum table does
// twice an hour, until each table is nearly as full as the swarm allows and most hold the bootnode
// as a live node.
func (s *swarm) converge(t *testing.T) {
	t.Helper()
	start := time.Now()
	for round := 1; ; round++ {
		ok, seen := s.tablesFull()
		if ok {
			t.Logf("tables full after %v, round %d: %s", time.Since(start).Round(time.Millisecond), round, seen)
			return
		}
		if took := time.Since(start); took > convergeTimeout && round > convergeRounds {
			t.Fatalf("tables not full after %v, round %d: %s", took.Round(time.Second), round, seen)
		}
		s.each(func(p *peer) {
			p.Lookup(p.Self().ID())
			p.Lookup(randomID())
		})
		time.Sleep(500 * time.Millisecond)
	}
}

// each runs f for all peers, a few in parallel.
func (s *swarm) each(f func(p *peer)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, p := range s.peers {
		slots <- struct{}{}
		wg.Go(func() {
			f(p)
			<-slots
		})
	}
	wg.Wait()
}

// tablesFull reports whether each table holds enough live nodes, and describes
// the tables.
func (s *swarm) tablesFull() (bool, string) {
	var worst, sum float64 = 1, 0
	minLive, full, withBoot := swarmSize, 0, 0
	for _, p := range s.peers {
		live := 0
		boot := false
		for _, bucket := range p.Nodes() {
			for _, n := range bucket {
				if n.Live {
					live++
					boot = boot || n.Node.ID() == s.boot.node.ID()
				}
			}
		}
		share := float64(live) / float64(capacity(p.Self().ID(), s.ids))
		worst, sum, minLive = min(worst, share), sum+share, min(minLive, live)
		if share >= minTableShare {
			full++
		}
		if boot {
			withBoot++
		}
	}
	n := len(s.peers)
	return full == n && float64(withBoot) >= minBootShare*float64(n), fmt.Sprintf(
		"%d of %d tables have %.0f%% of their capacity live (worst %.0f%%, mean %.0f%%, fewest nodes %d), %d have the bootnode",
		full, n, 100*minTableShare, 100*worst, 100*sum/float64(n), minLive, withBoot)
}

// recall compares lookups with the true result, the 16 closest of all live nodes, and returns the
// mean share that they find.
func (s *swarm) recall(t *testing.T) float64 {
	t.Helper()
	var sum, worst float64 = 0, 1
	lookups, exact := 0, 0
	start := time.Now()
	for i := range swarmTargets {
		target := randomID()
		for j := range swarmSearchers {
			p := s.peers[(i+j*len(s.peers)/swarmSearchers)%len(s.peers)]
			found := p.Lookup(target)
			r := recall(closest(target, s.ids, p.Self().ID(), bucketSize), found)
			sum, worst = sum+r, min(worst, r)
			if lookups++; r == 1 {
				exact++
			}
		}
	}
	mean := sum / float64(lookups)
	t.Logf("recall of %d lookups in %v: mean %.4f, worst %.4f, %d exact",
		lookups, time.Since(start).Round(time.Millisecond), mean, worst, exact)
	return mean
}

// checkRelay requests each distance from the bootnode, from a node outside the swarm. The bootnode
// must return as many peers as its buckets can hold.
func (s *swarm) checkRelay(t *testing.T) {
	t.Helper()
	probe := startPeer(t, peerConfig{addr: netip.AddrPortFrom(loopback4, 0)})
	boot := s.boot.node
	known := make(map[enode.ID]*peer)
	for _, p := range s.peers {
		known[p.Self().ID()] = p
	}
	want := capacity(boot.ID(), s.ids)
	start := time.Now()
	var relayed int
	eventually(t, relayTimeout, time.Second, "peers relayed by the bootnode", func() (bool, string) {
		relayed = 0
		for dist := uint(minBucketDist); dist <= maxBucketDist; dist++ {
			nodes, err := probe.Findnode(boot, []uint{dist})
			if err != nil {
				return false, fmt.Sprintf("FINDNODE distance %d: %v", dist, err)
			}
			for _, n := range nodes {
				p := known[n.ID()]
				if p == nil {
					if n.ID() != probe.Self().ID() {
						t.Errorf("bootnode relays %v, which is not of the swarm", n)
					}
					continue
				}
				if ep, _ := n.UDPEndpoint(); ep != p.addr {
					t.Errorf("bootnode relays %v with endpoint %v, want %v", n.ID(), ep, p.addr)
				}
				relayed++
			}
		}
		return float64(relayed) >= minTableShare*float64(want),
			fmt.Sprintf("%d of %d peers that fit", relayed, want)
	})
	expectValidRecords(t, probe, boot)
	t.Logf("bootnode relays %d of %d peers that fit in its table, after another %v",
		relayed, want, time.Since(start).Round(time.Millisecond))
}

// checkMetrics expects /metrics to agree with the table that FINDNODE shows.
func (s *swarm) checkMetrics(t *testing.T, before map[string]float64) {
	t.Helper()
	want := minTableShare * float64(capacity(s.boot.node.ID(), s.ids))
	eventually(t, relayTimeout, time.Second, "gauge of table entries in /metrics", func() (bool, string) {
		now, err := scrapeGauges(t.Context(), s.boot.metrics)
		if err != nil {
			return false, err.Error()
		}
		name, growth := tableGrowth(before, now)
		if growth < want {
			return false, fmt.Sprintf("%q has grown by %v, want %v; %d gauges in all", name, growth, want, len(now))
		}
		t.Logf("gauge %s has grown by %v", name, growth)
		return true, ""
	})
}
