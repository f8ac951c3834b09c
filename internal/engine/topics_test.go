package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// registrar adds a registrar to the network. Its record says so.
func (nw *network) registrar(addr string, change func(*Config), boot ...Peer) *node {
	nw.t.Helper()
	n := nw.add(addr, func(c *Config) {
		c.Registrar = &topic.Config{}
		r, err := c.Record.Edit().SetTopicVersion(enr.TopicVersion).Sign(c.Key)
		if err != nil {
			nw.t.Fatal(err)
		}
		c.Record = r
		if change != nil {
			change(c)
		}
	}, boot...)
	n.rec = n.e.Record()
	return n
}

func (n *node) registerAt(to *node, t topic.Topic, ticket []byte, distances ...uint) Result {
	return n.call(Request{Type: codec.TypeRegTopic, Peer: to.peer(), Topic: t, Ticket: ticket, Distances: distances})
}

func (n *node) query(to *node, t topic.Topic, distances ...uint) Result {
	return n.call(Request{Type: codec.TypeTopicQuery, Peer: to.peer(), Topic: t, Distances: distances})
}

// holds reports whether a registrar has an ad of a node.
func (n *node) holds(t topic.Topic, id enr.ID) bool {
	return slices.ContainsFunc(n.e.Registrar().Ads(n.net.now, t, 100, nil), func(a topic.Ad) bool { return a.ID == id })
}

func TestRegisterAndQuery(t *testing.T) {
	for _, c := range []struct {
		name    string
		a, b, c string
		first   bool
	}{
		{"IPv4", "7.0.0.1:9000", "8.0.0.1:9000", "9.0.0.1:9000", false},
		{"IPv6", "[2001:4860:1::1]:9000", "[2001:4860:2::1]:9000", "[2001:4860:3::1]:9000", false},
		{"order of the reference fork", "7.0.0.1:9000", "8.0.0.1:9000", "9.0.0.1:9000", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, b, asker := nw.add(c.a, nil), nw.registrar(c.b, nil), nw.add(c.c, nil)
			top := topic.Of("test")
			r := a.call(Request{Type: codec.TypeRegTopic, Peer: b.peer(), Topic: top, TicketFirst: c.first})
			if r.Err != nil || len(r.Ticket) != 0 || r.Wait != topic.DefaultLifetime {
				t.Fatalf("registration in an empty cache: %v, ticket %x, wait %v", r.Err, r.Ticket, r.Wait)
			}
			q := asker.query(b, top)
			if q.Err != nil || len(q.Ads) != 1 || q.Ads[0].ID() != a.e.ID() || len(q.Records) != 0 {
				t.Fatalf("query: %v, %v", q.Ads, q.Err)
			}
			if q := a.query(b, top); q.Err != nil || len(q.Ads) != 0 {
				t.Errorf("the advertiser got its own record: %v, %v", q.Ads, q.Err)
			}
			if q := asker.query(b, topic.Of("another")); q.Err != nil || len(q.Ads) != 0 {
				t.Errorf("query for another topic: %v, %v", q.Ads, q.Err)
			}
			if !slices.ContainsFunc(b.events, func(e Event) bool { return e.Kind == AdAdmitted && e.ID == a.e.ID() && e.Topic == top }) {
				t.Error("no event for the admission")
			}
			nw.now += topic.DefaultLifetime
			nw.run(time.Second)
			if q := asker.query(b, top); q.Err != nil || len(q.Ads) != 0 {
				t.Errorf("query after the ad's lifetime: %v, %v", q.Ads, q.Err)
			}
			if !slices.ContainsFunc(b.events, func(e Event) bool { return e.Kind == AdExpired && e.ID == a.e.ID() && e.Topic == top }) {
				t.Error("no event for the end of the ad")
			}
		})
	}
}

