package simnet

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/session"
)

// calm makes lookups rarer than they are by default: tests wait for long.
func calm(c *engine.Config) { c.RefreshInterval = 2 * time.Minute }

// swarmOf adds k nodes that start from one, and lets them find each other.
func swarmOf(t *testing.T, n *Network, k int, cfg NodeConfig) []*Node {
	t.Helper()
	list := []*Node{addNode(t, n, cfg)}
	cfg.Bootnodes = list[:1]
	for len(list) < k {
		list = append(list, addNode(t, n, cfg))
		n.Run(time.Second)
	}
	n.Run(2 * time.Minute)
	return list
}

// knows counts the nodes of a list that are live in the table of nd.
func knows(nd *Node, list []*Node) (k int) {
	for _, o := range list {
		if _, s, ok := nd.engine().Table().Get(o.ID()); ok && s.Live {
			k++
		}
	}
	return k
}

// Two halves of a network that do not reach each other for a while find together again.
func TestPartitionHeals(t *testing.T) {
	n := ForTest(t, Config{Seed: 4, InsecureCurve: true})
	half := scaled(20, 8)
	all := swarmOf(t, n, 2*half, NodeConfig{engine: calm})
	left, right := all[:half], all[half:]
	n.Partition(left, right)
	before := n.Traffic().Fates[Cut]
	if r := left[3].ping(right[3]); !isError(r.Err, engine.ErrTimeout) {
		t.Errorf("a PING to the other side: %v", r.Err)
	}
	n.Run(10 * time.Minute)
	if n.Traffic().Fates[Cut] == before {
		t.Fatal("nothing was cut")
	}
	for _, nd := range left {
		if k := knows(nd, right); k > 0 {
			t.Errorf("%d nodes of the other side are live after 10 minutes", k)
		}
		if k := knows(nd, left); k < half*3/4 {
			t.Errorf("only %d nodes of its own side are live", k)
		}
	}
	n.Heal()
	healed := func() bool {
		for _, nd := range all {
			if knows(nd, left) < half*3/5 || knows(nd, right) < half*3/5 {
				return false
			}
		}
		return true
	}
	began := n.Now()
	for !healed() && n.Now() < began+30*time.Minute {
		n.Run(10 * time.Second)
	}
	if !healed() {
		for i, nd := range all {
			t.Errorf("node %d knows %d left, %d right", i, knows(nd, left), knows(nd, right))
		}
	}
	t.Logf("together again after %v", n.Now()-began)
}

// A flood in the name of a peer does not touch the session with it, and what it makes the node send
// to the peer is no more than the flood.
func TestSpoofedFlood(t *testing.T) {
	n := ForTest(t, Config{Seed: 5, TaskTime: 500 * time.Microsecond})
	cfg := NodeConfig{engine: func(c *engine.Config) {
		c.Unverified = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 1})
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 2})
	}}
	a, b := addNode(t, n, cfg), addNode(t, n, cfg)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	attacker, err := n.Listen(SocketConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var in, out uint64
	n.SetFilter(func(d Datagram) bool {
		if d.From == a.Addr() && d.To == b.Addr() && len(d.Payload) == codec.WhoareyouSize {
			out += uint64(len(d.Payload))
		}
		return true
	})
	before := a.engine().Counters()
	const flood = 20000
	for i := range flood {
		n.After(time.Duration(i)*500*time.Microsecond, func() {
			d := forged(n, a, b)
			in += uint64(len(d))
			attacker.SendFrom(b.Addr(), a.Addr(), d)
		})
	}
	pings := 0
	for n.Now() < 10*time.Second {
		if r := b.ping(a); r.Err != nil {
			t.Fatalf("PING %d during the flood: %v", pings, r.Err)
		}
		if r := a.ping(b); r.Err != nil {
			t.Fatalf("PING %d back during the flood: %v", pings, r.Err)
		}
		pings++
		n.Run(200 * time.Millisecond)
	}
	c := a.engine().Counters()
	if d := c[engine.HandshakesReceived] + c[engine.HandshakesSent] - before[engine.HandshakesReceived] - before[engine.HandshakesSent]; d != 0 {
		t.Errorf("%d handshakes during the flood: the session was disturbed", d)
	}
	if c[engine.RateUnverified] == before[engine.RateUnverified] {
		t.Error("the flood has not met a limit: it proves nothing")
	}
	if out == 0 || out > in {
		t.Errorf("%d bytes sent to the peer for %d of the flood", out, in)
	}
	if both, same := SessionsAgree(a, b); !both || !same {
		t.Errorf("sessions: both %v, same %v", both, same)
	}
}

// forged is a message to a that claims to be of b, and opens with no key.
func forged(n *Network, a, b *Node) []byte {
	h := session.Header{Protocol: codec.DefaultProtocol, Source: b.ID()}
	for i := range h.IV {
		h.IV[i] = byte(n.Rand(256))
	}
	for i := range h.Nonce {
		h.Nonce[i] = byte(n.Rand(256))
	}
	dest := [32]byte(a.ID())
	return h.AppendUnopenable(nil, &dest, make([]byte, 40))
}

