// Package pagetest makes nodes whose figures tests choose, for tests of the status page.
package pagetest

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// Node is a node that never runs. It reports what its fields say.
type Node struct {
	*discv5.Node
	Counts    discv5.Stats
	Latencies discv5.Latencies
	Addresses []discv5.AddressState
	Known     []discv5.KnownNode
	Open      []discv5.Session
	Limited   []discv5.LimitedSource
	Topics    discv5.TopicStats
	Largest   []discv5.TopicCount
	Failure   error
}

// New returns a node with an address and nothing else.
func New(t testing.TB) *Node {
	t.Helper()
	key, err := enr.ParsePrivateKeyHex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("203.0.113.7:9000")
	n, err := discv5.New(discv5.Config{PrivateKey: key, ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Advertise: []netip.AddrPort{at}, Sockets: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &Node{Node: n, Addresses: []discv5.AddressState{
		{Family: discv5.IPv4, Endpoint: at, Source: discv5.AddressConfigured, Proven: true,
			ProvenBy: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")}},
		{Family: discv5.IPv6},
	}}
}

// Stats implements statuspage.Node.
func (n *Node) Stats() discv5.Stats { return n.Counts }

// Latency implements statuspage.Node.
func (n *Node) Latency() discv5.Latencies { return n.Latencies }

// AddressStates implements statuspage.Node.
func (n *Node) AddressStates() []discv5.AddressState { return n.Addresses }

// LimitedSources implements statuspage.Node.
func (n *Node) LimitedSources(most int) []discv5.LimitedSource {
	return n.Limited[:min(most, len(n.Limited))]
}

// TopicStats implements statuspage.Node.
func (n *Node) TopicStats() discv5.TopicStats { return n.Topics }

// LargestTopics implements statuspage.Node.
func (n *Node) LargestTopics(most int) []discv5.TopicCount {
	return n.Largest[:min(most, len(n.Largest))]
}

// Err implements statuspage.Node.
func (n *Node) Err() error { return n.Failure }

// AllNodes implements statuspage.Node.
func (n *Node) AllNodes() iter.Seq[discv5.KnownNode] {
	return func(yield func(discv5.KnownNode) bool) {
		for _, k := range n.Known {
			if !yield(k) {
				return
			}
		}
	}
}

// Sessions implements statuspage.Node.
func (n *Node) Sessions() iter.Seq[discv5.Session] {
	return func(yield func(discv5.Session) bool) {
		for _, s := range n.Open {
			if !yield(s) {
				return
			}
		}
	}
}

// Record returns a signed record with a client name and a fork, if they are not empty.
func Record(t testing.TB, rnd *rand.Rand, client string, fork []byte, six bool) *enr.Record {
	t.Helper()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rnd.Uint32())
	}
	seed[0] = 1 // in the range of keys
	key, err := enr.ParsePrivateKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	b := enr.NewBuilder().SetIP(netip.AddrFrom4([4]byte{byte(11 + rnd.IntN(100)), byte(rnd.Uint32()), byte(rnd.Uint32()), 1})).SetUDP(9000)
	if six {
		b.SetIP(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(rnd.Uint32()), 15: 1})).SetUDP6(9000)
	}
	if client != "" {
		b.SetString("client", client)
	}
	if len(fork) == 4 {
		b.SetEth2(enr.Eth2{ForkDigest: [4]byte(fork)})
	}
	r, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Fill adds n nodes to the table, with client names and forks in turn. The records repeat after 64.
func (n *Node) Fill(t testing.TB, count int, clients []string, now time.Time) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	forks := [][]byte{{0xb5, 0x30, 0x3f, 0x2a}, {0x6a, 0x95, 0xa1, 0xa9}, {0xfd, 0x4f, 0x01, 0x6b}, nil}
	var records []*enr.Record
	for i := range min(count, 64) {
		records = append(records, Record(t, rnd, clients[i%len(clients)], forks[min(rnd.IntN(8), 3)], i%3 == 0))
	}
	for i := range count {
		distance := 256 - min(int(rnd.ExpFloat64()*2.2), 20)
		n.Known = append(n.Known, discv5.KnownNode{
			Record: records[i%len(records)], Distance: distance, Member: i%8 != 7, Live: i%10 != 0, Inbound: i%3 > 0,
			Added: now.Add(-time.Duration(rnd.ExpFloat64() * float64(9*time.Hour))), LastSeen: now,
		})
	}
}