// A second ad has to wait, and is admitted when it comes back with its ticket.
func TestRegisterWithTicket(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	nw.add("7.0.0.1:9000", nil).registerAt(b, topic.Of("one"), nil)
	a, top := nw.add("9.0.0.1:9000", nil), topic.Of("two")
	r := a.registerAt(b, top, nil)
	if r.Err != nil || len(r.Ticket) != topic.TicketSize || r.Wait < time.Second || r.Wait > topic.DefaultLifetime {
		t.Fatalf("first request: %v, ticket of %d bytes, wait %v", r.Err, len(r.Ticket), r.Wait)
	}
	if early := a.registerAt(b, top, r.Ticket); early.Err != nil || len(early.Ticket) == 0 {
		t.Fatalf("too early: %v, ticket %x", early.Err, early.Ticket)
	}
	nw.now += r.Wait
	if r = a.registerAt(b, top, r.Ticket); r.Err != nil || len(r.Ticket) != 0 {
		t.Fatalf("in time: %v, ticket %x, wait %v", r.Err, r.Ticket, r.Wait)
	}
	if !b.holds(top, a.e.ID()) {
		t.Error("the registrar lacks the ad")
	}
}

// fillTable puts nodes into n's table as if they had answered. Every second one is capable.
func (n *node) fillTable(count int) (capable, legacy []*enr.Record) {
	r := wiretest.Reader(77)
	for i := range count {
		key, err := enr.GenerateKey(r)
		if err != nil {
			n.net.t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i/200), byte(i), 1, 1}), 9000)
		b := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(9000)
		if i%2 == 0 {
			b.SetTopicVersion(enr.TopicVersion)
		}
		rec, err := b.Sign(key)
		if err != nil {
			n.net.t.Fatal(err)
		}
		n.e.table.Add(n.net.now, table.NewNode(rec, addr, false))
		n.e.table.MarkLive(n.net.now, rec.ID(), addr)
		if _, s, ok := n.e.table.Get(rec.ID()); ok && s.Member {
			if i%2 == 0 {
				capable = append(capable, rec)
			} else {
				legacy = append(legacy, rec)
			}
		}
	}
	return capable, legacy
}

// Auxiliary records are capable nodes at the distances from the topic that were asked for.
func TestAuxiliaryRecords(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	capable, _ := b.fillTable(400)
	asker := nw.add("9.0.0.1:9000", nil)
	for i := range 40 {
		top := topic.Of(fmt.Sprint(i))
		var distances []uint
		exists := map[int]bool{}
		for d := uint(256); d > 238; d-- {
			distances = append(distances, d)
		}
		for _, r := range capable {
			exists[top.Distance(r.ID())] = true
		}
		want := 0
		for _, d := range distances {
			if exists[int(d)] && want < maxAuxiliary {
				want++
			}
		}
		for name, r := range map[string]Result{
			"query":    asker.query(b, top, distances...),
			"register": asker.registerAt(b, top, nil, distances...),
		} {
			if r.Err != nil {
				t.Fatalf("%s: %v", name, r.Err)
			}
			if len(r.Records) != want {
				t.Errorf("%s of topic %d, own distance %d: %d auxiliary records, want %d", name, i, top.Distance(b.e.ID()), len(r.Records), want)
			}
			for _, rec := range r.Records {
				if !rec.SupportsTopics() {
					t.Errorf("%s: record without the capability", name)
				}
			}
		}
	}
	if c := asker.e.Counters(); c[DropNodeDistance] != 0 {
		t.Errorf("%d auxiliary records were refused", c[DropNodeDistance])
	}
}

// Each node of a list can be picked, and each by one number.
func TestPick(t *testing.T) {
	list := []choice{{nodes: 0b1111}, {nodes: 0}, {nodes: 1<<63 | 0b1010}, {nodes: ^uint64(0)}, {nodes: 0}, {nodes: 0b1000}}
	k := 0
	for i := range list {
		for bit := range 64 {
			if list[i].nodes>>bit&1 == 0 {
				continue
			}
			if c, got := pick(list, k); c != &list[i] || got != 1<<bit {
				t.Errorf("node %d: bit %#x, want bucket %d, bit %d", k, got, i, bit)
			}
			k++
		}
	}
}

