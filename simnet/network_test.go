package simnet

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
)

// add adds a node that knows boot.
// must returns v, and panics if err is not nil.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func add(t *testing.T, n *Network, boot ...*Node) *Node {
	t.Helper()
	return addNode(t, n, NodeConfig{Bootnodes: boot})
}

func addNode(t *testing.T, n *Network, cfg NodeConfig) *Node {
	t.Helper()
	nd, err := n.Add(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return nd
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  NodeConfig
	}{
		{"IPv4", NodeConfig{}},
		{"IPv6", NodeConfig{IPv6: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := ForTest(t, Config{})
			a, b := addNode(t, n, c.cfg), addNode(t, n, c.cfg)
			for range 2 {
				if r := a.ping(b); r.Err != nil || r.Pong.Endpoint != a.Addr() {
					t.Fatalf("PONG to %v, %v", r.Pong.Endpoint, r.Err)
				}
			}
			if both, same := SessionsAgree(a, b); !both || !same {
				t.Errorf("sessions: both %v, same %v", both, same)
			}
			if c := a.engine().Counters(); c[engine.HandshakesSent] != 1 {
				t.Errorf("%d handshakes for two pings", c[engine.HandshakesSent])
			}
		})
	}
}

// scaled returns full, or little where time is short.
func scaled[T any](full, little T) T {
	if raceEnabled || testing.Short() {
		return little
	}
	return full
}

// scene is a network in which everything happens that can.
func scene(t *testing.T, seed uint64) *Network {
	n := must(New(Config{Seed: seed, InsecureCurve: true, Conditions: Conditions{Jitter: 50 * time.Millisecond, Loss: 0.05, Duplicate: 0.02, Reorder: 0.02}}))
	boot := add(t, n)
	var all []*Node
	for i := range scaled(40, 25) {
		cfg := NodeConfig{Bootnodes: []*Node{boot}, IPv4: i%4 != 1, IPv6: i%4 == 1 || i%4 == 2}
		if i%8 == 4 {
			nat, err := n.NewNAT(NATConfig{Kind: NATKind(i / 8 % 4)})
			if err != nil {
				t.Fatal(err)
			}
			cfg.NAT = nat
		}
		all = append(all, addNode(t, n, cfg))
		n.Run(time.Second)
	}
	n.Run(scaled(time.Minute, 20*time.Second))
	n.Partition(all[:10], all[10:20])
	all[3].Suspend(20*time.Second, ClockStops)
	all[4].Suspend(20*time.Second, ClockRuns)
	all[5].JumpClock(time.Hour)
	all[6].Crash()
	n.Run(30 * time.Second)
	n.Heal()
	if err := all[6].Restart(true); err != nil {
		t.Fatal(err)
	}
	if err := all[7].Restart(false); err != nil {
		t.Fatal(err)
	}
	all[8].Remove()
	n.Run(time.Minute)
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	return n
}

func TestSeedReproduces(t *testing.T) {
	a, b, c := scene(t, 1), scene(t, 1), scene(t, 2)
	if a.Trace() != b.Trace() || a.Traffic() != b.Traffic() {
		t.Errorf("one seed, two runs: traces %x and %x, traffic %+v and %+v", a.Trace(), b.Trace(), a.Traffic(), b.Traffic())
	}
	if a.Trace() == c.Trace() {
		t.Error("two seeds, one trace")
	}
	t.Logf("%+v", a.Traffic())
}
