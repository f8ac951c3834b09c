package topic

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
)

// fakeNet is a network of registrars in virtual time. Messages take time and are lost. Each node
// knows sixteen random others at each distance, as a node table does.
type fakeNet struct {
	t      testing.TB
	rnd    *rand.Rand
	random *aead.Random
	now    time.Duration
	events fakeEvents
	count  int
	nodes  []*fakeNode
	byID   map[enr.ID]*fakeNode
	loss   float64
	sent   map[string]int
}

type fakeNode struct {
	net       *fakeNet
	n         int
	node      Node
	id        enr.ID
	registrar *Registrar
	buckets   [257][]*fakeNode
	down      bool
	queries   int // received

	// Set for a hostile node: its answers.
	confirm func(r Registration) (Confirmation, bool)
	answer  func(q Question) (ads, auxiliary []Node, ok bool)
}

type fakeEvent struct {
	at    time.Duration
	order int
	f     func()
}

type fakeEvents []fakeEvent

func (e fakeEvents) Len() int      { return len(e) }
func (e fakeEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e fakeEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e *fakeEvents) Push(x any) { *e = append(*e, x.(fakeEvent)) }
func (e *fakeEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// capable returns the record of a capable node.
func capable(t testing.TB, n int, seq uint64, addr netip.Addr) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetUDP(30303).SetIP(addr).SetTopicVersion(1).Sign(keyOfNode(t, n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func nodeOf(r *enr.Record) Node {
	a, _ := r.UDPEndpoint4()
	return Node{r, a}
}

func newFakeNet(t testing.TB, size int, loss float64) *fakeNet {
	net := &fakeNet{t: t, rnd: rand.New(seeded(uint64(size))), random: mustRandom(t, uint64(size)), loss: loss,
		byID: map[enr.ID]*fakeNode{}, sent: map[string]int{}}
	for i := range size {
		r := capable(t, i, 1, publicAddr(net.rnd))
		n := &fakeNode{net: net, n: i, node: nodeOf(r), id: r.ID(),
			registrar: mustRegistrar(t, Config{Self: r.ID(), Random: seeded(uint64(i))})}
		net.nodes = append(net.nodes, n)
		net.byID[n.id] = n
	}
	for _, n := range net.nodes {
		for _, i := range net.rnd.Perm(size) {
			o := net.nodes[i]
			if d := enr.LogDistance(n.id, o.id); d > 0 && len(n.buckets[d]) < 16 {
				n.buckets[d] = append(n.buckets[d], o)
			}
		}
	}
	return net
}

func (net *fakeNet) after(d time.Duration, f func()) {
	net.count++
	heap.Push(&net.events, fakeEvent{net.now + d, net.count, f})
}

func (net *fakeNet) run(until time.Duration) {
	for len(net.events) > 0 && net.events[0].at <= until {
		e := heap.Pop(&net.events).(fakeEvent)
		net.now = e.at
		e.f()
	}
	net.now = until
}

// exchange calls at at the receiver and then back, or lost after a second.
func (net *fakeNet) exchange(to enr.ID, at func(*fakeNode) bool, back, lost func()) {
	n := net.byID[to]
	latency := func() time.Duration { return time.Duration(15+net.rnd.IntN(40)) * time.Millisecond }
	if n == nil || n.down || net.rnd.Float64() < net.loss {
		net.after(time.Second, lost)
		return
	}
	there := latency()
	net.after(there, func() {
		if !at(n) || net.rnd.Float64() < net.loss {
			net.after(time.Second-there, lost)
			return
		}
		net.after(latency(), back)
	})
}

// known returns the nodes of a node's table.
func (n *fakeNode) known() (list []Node) {
	for _, b := range n.buckets {
		for _, o := range b {
			if !o.down {
				list = append(list, o.node)
			}
		}
	}
	return list
}

// auxiliary returns a random node for each distance from the topic.
func (n *fakeNode) auxiliary(topic Topic, distances []uint) (list []Node) {
	own := topic.Distance(n.id)
	for _, d := range distances {
		if len(list) == 8 {
			break
		}
		var from []*fakeNode
		switch {
		case int(d) > own:
			from = n.buckets[d]
		default:
			for _, b := range n.buckets[:own+1] {
				from = append(from, b...)
			}
		}
		from = slices.DeleteFunc(slices.Clone(from), func(o *fakeNode) bool { return o.down || topic.Distance(o.id) != int(d) })
		if len(from) > 0 {
			list = append(list, from[n.net.rnd.IntN(len(from))].node)
		}
	}
	return list
}

// fakeAdvertiser runs an Advertiser of a node.
type fakeAdvertiser struct {
	*Advertiser
	on      *fakeNode
	timer   int
	began   time.Duration
	stopped bool
}

func (n *fakeNode) advertise(topic Topic, cfg AdvertiserConfig) *fakeAdvertiser {
	cfg.Topic, cfg.Self = topic, n.id
	a := &fakeAdvertiser{Advertiser: NewAdvertiser(cfg, n.net.random), on: n, began: n.net.now}
	a.SetRecord(n.net.now, n.node.Record)
	a.Table().Add(n.net.now, nil, n.known()...)
	a.pump()
	return a
}

func (a *fakeAdvertiser) pump() {
	if a.stopped {
		return
	}
	net := a.on.net
	for r, ok := a.Next(net.now); ok; r, ok = a.Next(net.now) {
		net.sent["REGTOPIC"]++
		a.send(r)
	}
	a.timer++
	this := a.timer
	if at, ok := a.NextTime(net.now); ok {
		net.after(at-net.now, func() {
			if this == a.timer {
				a.pump()
			}
		})
	}
}

func (a *fakeAdvertiser) send(r Registration) {
	net := a.on.net
	id := r.Node.Record.ID()
	if !r.Node.Record.SupportsTopics() || id == a.on.id {
		net.t.Fatal("a request to a node that is no registrar, or to itself")
	}
	var c Confirmation
	var auxiliary []Node
	net.exchange(id, func(to *fakeNode) (ok bool) {
		auxiliary = to.auxiliary(r.Topic, r.Distances)
		if to.confirm != nil {
			c, ok = to.confirm(r)
			return ok
		}
		q := &Request{Topic: r.Topic, ID: a.on.id, Source: a.on.node.Addr, Record: r.Record, Ticket: r.Ticket}
		v := to.registrar.Register(net.now, q)
		c = Confirmation{slices.Clone(v.Ticket), v.Wait}
		return v.Result.Answered()
	}, func() {
		a.Confirm(net.now, id, c)
		a.Table().Add(net.now, &Source{id, r.Distances}, auxiliary...)
		a.pump()
	}, func() {
		a.Fail(net.now, id, false)
		a.pump()
	})
}

// fakeSearch runs a Search of a node.
type fakeSearch struct {
	*Search
	on    *fakeNode
	timer int
	found map[enr.ID]time.Duration
	began time.Duration
	ended time.Duration
}

func (n *fakeNode) search(topic Topic, cfg SearchConfig) *fakeSearch {
	cfg.Topic, cfg.Self = topic, n.id
	s := &fakeSearch{Search: NewSearch(cfg, n.net.random), on: n, found: map[enr.ID]time.Duration{}, began: n.net.now}
	s.Add(n.net.now, n.known()...)
	s.pump()
	return s
}

func (s *fakeSearch) pump() {
	net := s.on.net
	for q, ok := s.Next(net.now); ok; q, ok = s.Next(net.now) {
		net.sent["TOPICQUERY"]++
		s.send(q)
	}
	for _, n := range s.Take() {
		if id := n.Record.ID(); s.found[id] == 0 {
			s.found[id] = net.now - s.began
		}
	}
	if s.Done() && s.ended == 0 {
		s.ended = net.now
	}
	s.timer++
	this := s.timer
	if at, ok := s.NextTime(net.now); ok {
		net.after(at-net.now, func() {
			if this == s.timer {
				s.pump()
			}
		})
	}
}

func (s *fakeSearch) send(q Question) {
	net := s.on.net
	id := q.Node.Record.ID()
	if !q.Node.Record.SupportsTopics() || id == s.on.id {
		net.t.Fatal("a request to a node that is no registrar, or to itself")
	}
	var ads, auxiliary []Node
	net.exchange(id, func(to *fakeNode) (ok bool) {
		to.queries++
		if to.answer != nil {
			ads, auxiliary, ok = to.answer(q)
			return ok
		}
		for _, a := range to.registrar.Sample(net.now, &Query{q.Topic, s.on.id, s.on.node.Addr.Addr()}, net.random, 0, nil) {
			f := net.byID[a.ID]
			if string(f.node.Record.Bytes()) != string(a.Record()) {
				net.t.Fatal("a registrar returns another record than it was given")
			}
			ads = append(ads, f.node)
		}
		auxiliary = to.auxiliary(q.Topic, q.Distances)
		return true
	}, func() {
		s.Answer(net.now, id, ads, auxiliary)
		s.pump()
	}, func() {
		s.Fail(net.now, id)
		s.pump()
	})
}

// topicNumber returns a topic at a random place.
func topicNumber(n int) Topic {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return Of(string(b[:]))
}
