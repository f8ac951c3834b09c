package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// network is a set of engines joined by a queue of datagrams on virtual time.
type network struct {
	*wiretest.Net
	t     testing.TB
	now   time.Duration
	nodes map[netip.AddrPort]*node
	order []*node
	rng   *rand.Rand
}

type node struct {
	net  *network
	addr netip.AddrPort
	// second, if valid, is the node's address of the other family.
	second netip.AddrPort
	// homes, if not nil, are the node's local addresses; addr is the one that it sends from by
	// default.
	homes map[Via]netip.AddrPort
	key   *enr.PrivateKey
	rec   *enr.Record
	e     *Engine
	w     *Worker
	buf   [codec.MaxPacketSize]byte
	// holdTasks keeps handshakes in the queue.
	holdTasks bool
	events    []Event
}

func (n *node) Buffer() []byte { return n.buf[:] }
func (n *node) Commit(size int, to netip.AddrPort, via Via) {
	from := n.addr
	if a, ok := n.homes[via]; ok {
		from = a
	}
	if n.second.IsValid() && n.second.Addr().Is4() == to.Addr().Is4() {
		from = n.second
	}
	n.net.Send(from, to, n.buf[:size])
}

func newNetwork(t testing.TB) *network {
	nw := &network{Net: wiretest.NewNet(), t: t, nodes: make(map[netip.AddrPort]*node), rng: rand.New(rand.NewPCG(1, 2))}
	nw.Receive = func(d wiretest.Datagram) {
		if n := nw.nodes[d.To]; n != nil {
			n.receive(nw.now, d)
			n.runTasks()
		}
	}
	return nw
}

// add starts a node at addr, with bootnodes. change may alter its configuration.
func (nw *network) add(addr string, change func(*Config), boot ...Peer) *node {
	nw.t.Helper()
	ap := netip.MustParseAddrPort(addr)
	r := wiretest.Reader(uint64(len(nw.order)) + 100)
	key, err := enr.GenerateKey(r)
	if err != nil {
		nw.t.Fatal(err)
	}
	b := enr.NewBuilder().SetIP(ap.Addr())
	if ap.Addr().Is4() {
		b.SetUDP(ap.Port())
	} else {
		b.SetUDP6(ap.Port())
	}
	rec, err := b.Sign(key)
	if err != nil {
		nw.t.Fatal(err)
	}
	n := &node{net: nw, addr: ap, key: key, rec: rec}
	cfg := Config{Key: key, Record: rec, IPv4: true, IPv6: true, Random: r, OnEvent: func(e Event) { n.events = append(n.events, e) }}
	if change != nil {
		change(&cfg)
	}
	n.start(cfg)
	n.e.SetBootnodes(boot)
	nw.nodes[ap] = n
	nw.order = append(nw.order, n)
	return n
}

func (n *node) start(cfg Config) {
	var err error
	if n.e, err = New(cfg); err != nil {
		n.net.t.Fatal(err)
	}
	if n.w, err = n.e.NewWorker(n, 1); err != nil {
		n.net.t.Fatal(err)
	}
}

// deliver moves datagrams until none are under way.
func (nw *network) deliver() { nw.Deliver(nw.t) }

// receive serves a datagram, which arrived at one of n's local addresses if it has several.
func (n *node) receive(now time.Duration, d wiretest.Datagram) {
	for via, a := range n.homes {
		if a == d.To {
			n.w.Begin(now)
			n.w.AddVia(via, d.From, d.B)
			n.w.Flush()
			return
		}
	}
	n.w.Receive(now, d.From, d.B)
}

func (n *node) runTasks() {
	for !n.holdTasks && n.w.RunTask() {
	}
}

// run lets time pass in steps of 50 ms.
func (nw *network) run(d time.Duration) {
	for end := nw.now + d; nw.now < end; {
		nw.now += 50 * time.Millisecond
		for _, n := range nw.order {
			n.w.Tick(nw.now)
			n.runTasks()
		}
		nw.deliver()
	}
}

// peer is n as another node knows it by its record.
func (n *node) peer() Peer {
	p, err := n.e.PeerOf(n.rec)
	if err != nil {
		n.net.t.Fatal(err)
	}
	return p
}

// call sends a request and runs until it has ended.
func (n *node) call(r Request) Result {
	n.net.t.Helper()
	var got []Result
	r.Done = func(_ *Worker, res Result) { got = append(got, res) }
	n.w.Begin(n.net.now)
	n.w.Start(r)
	n.net.deliver()
	for i := 0; len(got) == 0; i++ {
		if i == 200 {
			n.net.t.Fatal("request has not ended after 10 s")
		}
		n.net.run(50 * time.Millisecond)
	}
	if len(got) != 1 {
		n.net.t.Fatalf("request ended %d times", len(got))
	}
	return got[0]
}