// Repeated requests for one distance get different nodes.
func TestAuxiliaryRecordsAreRandom(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	b.fillTable(400)
	asker, top := nw.add("9.0.0.1:9000", nil), topic.Of("x")
	seen := map[enr.ID]int{}
	for range 200 {
		r := asker.query(b, top, 256)
		if len(r.Records) != 1 {
			t.Fatalf("%d records, %v", len(r.Records), r.Err)
		}
		seen[r.Records[0].ID()]++
	}
	for id, n := range seen {
		if n > 80 {
			t.Errorf("%s came %d times of 200", id.Short(), n)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d nodes", len(seen))
	}
}

// A node that is not a registrar is silent, and counts.
func TestTopicMessagesWithoutRegistrar(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("7.0.0.1:9000", nil), nw.add("8.0.0.1:9000", nil)
	if r := a.query(b, topic.Of("x")); r.Err != ErrTimeout {
		t.Errorf("query: %v", r.Err)
	}
	if r := a.registerAt(b, topic.Of("x"), nil); r.Err != ErrTimeout {
		t.Errorf("registration: %v", r.Err)
	}
	if c := b.e.Counters(); c[DropTopic] != 2 || c[InTopicQuery] != 1 || c[InRegTopic] != 1 {
		t.Errorf("%d dropped, %d queries, %d registrations", c[DropTopic], c[InTopicQuery], c[InRegTopic])
	}
}

func regTopic(id byte, t topic.Topic, record, ticket []byte, distances ...uint) []byte {
	rid, _ := codec.NewRequestID([]byte{id})
	d, _, _ := codec.NewDistances(nil, distances)
	return (&codec.RegTopic{RequestID: rid, Topic: t, Record: record, Ticket: ticket, Distances: d}).Append(nil)
}

func topicQuery(id byte, t topic.Topic, distances ...uint) []byte {
	rid, _ := codec.NewRequestID([]byte{id})
	d, _, _ := codec.NewDistances(nil, distances)
	return (&codec.TopicQuery{RequestID: rid, Topic: t, Distances: d}).Append(nil)
}

// say sends a message within the session with n.
func (s *scriptedPeer) say(n *node, message []byte) {
	s.got = nil
	s.nw.inject(s.Addr, n, s.message(s.Record.ID(), n, s.Keys, message))
	n.runTasks()
	s.nw.deliver()
}

// sign makes a record of the peer with another sequence number and address.
func (s *scriptedPeer) sign(seq uint64, addr netip.AddrPort) []byte {
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(addr.Addr()).SetUDP(addr.Port()).Sign(s.Key)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	return r.Bytes()
}

// Nobody registers an address from which it does not send, or a record of another node.
func TestT04ForeignAddress(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	s := nw.scriptedPeer("7.0.0.9:9000", 7).listen()
	s.connect(b)
	victim := nw.add("9.0.0.1:9000", nil)
	for name, record := range map[string][]byte{
		"another address":       s.sign(5, victim.addr),
		"a private address":     s.sign(6, netip.MustParseAddrPort("10.0.0.1:9000")),
		"another node's record": victim.rec.Bytes(),
	} {
		top := topic.Of(name)
		s.say(b, regTopic(1, top, record, nil))
		nw.now += 2 * time.Second
		b.w.Begin(nw.now)
		if len(s.got) != 0 {
			t.Errorf("%s: answered", name)
		}
		if b.holds(top, s.Record.ID()) || b.holds(top, victim.e.ID()) {
			t.Errorf("%s: registered", name)
		}
	}
	s.say(b, regTopic(2, topic.Of("x"), s.Record.Bytes(), nil))
	if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypeRegConfirmation) {
		t.Error("the peer's own record is refused as well")
	}
}

