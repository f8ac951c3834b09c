package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
)

// Tests of the rules that keep this node from being used against a third party. Each counts what
// reaches a victim and what the attackers have sent; docs/THREATS.md has the figures that they log.

// flow counts the datagrams to a victim, and those of the attackers.
type flow struct {
	nw       *network
	victim   netip.AddrPort
	at       []time.Duration // when a datagram went to the victim
	bytes    int
	paid     int // datagrams of the attackers
	paidSize int
}

// watch counts datagrams that n sends to the address of victim, whatever the port, and those that n
// gets from anybody.
func (nw *network) watch(n *node, victim netip.AddrPort) *flow {
	f := &flow{nw: nw, victim: victim}
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, b []byte) {
		switch {
		case from == n.addr && to.Addr() == victim.Addr():
			f.at = append(f.at, nw.now)
			f.bytes += len(b)
		case to == n.addr:
			f.paid++
			f.paidSize += len(b)
		}
	})
	return f
}

// worstSecond is the largest number of datagrams to the victim within a second.
func (f *flow) worstSecond() (worst int) {
	for i := range f.at {
		n := 0
		for _, later := range f.at[i:] {
			if later-f.at[i] < time.Second {
				n++
			}
		}
		worst = max(worst, n)
	}
	return worst
}

// report checks the bounds that hold for every path, and logs the figures.
func (f *flow) report(path string, most int) {
	f.nw.t.Helper()
	if n := f.worstSecond(); n > budget.MaxPerSecond {
		f.nw.t.Errorf("%s: %d packets to the victim in one second, at most %d", path, n, budget.MaxPerSecond)
	}
	if len(f.at) > most {
		f.nw.t.Errorf("%s: %d packets to the victim, want at most %d", path, len(f.at), most)
	}
	if len(f.at) > f.paid || f.bytes > f.paidSize {
		f.nw.t.Errorf("%s: %d packets of %d bytes to the victim for %d of %d", path, len(f.at), f.bytes, f.paid, f.paidSize)
	}
	f.nw.t.Logf("%s: %d packets, %d bytes to the victim for %d packets, %d bytes of the attackers: %.2f, %.2f; %d in the worst second",
		path, len(f.at), f.bytes, f.paid, f.paidSize, float64(len(f.at))/float64(f.paid), float64(f.bytes)/float64(f.paidSize), f.worstSecond())
}

// serve answers the requests that have arrived: PING with PONG, FINDNODE of distance 0 with the
// peer's record and others with the records given. It returns how many packets arrived.
func (s *scriptedPeer) serve(n *node, records ...*enr.Record) (k int) {
	for len(s.got) > 0 {
		p, _ := s.take()
		k++
		if p.Flag != codec.FlagMessage || s.Keys == nil {
			continue
		}
		m, err := s.Keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			continue
		}
		t, body, err := codec.SplitMessage(m)
		if err != nil {
			continue
		}
		var ping codec.Ping
		var find codec.FindNode
		switch {
		case t == codec.TypePing && ping.Decode(body) == nil:
			pong := codec.Pong{RequestID: ping.RequestID, RecordSeq: s.Record.Seq(), Recipient: n.addr}
			s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, pong.Append(nil)))
		case t == codec.TypeFindNode && find.Decode(body) == nil:
			list := records
			if d, ok := find.Distances.Next(); ok && d == 0 {
				list = []*enr.Record{s.Record}
			}
			s.nodes(n, find.RequestID, list)
		}
	}
	return k
}

// nodes sends records as a NODES answer, eight in a packet.
func (s *scriptedPeer) nodes(n *node, id codec.RequestID, list []*enr.Record) {
	total := max((len(list)+7)/8, 1)
	for i := range total {
		m := codec.Nodes{RequestID: id, Total: uint64(total)}
		for _, r := range list[min(8*i, len(list)):min(8*i+8, len(list))] {
			m.Records = append(m.Records, r.Bytes()...)
		}
		s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, m.Append(nil)))
	}
}

// announce tells n, in a PING, that the peer has a newer record.
func (s *scriptedPeer) announce(n *node) {
	s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, ping(s.Record.Seq())))
}