// Drive advances a page through a day of traffic, with a flood. advance is the page's method; each
// call is step later than the one before.
func (n *Node) Drive(begin time.Time, length, step time.Duration, advance func(time.Time)) {
	c := &n.Counts.Counters
	add := func(metric, value string, k float64) {
		if counter, ok := discv5.FindCounter(metric, value); ok {
			c[counter] += uint64(k * step.Seconds())
		}
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for at := step; at <= length; at += step {
		hour := at.Hours()
		load := max(900+500*math.Sin(hour/24*2*math.Pi)+120*rnd.NormFloat64(), 50)
		left := (length - at).Minutes()
		flood := left > 12 && left < 24 || left > 400 && left < 440
		add("packets_received_total", "", load)
		add("packets_sent_total", "", 0.92*load)
		add("handshakes_total", "recipient", load/22)
		add("dropped_total", "handshake_unchallenged", 0.4)
		add("dropped_total", "replay", 0.3)
		if flood {
			add("packets_received_total", "", 9000)
			add("dropped_total", "rate_unverified", 7800)
			add("dropped_total", "handshake_prefix_quota", 31)
			n.Counts.Sockets.KernelDrops += uint64(17 * step.Seconds())
			n.Limited = []discv5.LimitedSource{
				{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Cause: find("rate_unverified")},
				{Prefix: netip.MustParsePrefix("198.51.100.66/32"), Cause: find("rate_handshake")},
				{Prefix: netip.MustParsePrefix("2001:db8:77::/48"), Cause: find("rate_unverified")},
			}
		} else {
			n.Limited = nil
		}
		n.Counts.Sessions.Sessions = int(21000 + 6000*math.Sin(hour/24*2*math.Pi-0.6))
		n.Counts.Sessions.Challenges = int(load / 20)
		n.Counts.Tasks = int(load / 200)
		n.Counts.Live, n.Counts.Table = int(250+20*math.Sin(hour)), 290
		for i, bucket := range []float64{0.02, 0.1, 0.35, 0.3, 0.12, 0.06, 0.03, 0.02} {
			k := uint64(math.Ceil(bucket * load / 22 * step.Seconds()))
			if flood {
				i += 3
			}
			n.Latencies[discv5.LatencyAccepted].Counts[3+i] += k
			n.Latencies[discv5.LatencyPing].Counts[20+i] += k / 8
			n.Latencies[discv5.LatencyFindNode].Counts[21+i] += k / 30
			n.Latencies[discv5.LatencyInitiated].Counts[22+i] += k / 50
		}
		if int(at/step)%20 == 0 {
			n.sessions(begin.Add(at), rnd)
		}
		advance(begin.Add(at))
	}
}

// sessions makes a few hundred sessions of new peers.
func (n *Node) sessions(now time.Time, rnd *rand.Rand) {
	n.Open = n.Open[:0]
	for range 400 {
		var id enr.ID
		for i := range id {
			id[i] = byte(rnd.Uint32())
		}
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(11 + rnd.IntN(100)), byte(rnd.Uint32()), byte(rnd.Uint32()), 9}), 9000)
		n.Open = append(n.Open, discv5.Session{ID: id, Addr: at, Since: now, Used: now})
	}
}

func find(cause string) discv5.Counter {
	c, ok := discv5.FindCounter("dropped_total", cause)
	if !ok {
		panic(fmt.Sprintf("no cause %s", cause))
	}
	return c
}

// AllCauses makes every cause drop something.
func (n *Node) AllCauses() {
	for c := range discv5.NumCounters {
		if c.Info().Metric == "dropped_total" {
			n.Counts.Counters[c] += 1 << 40
		}
	}
}
