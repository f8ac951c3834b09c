package fuzz

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// FuzzNetwork joins three engines by a network that does what a script says: it loses, repeats,
// holds back, changes and forges datagrams, while the engines ask each other, forget sessions,
// change their records and lag behind. When it is sound again everything that was asked has ended,
// exactly once, and all of them reach each other.
func FuzzNetwork(f *testing.F) {
	for _, s := range networkSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		n := newNet(t, &script{input})
		for steps := 0; n.s.more() && steps < 300; steps++ {
			n.step()
		}
		n.heal()
	})
}

// Steps of a script, by their number.
const (
	netCall    = iota // a request
	netDeliver        // the oldest datagrams arrive
	netPick           // any datagram arrives first
	netLose           // the oldest is lost
	netRepeat         // the oldest arrives, and stays under way
	netChange         // the oldest is changed
	netForge          // the oldest comes from somewhere else
	netTime           // time passes, for one engine or for all
	netTasks          // one engine does its tasks
	netForget         // one engine forgets a session
	netRecord         // one engine gets a new record
	netCancel         // a request is given up
	netLookup         // a lookup
	netSteps
)

// realCurve is the number from which on the first byte of a script asks for secp256k1.
const realCurve = 224

// maxUnderWay bounds the datagrams that the network holds.
const maxUnderWay = 200

type net struct {
	*wiretest.Net
	t     testing.TB
	s     *script
	now   time.Duration
	nodes [3]*node
	calls []*call
	// by are the nodes that started the calls.
	by []*node
}

type node struct {
	identity
	n   *net
	e   *engine.Engine
	w   *engine.Worker
	buf [codec.MaxPacketSize]byte
}

func (d *node) Buffer() []byte { return d.buf[:] }
func (d *node) Commit(size int, to netip.AddrPort, _ engine.Via) {
	if len(d.n.Queue) < maxUnderWay {
		d.n.Send(d.addr, to, d.buf[:size])
	}
}

func newNet(t testing.TB, s *script) *net {
	n := &net{Net: wiretest.NewNet(), t: t, s: s, now: time.Hour}
	n.Receive = func(d wiretest.Datagram) {
		for _, to := range n.nodes {
			if to.addr == d.To {
				to.w.Receive(n.now, d.From, bytes.Clone(d.B))
			}
		}
	}
	flags := s.byte()
	for i := range n.nodes {
		d := &node{identity: identities()[i], n: n}
		var err error
		arithmetic := newQuickCurve(d.key)
		if flags >= realCurve {
			arithmetic = curve.Default()
		}
		d.e, err = engine.New(engine.Config{
			Curve: arithmetic, Key: d.key, Record: d.rec, IPv4: true, IPv6: true, Random: wiretest.Reader(uint64(3000 + i)), Talk: talker{},
			Session: session.Config{MaxSessions: 64, MaxChallenges: 64}, MaxRequests: 32, MaxPeerRequests: 8, MaxTasks: 8, Records: 64, DetectAddress: -1, Resend: int(flags % 3),
		})
		if err != nil {
			t.Fatal(err)
		}
		if d.w, err = d.e.NewWorker(d, 1); err != nil {
			t.Fatal(err)
		}
		n.nodes[i] = d
	}
	return n
}

func (n *net) node() *node { return n.nodes[n.s.choose(len(n.nodes))] }

func (n *net) step() {
	switch n.s.choose(netSteps) {
	case netCall:
		n.call(n.node(), n.node(), n.s.byte())
	case netDeliver:
		for range 1 + n.s.choose(16) {
			n.arrive(0)
		}
	case netPick:
		n.arrive(n.s.choose(256))
	case netLose:
		if len(n.Queue) > 0 {
			n.Take(0)
		}
	case netRepeat:
		if len(n.Queue) > 0 && len(n.Queue) < maxUnderWay {
			n.Queue = append(n.Queue, n.Queue[0])
			n.arrive(0)
		}
	case netChange:
		if len(n.Queue) > 0 && len(n.Queue[0].B) > 1 {
			b := bytes.Clone(n.Queue[0].B)
			b[n.s.number(len(b))] ^= n.s.byte()
			n.Queue[0].B = b[:len(b)-n.s.choose(2)]
		}
	case netForge:
		if len(n.Queue) > 0 {
			n.Queue[0].From = n.node().addr
		}
	case netTime:
		d := time.Duration(1+n.s.choose(256)) * 10 * time.Millisecond
		n.now += d
		for i, who := 0, n.s.choose(6); i < len(n.nodes); i++ {
			if who != i { // an engine that is late
				n.nodes[i].w.Tick(n.now)
			}
		}
	case netTasks:
		d := n.node()
		for range 1 + n.s.choose(4) {
			d.w.RunTask()
		}
	case netForget:
		n.forget(n.node(), n.node())
	case netRecord:
		d := n.node()
		if err := d.e.UpdateRecord(func(b *enr.Builder) { b.SetUint("n", uint64(n.s.byte())) }); err != nil {
			n.t.Fatal(err)
		}
	case netCancel:
		if len(n.calls) > 0 {
			i := n.s.choose(256) % len(n.calls)
			n.by[i].w.Begin(n.now)
			n.by[i].w.Cancel(n.calls[i].id)
		}
	case netLookup:
		d, c := n.node(), &call{}
		n.calls, n.by = append(n.calls, c), append(n.by, d)
		d.w.Begin(n.now)
		d.w.Lookup(enr.ID(n.node().id()), lookup.Config{}, nil, func(*engine.Worker, []lookup.Peer) { c.ended++ })
	}
	for i, c := range n.calls {
		if c.ended > 1 {
			n.t.Fatalf("call %d has ended %d times", i, c.ended)
		}
	}
}