// S28: peers that move to a third party's address by newer records, or name it in the record of
// their handshake, have it probed once each, and then no more, however long one waits and whatever
// else the node does.
func TestS28MovedToThirdParty(t *testing.T) {
	victim := netip.MustParseAddrPort("77.7.7.7:5000")
	for _, c := range []struct {
		name  string
		moved bool // by a newer record; else in the handshake
	}{{"newer record", true}, {"record of the handshake", false}} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", nil)
			f := nw.watch(a, victim)
			const n = 64
			var list []*scriptedPeer
			for i := range n {
				s := nw.scriptedPeer(fmt.Sprintf("30.%d.1.1:9000", i), uint64(i)+500).listen()
				if !c.moved {
					s.renewed(func(b *enr.Builder) { b.SetIP(victim.Addr()).SetUDP(uint16(5000 + i)) })
				}
				s.connect(a)
				list = append(list, s)
				nw.run(50 * time.Millisecond)
			}
			if c.moved {
				nw.run(2 * time.Second)
				for i, s := range list {
					s.serve(a)
					s.renewed(func(b *enr.Builder) { b.SetIP(victim.Addr()).SetUDP(uint16(5000 + i)) })
					s.announce(a)
					nw.run(50 * time.Millisecond)
					s.serve(a)
				}
			}
			nw.run(time.Hour) // the attackers are silent
			if len(f.at) == 0 {
				t.Error("the endpoints that nodes state are never tested")
			}
			f.report("S28 "+c.name, n)
		})
	}
}

// S29: peers of many prefixes hand out records of a third party, each under identities of its own.
// The victim gets no more packets than the peers have sent to name it.
func TestS29ManyNameOneThirdParty(t *testing.T) {
	victim := netip.MustParseAddrPort("77.7.7.7:5000")
	for _, c := range []struct {
		name string
		at   func(i int) netip.AddrPort
	}{
		{"one endpoint", func(int) netip.AddrPort { return victim }},
		{"its ports", func(i int) netip.AddrPort { return netip.AddrPortFrom(victim.Addr(), uint16(5000+i)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", nil)
			f := nw.watch(a, victim)
			var list []*scriptedPeer
			names := make(map[*scriptedPeer][]*enr.Record)
			seed := uint64(1000)
			for i := range 15 {
				s := nw.scriptedPeer(fmt.Sprintf("30.%d.1.1:9000", i), uint64(i)+500).listen()
				s.connect(a)
				list = append(list, s)
				for len(names[s]) < 16 {
					seed++
					if g := nw.scriptedPeer(c.at(len(names[s])).String(), seed); enr.LogDistance(s.Record.ID(), g.Record.ID()) == 256 {
						names[s] = append(names[s], g.Record)
					}
				}
			}
			for range 600 { // a minute
				nw.run(100 * time.Millisecond)
				for _, s := range list {
					s.serve(a, names[s]...)
				}
			}
			if len(f.at) == 0 || a.e.Counters()[BudgetUnfunded] == 0 {
				t.Error("nobody asked the victim: this tests nothing")
			}
			f.report("S29 "+c.name, 240)
		})
	}
}

// S28: the other family of a node's record, and retries, are within the budget too.
func TestS28OtherFamily(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", func(c *Config) { c.Resend = 3 })
	a.second = netip.MustParseAddrPort("[2a01::1]:9000")
	victim := netip.MustParseAddrPort("[2a02::7]:5000")
	f := nw.watch(a, victim)
	nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, b []byte) { // sent from a's second address
		if from == a.second && to.Addr() == victim.Addr() {
			f.at = append(f.at, nw.now)
			f.bytes += len(b)
		}
	})
	const n = 20
	var list []*scriptedPeer
	for i := range n {
		s := nw.scriptedPeer(fmt.Sprintf("30.%d.1.1:9000", i), uint64(i)+500).listen()
		s.renewed(func(b *enr.Builder) { b.SetIP(victim.Addr()).SetUDP6(uint16(5000 + i)) })
		s.connect(a)
		list = append(list, s)
	}
	for range 1200 { // two minutes, in which they answer, then four in which they do not
		nw.run(100 * time.Millisecond)
		for _, s := range list {
			s.serve(a)
		}
	}
	nw.run(4 * time.Minute)
	if len(f.at) == 0 {
		t.Error("the second family is never tested")
	}
	f.report("S28 other family", n)
}

