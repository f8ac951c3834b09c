package engine

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// lookupNet is a network for the benchmark of lookups: it copies datagrams into a ring and does not
// allocate, so that all memory that the benchmark reports is the engines'.
type lookupNet struct {
	now   time.Duration
	nodes map[netip.AddrPort]*lookupNode
	ring  [1024]lookupDatagram
	head  int // next datagram to deliver
	tail  int // next free slot
	// in is the time that the first node, which makes the lookups, takes.
	in time.Duration
}

type lookupDatagram struct {
	from, to netip.AddrPort
	size     int
	b        [codec.MaxPacketSize]byte
}

type lookupNode struct {
	net  *lookupNet
	addr netip.AddrPort
	rec  *enr.Record
	e    *Engine
	w    *Worker
	buf  [codec.MaxPacketSize]byte
}

func (n *lookupNode) Buffer() []byte { return n.buf[:] }
func (n *lookupNode) Commit(size int, to netip.AddrPort, _ Via) {
	d := &n.net.ring[n.net.tail%len(n.net.ring)]
	d.from, d.to, d.size = n.addr, to, copy(d.b[:], n.buf[:size])
	n.net.tail++
}

// deliver moves datagrams until none are under way. The time that first takes is added up.
func (nw *lookupNet) deliver(tb testing.TB, first *lookupNode) {
	for nw.head < nw.tail {
		if nw.tail-nw.head > len(nw.ring) {
			tb.Fatal("too many datagrams under way")
		}
		d := &nw.ring[nw.head%len(nw.ring)] // its slot is not used again before deliver has left it
		nw.head++
		n := nw.nodes[d.to]
		if n == nil {
			continue
		}
		start := time.Now()
		n.w.Receive(nw.now, d.from, d.b[:d.size])
		for n.w.RunTask() {
		}
		if n == first {
			nw.in += time.Since(start)
		}
	}
}

// newLookupNet makes a network in which each node has all others in its table, as far as there is
// room. change, if not nil, may alter the configuration of the i-th node.
func newLookupNet(tb testing.TB, size int, change func(i int, c *Config)) (*lookupNet, []*lookupNode) {
	tb.Helper()
	nw := &lookupNet{now: time.Minute, nodes: make(map[netip.AddrPort]*lookupNode, size)}
	list := make([]*lookupNode, size)
	for i := range list {
		r := wiretest.Reader(uint64(i) + 5000)
		key, err := enr.GenerateKey(r)
		if err != nil {
			tb.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i%100), byte(i / 100), 1, 1}), 9000)
		rec, err := enr.NewBuilder().SetSeq(40).SetIP(addr.Addr()).SetUDP(9000).SetTCP(9000).SetQUIC(9001).
			SetBytes("eth2", make([]byte, 16)).SetBytes("attnets", make([]byte, 8)).SetBytes("syncnets", make([]byte, 1)).
			SetUint("cgc", 4).SetBytes("nfd", make([]byte, 4)).Sign(key)
		if err != nil {
			tb.Fatal(err)
		}
		n := &lookupNode{net: nw, addr: addr, rec: rec}
		cfg := Config{
			Key: key, Record: rec, IPv4: true, Random: r, Records: 4 * size,
			Session: session.Config{MaxSessions: 4 * size, MaxChallenges: 64}, MaxRequests: 256, MaxTasks: 64,
		}
		if change != nil {
			change(i, &cfg)
		}
		if n.e, err = New(cfg); err != nil {
			tb.Fatal(err)
		}
		if n.w, err = n.e.NewWorker(n, 1); err != nil {
			tb.Fatal(err)
		}
		list[i], nw.nodes[addr] = n, n
	}
	for _, n := range list {
		for _, o := range list {
			if o != n {
				n.e.table.Add(nw.now, table.NewNode(o.rec, o.addr, false))
				n.e.table.MarkLive(nw.now, o.rec.ID(), o.addr)
			}
		}
	}
	return nw, list
}

// BenchmarkLookup measures a lookup with all of its work: some 17 FINDNODE, and parsing and
// checking the records of the responses, which the node has seen before. asker-ns is the time of
// the node that makes the lookup; ns/op is that of the whole network.
func BenchmarkLookup(b *testing.B) {
	nw, list := newLookupNet(b, 200, nil)
	first := list[0]
	rng := rand.New(rand.NewPCG(1, 2))
	found, results, queries := 0, 0, 0
	run := func(target enr.ID) {
		ended := false
		start := time.Now()
		first.w.Begin(nw.now)
		h := first.w.StartLookup(target, lookup.Config{}, func(*enr.Record) { found++ }, func() { ended = true })
		nw.in += time.Since(start)
		nw.deliver(b, first)
		if !ended {
			b.Fatal("the lookup has not ended")
		}
		start = time.Now()
		for _, p := range h.Results() {
			if p.Record != nil {
				results++
			}
		}
		nw.in += time.Since(start)
		queries += h.Progress().Queries
	}
	for _, n := range list[1:] { // makes the sessions
		run(n.rec.ID())
	}
	var target enr.ID
	next := func() enr.ID {
		for i := range target {
			target[i] = byte(rng.Uint32())
		}
		return target
	}
	nw.in, found, results, queries = 0, 0, 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		run(next())
	}
	n := float64(b.N)
	b.ReportMetric(float64(nw.in)/n, "asker-ns/op")
	b.ReportMetric(float64(found)/n, "heard/op")
	b.ReportMetric(float64(results)/n, "results/op")
	b.ReportMetric(float64(queries)/n, "queries/op")
}