// arrive delivers a datagram of the queue.
func (n *net) arrive(i int) {
	if k := len(n.Queue); k > 0 {
		n.DeliverAt(i % k)
	}
}

// call starts a request of a kind that how tells.
func (n *net) call(from, to *node, how byte) *call {
	c := &call{}
	n.calls, n.by = append(n.calls, c), append(n.by, from)
	rec := to.e.Record()
	r := engine.Request{
		Type: codec.TypePing,
		Peer: engine.Peer{ID: rec.ID(), PublicKey: to.key.PublicKey(), Addr: to.addr, Record: rec},
		Done: func(_ *engine.Worker, r engine.Result) { c.ended++; c.err = r.Err },
	}
	switch how % 4 {
	case 1:
		r.Type, r.Distances = codec.TypeFindNode, []uint{0, 256, 255, 254}
	case 2:
		r.Type, r.Protocol, r.Payload = codec.TypeTalkRequest, []byte("unknown"), make([]byte, int(how)*4)
	case 3:
		r.Peer.Record = nil
	}
	from.w.Begin(n.now)
	c.id = from.w.Start(r)
	return c
}

// run lets time pass on a sound network.
func (n *net) run(d time.Duration) {
	for end := n.now + d; n.now < end; n.now += 50 * time.Millisecond {
		for _, d := range n.nodes {
			d.w.Tick(n.now)
		}
		n.settle()
	}
}

func (n *net) settle() {
	for again := true; again; {
		again = len(n.Queue) > 0
		for len(n.Queue) > 0 {
			n.arrive(0)
		}
		for _, d := range n.nodes {
			for d.w.RunTask() {
				again = true
			}
		}
	}
}

// reach has a ask b several times in one batch, with the session that there is and then without
// one.
func (n *net) reach(a, b *node) {
	for round := range 2 {
		if round == 1 {
			n.forget(a, b)
			n.forget(b, a)
		}
		var list []*call
		for range 5 {
			list = append(list, n.call(a, b, 0))
		}
		n.run(100 * time.Millisecond)
		for i, c := range list {
			if c.ended != 1 || c.err != nil {
				n.t.Fatalf("ping %d from %v to %v: ended %d times, %v", i, a.addr, b.addr, c.ended, c.err)
			}
		}
	}
}

func (n *net) forget(d, of *node) {
	id := of.id()
	k := session.MakeKey(of.addr, &id)
	d.e.Sessions().Remove(&k, d.e.Sessions().Hash(&k))
}

func (n *net) heal() {
	n.run(12 * time.Second)
	for i, c := range n.calls {
		if c.ended != 1 {
			n.t.Fatalf("call %d has ended %d times", i, c.ended)
		}
	}
	for _, a := range n.nodes {
		for _, b := range n.nodes {
			if a != b {
				n.reach(a, b)
			}
		}
	}
	for _, d := range n.nodes {
		d.w.Begin(n.now)
		d.w.Close()
		for d.w.RunTask() {
		}
		if d.e.Pending() != 0 || d.e.Tasks() != 0 {
			n.t.Fatalf("left over: %d requests, %d tasks", d.e.Pending(), d.e.Tasks())
		}
		st := d.e.Sessions().Stats()
		if st.Sessions > len(n.nodes) {
			n.t.Fatalf("%d sessions with %d nodes", st.Sessions, len(n.nodes)-1)
		}
	}
}