// S30: before an answer larger than its request, an endpoint has answered within the last minutes.
// A peer that is gone gets a PING now and then, and small answers.
func TestS30SilentPeerGetsNoLargeAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		wait time.Duration
	}{{"soon after it left the table", time.Minute}, {"long after", time.Hour}} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", nil)
			s := nw.scriptedPeer("30.1.1.1:9000", 7).listen()
			s.connect(a)
			nw.run(c.wait)
			fillTable(a, 16)
			if _, ok := a.e.table.Seq(s.Record.ID()); ok {
				t.Fatal("still in the table")
			}
			f := nw.watch(a, s.Addr)
			for range 50 {
				nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, askFor(256, 255, 254)))
				nw.run(100 * time.Millisecond)
			}
			f.report("S30 silent peer", 50)
			for _, m := range [][]byte{ping(1), askFor(100)} { // a distance at which nobody is
				s.got = nil
				nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, m))
				if len(s.got) == 0 {
					t.Errorf("message %x got no small answer", m)
				}
			}
		})
	}
}

// S30: an honest peer gets its answer in full, one round trip later.
func TestS30HonestPeerGetsAnswer(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	b := nw.add("30.1.1.1:9000", nil)
	a.e.cfg.Talk = echo{a}
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.now += time.Hour // nobody has said a word
	fillTable(a, 16)
	for i := range 3 {
		r := b.call(Request{Type: codec.TypeFindNode, Peer: a.peer(), Distances: []uint{256, 255, 254}})
		if r.Err != nil || len(r.Records) < 10 {
			t.Errorf("request %d: %d records, %v", i, len(r.Records), r.Err)
		}
	}
	if n := a.e.Counters()[AnswersWithheld]; n != 1 {
		t.Errorf("%d answers were withheld, want 1", n)
	}
	nw.now += time.Hour
	payload := make([]byte, 1000)
	r := b.call(Request{Type: codec.TypeTalkRequest, Peer: a.peer(), Protocol: []byte("echo"), Payload: []byte("x")})
	if r.Err != nil || len(r.Payload) != len(payload) {
		t.Errorf("TALK: %d bytes, %v", len(r.Payload), r.Err)
	}
	if n := a.e.Counters()[AnswersWithheld]; n != 2 {
		t.Errorf("%d answers were withheld, want 2", n)
	}
	// Several requests together, and more than are kept.
	nw.now += time.Hour
	fillTable(a, 16)
	got, before := 0, a.e.Counters()[DropUnproven]
	b.w.Begin(nw.now)
	for range maxWithheldEach + 2 {
		b.w.Start(Request{Type: codec.TypeFindNode, Peer: a.peer(), Distances: []uint{256}, Done: func(_ *Worker, r Result) {
			if r.Err == nil {
				got++
			}
		}})
	}
	nw.run(5 * time.Second)
	if got != maxWithheldEach || a.e.Counters()[DropUnproven]-before < 2 {
		t.Errorf("%d of %d concurrent requests were answered, %d dropped", got, maxWithheldEach+2, a.e.Counters()[DropUnproven]-before)
	}
}

// echo answers TALK requests immediately with 1000 bytes.
type echo struct{ n *node }

func (echo) Registered([]byte) bool { return true }
func (e echo) Talk(r TalkRequest) bool {
	e.n.w.Talk(r, make([]byte, 1000))
	return true
}

// S30: a peer that does not answer gets no large TALK responses either.
func TestS30SilentPeerGetsNoLargeTalkResponses(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	a.e.cfg.Talk = echo{a}
	s := nw.scriptedPeer("30.1.1.1:9000", 7).listen()
	s.connect(a)
	nw.run(time.Minute)
	f := nw.watch(a, s.Addr)
	id, _ := codec.NewRequestID([]byte{9})
	for range 50 {
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, (&codec.TalkRequest{RequestID: id, Protocol: []byte("echo")}).Append(nil)))
		nw.run(100 * time.Millisecond)
	}
	f.report("S30 TALK", 50)
}

// fillTable puts k live nodes into a table.
func fillTable(a *node, k int) {
	for i := range k {
		s := a.net.scriptedPeer(fmt.Sprintf("40.%d.1.1:9000", i), uint64(i)+5000)
		a.e.table.Add(a.net.now, tableNode(s))
		a.e.table.MarkLive(a.net.now, s.Record.ID(), s.Addr)
	}
}