func (n *node) ping(to *node) Result {
	return n.call(Request{Type: codec.TypePing, Peer: to.peer()})
}

func TestPing(t *testing.T) {
	for _, c := range []struct{ name, a, b string }{
		{"IPv4", "10.0.0.1:9000", "10.0.0.2:9000"},
		{"IPv6", "[fd00::1]:9000", "[fd00::2]:9001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, b := nw.add(c.a, nil), nw.add(c.b, nil)
			for i := range 3 {
				r := a.ping(b)
				if r.Err != nil {
					t.Fatalf("ping %d: %v", i, r.Err)
				}
				if r.Pong.Recipient != a.addr {
					t.Errorf("ping %d: PONG names %v, want %v", i, r.Pong.Recipient, a.addr)
				}
			}
			if ca, cb := a.e.Counters(), b.e.Counters(); ca[HandshakesSent] != 1 || cb[HandshakesReceived] != 1 || ca[OutRandom] != 1 {
				t.Errorf("handshakes: %d sent, %d received, %d random packets; want 1 each", ca[HandshakesSent], cb[HandshakesReceived], ca[OutRandom])
			}
			if r := b.ping(a); r.Err != nil {
				t.Fatalf("ping back: %v", r.Err)
			}
			if c := b.e.Counters(); c[OutRandom] != 0 {
				t.Error("ping back did not use the session")
			}
		})
	}
}

func TestFindNodeOwnRecord(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	r := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{0}})
	if r.Err != nil || len(r.Records) != 1 || r.Records[0].ID() != b.rec.ID() {
		t.Fatalf("got %v, %v", r.Records, r.Err)
	}
}

func TestTalkUnknownProtocol(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	r := a.call(Request{Type: codec.TypeTalkRequest, Peer: b.peer(), Protocol: []byte("nobody"), Payload: []byte("x")})
	if r.Err != nil || len(r.Payload) != 0 {
		t.Fatalf("got %q, %v", r.Payload, r.Err)
	}
}

func TestTimeout(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	nw.Drop = func(_, to netip.AddrPort, _ []byte) bool { return to == b.addr }
	if r := a.ping(b); r.Err != ErrTimeout {
		t.Fatalf("got %v, want ErrTimeout", r.Err)
	}
	if n := a.e.Pending(); n != 0 {
		t.Errorf("%d requests pending", n)
	}
	if len(a.e.calls.peers) != 0 {
		t.Error("a peer is left over")
	}
}

// A swarm whose nodes know one bootnode find each other, and lookups end at the true closest nodes.
func TestSwarm(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add("10.0.0.1:9000", nil)
	const n = 24
	for i := range n {
		nw.add(fmt.Sprintf("10.0.%d.2:9000", i+1), func(c *Config) {
			c.RefreshInterval = 10 * time.Second
		}, boot.peer())
	}
	nw.run(2 * time.Minute)
	least := n
	for _, nd := range nw.order {
		least = min(least, nd.e.Table().LiveLen())
	}
	if least < n/2 {
		t.Errorf("a node knows only %d of %d others", least, n)
	}
	t.Logf("every node knows at least %d of %d others", least, n)
}

// A request that fills a packet has no room beside a handshake: it follows it.
func TestLargestTalkRequest(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("10.0.0.1:9000", nil), nw.add("10.0.0.2:9000", nil)
	for range 2 { // without and with a session
		r := a.call(Request{Type: codec.TypeTalkRequest, Peer: b.peer(), Protocol: []byte("p"), Payload: make([]byte, codec.MaxTalkRequest-1)})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if n := b.e.Counters()[InTalkRequest]; n != 2 {
		t.Errorf("%d requests arrived", n)
	}
	if r := a.call(Request{Type: codec.TypeTalkRequest, Peer: b.peer(), Protocol: []byte("p"), Payload: make([]byte, codec.MaxTalkRequest)}); r.Err != ErrTooLarge {
		t.Errorf("one byte more: %v", r.Err)
	}
}

// A node is told that its record is known, and leaves the table before its handshake comes: without
// a record.
func TestRecordForgottenDuringHandshake(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("10.0.0.2:9000", nil)
	s := nw.scriptedPeer("10.0.0.9:9", 7).listen()
	s.connect(b)
	s.got = nil
	ch := s.challenge(b)
	if ch.RecordSeq != s.Record.Seq() {
		t.Fatalf("WHOAREYOU names record %d, want %d", ch.RecordSeq, s.Record.Seq())
	}
	b.e.table.Remove(nw.now, s.Record.ID())
	h := s.answer(ch, b, ping(1))
	h.Record = nil
	nw.inject(s.Addr, b, s.encode(h, b))
	s.Keys = h.Keys
	if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
		t.Error("the handshake was refused")
	}
}