// S26: a node whose clock jumps, or that was suspended, neither sends in a storm nor hangs.
func TestS26ClockJumps(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(n *Network, nd *Node)
	}{
		{"clock jumps by a day", func(_ *Network, nd *Node) { nd.JumpClock(24 * time.Hour) }},
		{"suspended for ten minutes, clock runs", func(n *Network, nd *Node) {
			nd.Suspend(10*time.Minute, ClockRuns)
			n.Run(10 * time.Minute)
		}},
		{"suspended for ten minutes, clock stops", func(n *Network, nd *Node) {
			nd.Suspend(10*time.Minute, ClockStops)
			n.Run(10 * time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := ForTest(t, Config{Seed: 6, InsecureCurve: true})
			all := swarmOf(t, n, scaled(30, 10), NodeConfig{engine: calm})
			nd := all[5]
			sent, worst, since := 0, 0, n.Now()
			n.SetFilter(func(d Datagram) bool {
				if d.From == nd.Addr() {
					if n.Now()-since >= TickInterval {
						sent, since = 0, n.Now()
					}
					sent++
					worst = max(worst, sent)
				}
				return true
			})
			open := 0
			for range 10 { // requests are under way when it happens
				open++
				nd.pingLater(t, all[1], func() { open-- })
			}
			worst, sent = 0, 0
			clock := nd.Clock()
			c.do(n, nd)
			n.Run(time.Minute)
			if nd.Clock() < clock+time.Minute {
				t.Errorf("the clock shows %v, before it was %v", nd.Clock(), clock)
			}
			if open != 0 {
				t.Errorf("%d requests hang", open)
			}
			// A tick starts at most 8 checks and a lookup with 3 queries; peers' messages are
			// answered one by one.
			if worst > 40 {
				t.Errorf("%d datagrams within %v", worst, TickInterval)
			}
			t.Logf("at most %d datagrams within %v", worst, TickInterval)
			n.Run(5 * time.Minute)
			if k := knows(nd, all); k < len(all)*3/4 {
				t.Errorf("knows %d nodes afterwards", k)
			}
			if e := nd.engine(); e.Pending() > 20 || e.Lookups() > 2 {
				t.Errorf("%d calls and %d lookups under way", e.Pending(), e.Lookups())
			}
		})
	}
}

// A node that crashes comes back: with its state also if no bootnode is left, without it by its key
// alone, with a newer record.
func TestRestart(t *testing.T) {
	for _, state := range []bool{true, false} {
		n := ForTest(t, Config{Seed: 7, InsecureCurve: true})
		all := swarmOf(t, n, 12, NodeConfig{})
		boot, nd, peer := all[0], all[5], all[6]
		if r := peer.ping(nd); r.Err != nil {
			t.Fatal(r.Err)
		}
		seq, id := nd.Record().Seq(), nd.ID()
		nd.Crash()
		if state {
			boot.Remove()
		}
		if r := peer.ping(nd); !isError(r.Err, engine.ErrTimeout) {
			t.Errorf("PING to a node that is down: %v", r.Err)
		}
		if r := nd.ping(peer); !isError(r.Err, discv5.ErrClosed) {
			t.Errorf("PING by a node that is down: %v", r.Err)
		}
		n.Run(20 * time.Second)
		if err := nd.Restart(state); err != nil {
			t.Fatal(err)
		}
		if nd.ID() != id || nd.Record().Seq() < seq || !state && nd.Record().Seq() == seq {
			t.Errorf("state %v: record %d after %d", state, nd.Record().Seq(), seq)
		}
		// The peer still has the old session, whose keys are gone here.
		if r := peer.ping(nd); r.Err != nil {
			t.Errorf("state %v: PING after the restart: %v", state, r.Err)
		}
		if both, same := SessionsAgree(peer, nd); !both || !same {
			t.Errorf("state %v: sessions: both %v, same %v", state, both, same)
		}
		n.Run(time.Minute)
		if k := knows(nd, all); k < 9 {
			t.Errorf("state %v: knows %d nodes a minute after the restart", state, k)
		}
	}
}

// Nodes do not care whether a datagram arrives twice, late or after others.
func TestDuplicatesAndReordering(t *testing.T) {
	n := ForTest(t, Config{Seed: 8, Conditions: Conditions{Delay: Always(30 * time.Millisecond), Jitter: 200 * time.Millisecond, Duplicate: 1, Reorder: 0.3}})
	all := swarmOf(t, n, 10, NodeConfig{})
	for i, a := range all {
		b := all[(i+1)%len(all)]
		for range 3 {
			if r := a.ping(b); r.Err != nil {
				t.Errorf("PING: %v", r.Err)
			}
		}
	}
	if n.CheckSessions(20) == 0 {
		t.Error("no sessions were compared")
	}
	if tr := n.Traffic(); tr.Copies < tr.Sent-10 {
		t.Errorf("%d copies of %d datagrams", tr.Copies, tr.Sent)
	}
}

func TestAddresses(t *testing.T) {
	n := must(New(Config{}))
	a := add(t, n)
	for _, c := range []struct {
		cfg  NodeConfig
		want error
	}{
		{NodeConfig{Addrs: []netip.AddrPort{a.Addr()}}, ErrAddrUsed},
		{NodeConfig{Addrs: []netip.AddrPort{netip.MustParseAddrPort("20.1.1.1:0")}}, ErrAddr},
		{NodeConfig{Addrs: []netip.AddrPort{netip.MustParseAddrPort("[::ffff:20.1.1.1]:9")}}, ErrAddr},
		{NodeConfig{Addrs: []netip.AddrPort{netip.MustParseAddrPort("20.1.1.1:9"), netip.MustParseAddrPort("20.1.1.2:9")}}, ErrAddr},
		{NodeConfig{NAT: newNAT(t, n, NATConfig{}), Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.1.1.1:9")}}, ErrAddr},
	} {
		if _, err := n.Add(c.cfg); !isError(err, c.want) {
			t.Errorf("%v: %v, want %v", c.cfg.Addrs, err, c.want)
		}
	}
	if len(n.Nodes()) != 1 {
		t.Errorf("%d nodes", len(n.Nodes()))
	}
	addr := a.Addr()
	a.Remove()
	if _, err := n.Add(NodeConfig{Addrs: []netip.AddrPort{addr}}); err != nil {
		t.Errorf("the address of a removed node: %v", err)
	}
}