// A peer cannot end another peer's request, nor end its own twice.
func TestT16UnsolicitedTopicAnswers(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("7.0.0.1:9000", nil), nw.registrar("8.0.0.1:9000", nil)
	s := nw.scriptedPeer("9.0.0.9:9000", 7).listen()
	s.connect(a)
	b.holdTasks = true
	// b's answers are late
	nw.Drop = func(from, _ netip.AddrPort, _ []byte) bool { return from == b.addr }
	var got []Result
	a.w.Begin(nw.now)
	a.w.Start(Request{Type: codec.TypeRegTopic, Peer: b.peer(), Topic: topic.Of("x"), Done: func(_ *Worker, r Result) { got = append(got, r) }})
	nw.deliver()
	var id codec.RequestID // that of the request, as if the peer had guessed it
	for _, slot := range a.e.calls.pending.slots {
		if slot.live {
			id = slot.id
		}
	}
	for _, m := range [][]byte{
		(&codec.RegConfirmation{RequestID: id, Total: 1, WaitTime: 1}).Append(nil),
		codec.AppendNodesHeader(nil, codec.TypeTopicNodes, &id, 1, 0),
		codec.AppendNodesHeader(nil, codec.TypeNodes, &id, 1, 0),
	} {
		s.say(a, m)
	}
	if len(got) != 0 {
		t.Errorf("another peer has ended the request: %v", got)
	}
	if c := a.e.Counters(); c[DropUnsolicited] != 3 {
		t.Errorf("%d unsolicited answers, want 3", c[DropUnsolicited])
	}
}

// requestID returns the ID of the oldest request that arrived.
func (s *scriptedPeer) requestID(n *node) codec.RequestID {
	m := s.reply()
	if m == nil {
		s.nw.t.Fatal("no request")
	}
	_, body, err := codec.SplitMessage(m)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	var q codec.TopicQuery
	if m[0] == byte(codec.TypeRegTopic) {
		var r codec.RegTopic
		err = r.Decode(body)
		q.RequestID = r.RequestID
	} else {
		err = q.Decode(body)
	}
	if err != nil {
		s.nw.t.Fatal(err)
	}
	return q.RequestID
}