// askFor is a FINDNODE message.
func askFor(distances ...uint) []byte {
	id, _ := codec.NewRequestID([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	d, _, err := codec.NewDistances(nil, distances)
	if err != nil {
		panic(err)
	}
	return (&codec.FindNode{RequestID: id, Distances: d}).Append(nil)
}

// S31: nodes at ports of well-known services are not contacted because others name them, and are
// not relayed, unless the configuration says so.
func TestS31LowPorts(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		t.Run(fmt.Sprintf("LowPorts %v", allowed), func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", func(c *Config) { c.LowPorts = allowed })
			contacted := make(map[netip.AddrPort]bool)
			nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
				if from == a.addr {
					contacted[to] = true
				}
			})
			s := nw.scriptedPeer("30.1.1.1:9000", 7).listen()
			s.connect(a)
			var named []*enr.Record
			ports := []uint16{53, 123, 161, 1023, 1024}
			for seed := uint64(100); len(named) < len(ports); seed++ {
				at := fmt.Sprintf("40.%d.1.1:%d", len(named), ports[len(named)])
				if g := nw.scriptedPeer(at, seed); enr.LogDistance(s.Record.ID(), g.Record.ID()) == 256 {
					named = append(named, g.Record)
				}
			}
			for range 100 {
				nw.run(100 * time.Millisecond)
				s.serve(a, named...)
			}
			for _, r := range named {
				at, _ := r.UDPEndpoint4()
				if want := allowed || at.Port() >= 1024; contacted[at] != want {
					t.Errorf("port %d: contacted %v, want %v", at.Port(), contacted[at], want)
				}
			}
			// A node's own claim, and a node that is there itself.
			claim := nw.scriptedPeer("30.2.1.1:9000", 8).listen()
			claim.renewed(func(b *enr.Builder) { b.SetUDP(53) })
			claim.connect(a)
			nw.run(time.Second)
			if at := netip.AddrPortFrom(claim.Addr.Addr(), 53); contacted[at] != allowed {
				t.Errorf("a claim: contacted %v, want %v", contacted[at], allowed)
			}
			there := nw.scriptedPeer("30.3.1.1:53", 9).listen()
			there.connect(a)
			for range 20 {
				nw.run(100 * time.Millisecond)
				there.serve(a)
			}
			if relayed := a.e.table.Relay(enr.LogDistance(a.e.ID(), there.Record.ID())); (relayed.Len() == 1) != allowed {
				t.Errorf("%d relayed of a node at port 53", relayed.Len())
			}
		})
	}
}

// S44: nodes that raise the number of their record in each PING are asked for it within the budget
// of their network. An honest node is asked within three seconds.
func TestS44RecordFetches(t *testing.T) {
	for _, c := range []struct {
		name string
		at   string // of attacker i
		most int    // fetches in ten seconds
	}{
		{"one network", "30.1.1.%d:9000", 10*budget.MaxClaimsPerSecond/2 + budget.MaxClaimsPerSecond},
		{"many networks", "30.%d.1.1:9000", 24 * (10*budget.MaxClaimsPerSecond/2 + budget.MaxClaimsPerSecond)},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", nil)
			honest := nw.add("50.1.1.1:9000", nil)
			var evil []*scriptedPeer
			for i := range 24 {
				s := nw.scriptedPeer(fmt.Sprintf(c.at, i+1), uint64(i)+500).listen()
				// Its record names another port, so that it is not in the table.
				s.renewed(func(b *enr.Builder) { b.SetUDP(9001) })
				s.connect(a)
				evil = append(evil, s)
			}
			if r := honest.ping(a); r.Err != nil {
				t.Fatal(r.Err)
			}
			nw.run(10 * time.Second)
			before := a.e.Counters()[OutFindNode]
			seq := uint64(1000)
			var fetched time.Duration
			for step := range 200 { // 10 s; 300 PINGs a second in all
				for i := range 15 {
					seq++
					s := evil[(step*15+i)%len(evil)]
					s.got = nil
					nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, ping(seq)))
				}
				if step == 20 {
					honest.name(t, honest.addr)
					honest.w.Begin(nw.now)
					honest.w.Start(Request{Type: codec.TypePing, Peer: a.peer(), Done: func(*Worker, Result) {}})
				}
				nw.run(50 * time.Millisecond)
				if have, _ := a.e.table.Seq(honest.e.ID()); fetched == 0 && have == honest.e.Record().Seq() && step > 20 {
					fetched = time.Duration(step-20) * 50 * time.Millisecond
				}
			}
			if n := int(a.e.Counters()[OutFindNode] - before); n > c.most || n == 0 {
				t.Errorf("%d records fetched in ten seconds, want at most %d", n, c.most)
			}
			if fetched == 0 || fetched > 3*time.Second {
				t.Errorf("the honest record came after %v", fetched)
			}
		})
	}
}