// The first confirmation counts, an answer has at most 16 packets, and a wait is bounded.
func TestT16OddTopicAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers func(id codec.RequestID) [][]byte
		want    func(r []Result) bool
	}{
		{"two confirmations", func(id codec.RequestID) [][]byte {
			return [][]byte{
				(&codec.RegConfirmation{RequestID: id, Total: 3, Ticket: []byte{1}, WaitTime: 5}).Append(nil),
				(&codec.RegConfirmation{RequestID: id, Total: 3, Ticket: []byte{2}, WaitTime: 6}).Append(nil),
				codec.AppendNodesHeader(nil, codec.TypeNodes, &id, 3, 0),
			}
		}, func(r []Result) bool {
			return len(r) == 1 && r[0].Err == nil && bytes.Equal(r[0].Ticket, []byte{1}) && r[0].Wait == 5*time.Millisecond
		}},
		{"a wait for ever", func(id codec.RequestID) [][]byte {
			return [][]byte{(&codec.RegConfirmation{RequestID: id, Total: 1, Ticket: []byte{1}, WaitTime: 1<<64 - 1}).Append(nil)}
		}, func(r []Result) bool { return len(r) == 1 && r[0].Err == nil && r[0].Wait == maxTopicWait }},
		{"total 0", func(id codec.RequestID) [][]byte {
			return [][]byte{(&codec.RegConfirmation{RequestID: id, WaitTime: 7}).Append(nil)}
		}, func(r []Result) bool { return len(r) == 1 && r[0].Err == nil }},
		{"a huge total", func(id codec.RequestID) (list [][]byte) {
			list = append(list, (&codec.RegConfirmation{RequestID: id, Total: 1<<64 - 1}).Append(nil))
			for range 15 {
				list = append(list, codec.AppendNodesHeader(nil, codec.TypeNodes, &id, 1<<64-1, 0))
			}
			return list
		}, func(r []Result) bool { return len(r) == 1 && r[0].Err == nil }},
		{"no confirmation", func(id codec.RequestID) [][]byte {
			return [][]byte{codec.AppendNodesHeader(nil, codec.TypeNodes, &id, 1, 0)}
		}, func(r []Result) bool { return len(r) == 1 && r[0].Err == ErrTimeout }},
		{"TOPICNODES for REGTOPIC", func(id codec.RequestID) [][]byte {
			return [][]byte{codec.AppendNodesHeader(nil, codec.TypeTopicNodes, &id, 1, 0)}
		}, func(r []Result) bool { return len(r) == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("7.0.0.1:9000", nil)
			s := nw.scriptedPeer("9.0.0.9:9000", 7).listen()
			s.connect(a)
			var got []Result
			a.w.Begin(nw.now)
			a.w.Start(Request{Type: codec.TypeRegTopic, Peer: a.e.PeerAt(s.Record.ID(), s.Addr), Topic: topic.Of("x"), Done: func(_ *Worker, r Result) { got = append(got, r) }})
			s.got = nil
			nw.deliver()
			for _, m := range c.answers(s.requestID(a)) {
				s.say(a, m)
			}
			if !c.want(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Records in an answer that are not what was asked for are left out.
func TestT14AuxiliaryRecordsAreChecked(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("7.0.0.1:9000", nil)
	s := nw.scriptedPeer("9.0.0.9:9000", 7).listen()
	s.connect(a)
	top := topic.Of("x")
	var at256, legacy, other []byte
	second := []byte(nil)
	r := wiretest.Reader(5)
	for i := 0; at256 == nil || second == nil || legacy == nil || other == nil; i++ {
		key, _ := enr.GenerateKey(r)
		b := enr.NewBuilder().SetIP(netip.AddrFrom4([4]byte{20, byte(i), 1, 1})).SetUDP(9000)
		capable, err := b.SetTopicVersion(enr.TopicVersion).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := b.Delete("ng").Sign(key)
		switch d := top.Distance(key.ID()); {
		case d == 256 && at256 == nil:
			at256 = capable.Bytes()
		case d == 256 && second == nil:
			second = capable.Bytes()
		case d == 255 && legacy == nil:
			legacy = plain.Bytes()
		case d == 254 && other == nil:
			other = capable.Bytes()
		}
	}
	private, err := enr.NewBuilder().SetIP(netip.MustParseAddr("10.0.0.1")).SetUDP(9000).SetTopicVersion(1).Sign(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	var got []Result
	a.w.Begin(nw.now)
	a.w.Start(Request{Type: codec.TypeTopicQuery, Peer: a.e.PeerAt(s.Record.ID(), s.Addr), Topic: top, Distances: []uint{256, 255},
		Done: func(_ *Worker, r Result) { got = append(got, r) }})
	s.got = nil
	nw.deliver()
	id := s.requestID(a)
	forged := bytes.Clone(at256)
	forged[20] ^= 1
	for _, list := range [][][]byte{{at256, second, legacy}, {other, private.Bytes(), forged}} {
		b := codec.AppendNodesHeader(nil, codec.TypeNodes, &id, 2, len(bytes.Join(list, nil)))
		s.say(a, append(b, bytes.Join(list, nil)...))
	}
	if len(got) != 1 || len(got[0].Records) != 1 || !bytes.Equal(got[0].Records[0].Bytes(), at256) {
		t.Errorf("got %+v, want the first record alone", got)
	}
}

// A peer whose endpoint has not answered lately gets no answer that is larger than its request.
func TestT17TopicAnswersAreNoAmplifier(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	b.fillTable(400)
	s := nw.scriptedPeer("7.0.0.9:9000", 7).listen()
	s.connect(b)
	nw.now += budget.ProofLife + time.Minute // it was there, and may be gone
	b.w.Begin(nw.now)
	var distances []uint
	for d := uint(256); d > 240; d-- {
		distances = append(distances, d)
	}
	for name, m := range map[string][]byte{
		"TOPICQUERY": topicQuery(1, topic.Of("x"), distances...),
		"REGTOPIC":   regTopic(2, topic.Of("x"), s.Record.Bytes(), nil, distances...),
	} {
		s.got = nil
		packet := s.message(s.Record.ID(), b, s.Keys, m)
		nw.inject(s.Addr, b, packet)
		size := 0
		for _, d := range s.got {
			size += len(d)
		}
		if size > len(packet) {
			t.Errorf("%s of %d bytes is answered with %d to an endpoint that may not be the sender's", name, len(packet), size)
		}
	}
}

// Ever new records cost one signature check a second, and registrations wait in the inbound queue.
func TestT18EverNewRecords(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	s := nw.scriptedPeer("7.0.0.9:9000", 7).listen()
	s.connect(b)
	b.holdTasks = true
	for i := range 100 {
		s.say(b, regTopic(1, topic.Of("x"), s.sign(uint64(i+2), s.Addr), nil))
	}
	if n := b.e.Tasks(); n != 1 {
		t.Errorf("%d checks wait after 100 requests at one moment, want 1", n)
	}
	if c := b.e.Counters(); c[RateTopicRecord] != 99 {
		t.Errorf("%d requests were counted as too many, want 99", c[RateTopicRecord])
	}
	b.holdTasks = false
	s.say(b, ping(1))
	if !b.holds(topic.Of("x"), s.Record.ID()) {
		t.Error("the first one was not registered")
	}
}

// The ads of a node end with its ban, by any of its names.
func TestT25BanEndsAds(t *testing.T) {
	for _, c := range []struct{ name, target string }{
		{"address", "7.0.0.1"}, {"network", "7.0.0.0/24"}, {"node ID", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			b := nw.registrar("8.0.0.1:9000", func(c *Config) { c.Access = limits.NewAccess(0) })
			a, asker, top := nw.add("7.0.0.1:9000", nil), nw.add("9.0.0.1:9000", nil), topic.Of("x")
			if r := a.registerAt(b, top, nil); r.Err != nil || len(r.Ticket) > 0 {
				t.Fatal(r)
			}
			if c.target == "" {
				c.target = a.e.ID().String()
			}
			target, err := limits.ParseTarget(c.target)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.e.cfg.Access.Ban(target, limits.Forever); err != nil {
				t.Fatal(err)
			}
			b.e.Expel(nw.now)
			if q := asker.query(b, top); q.Err != nil || len(q.Ads) != 0 {
				t.Errorf("query: %v, %v", q.Ads, q.Err)
			}
		})
	}
}

// A searcher that asks without pause is limited as other requests are; others are served.
func TestT27QueriesAreLimited(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", func(c *Config) {
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
	})
	s := nw.scriptedPeer("7.0.0.9:9000", 7).listen()
	s.connect(b)
	for range 5000 {
		b.w.Receive(nw.now, s.Addr, s.message(s.Record.ID(), b, s.Keys, topicQuery(1, topic.Of("x"))))
	}
	nw.Queue = nil
	c := b.e.Counters()
	if c[RateVerified] == 0 || c[OutTopicNodes] > 3000 {
		t.Errorf("%d of 5000 queries at one moment were answered, %d dropped", c[OutTopicNodes], c[RateVerified])
	}
	if q := nw.add("9.0.0.1:9000", nil).query(b, topic.Of("x")); q.Err != nil {
		t.Errorf("another searcher: %v", q.Err)
	}
}
