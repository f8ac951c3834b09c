package fuzz

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/topic"
)

// Bounds of the engine under test, small enough to be met.
const (
	maxSessions   = 32
	maxChallenges = 64
	maxRequests   = 12
	maxQueued     = 4
	maxTasks      = 4
)

// world is one engine and the peers around it.
type world struct {
	t        testing.TB
	s        *script
	now      time.Duration
	e        *engine.Engine
	rx, slow *engine.Worker // as in a node: one receives, one does everything else
	self     [32]byte
	remote   wiretest.Remote // the engine, as peers know it
	buf      [codec.MaxPacketSize]byte
	out      []wiretest.Datagram // of the current step
	sent     [][]byte            // datagrams that peers have sent, for replays
	peers    [len(addresses)]*peer
	calls    []*call
	// proved says which peer has shown at which address that it has its key: since then it may have
	// a session there.
	proved map[pair]bool
	// contacted are addresses that the engine has sent to on its own.
	contacted map[netip.AddrPort]bool
	shaken    uint64 // good handshakes that peers have made
	in, bytes uint64 // datagrams that the engine was given, and their bytes
	outs      uint64 // datagrams that it sent
}

type pair struct {
	addr netip.AddrPort
	id   enr.ID
}

type call struct {
	err   error
	id    engine.CallID
	ended int

	// Its result, and a copy of it from when it came.
	payload, payloadThen []byte
	records              []*enr.Record
	recordsThen          [][]byte
}

// keep notes a result. It belongs to the caller, for good.
func (c *call) keep(r engine.Result) {
	c.payload, c.payloadThen = r.Payload, bytes.Clone(r.Payload)
	c.records = r.Records
	for _, x := range r.Records {
		c.recordsThen = append(c.recordsThen, bytes.Clone(x.Bytes()))
	}
}

// kept reports whether a result is what it was.
func (c *call) kept() bool {
	for i, b := range c.recordsThen {
		if !bytes.Equal(c.records[i].Bytes(), b) {
			return false
		}
	}
	return bytes.Equal(c.payload, c.payloadThen)
}

func newWorld(t testing.TB, s *script) *world {
	w := &world{t: t, s: s, now: time.Hour, proved: make(map[pair]bool), contacted: make(map[netip.AddrPort]bool)}
	all := identities()
	me := all[0]
	w.self, w.remote = me.id(), wiretest.RemoteOf(me.rec)
	r := wiretest.Reader(1000)
	cfg := engine.Config{
		Key: me.key, Record: me.rec, IPv4: true, IPv6: true, Random: r,
		Session:     session.Config{MaxSessions: maxSessions, MaxChallenges: maxChallenges},
		MaxRequests: maxRequests, MaxPeerRequests: maxQueued, MaxTasks: maxTasks, Resend: s.choose(3), Records: 64, DetectAddress: 2, Talk: talker{},
		Registrar: &topic.Config{Capacity: 64},
	}
	var err error
	if w.e, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	for i, worker := range []**engine.Worker{&w.rx, &w.slow} {
		if *worker, err = w.e.NewWorker(w, engine.Via(1-i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range all {
		w.peers[i] = &peer{Peer: wiretest.PeerOf(t, id.key, id.rec, wiretest.Reader(uint64(2000+i))), w: w, at: id.addr}
	}
	return w
}

// talker serves one protocol, and takes every second request over without ever answering it.
type talker struct{}

func (talker) Registered(p []byte) bool       { return string(p) == "p" }
func (talker) Talk(r engine.TalkRequest) bool { return len(r.Payload)%2 == 0 }
func (w *world) Buffer() []byte               { return w.buf[:] }
func (w *world) home() netip.AddrPort         { return w.peers[0].Addr }
func (w *world) peerAt() *peer                { return w.peers[1+w.s.choose(len(w.peers)-1)] }

func (w *world) Commit(n int, to netip.AddrPort, _ engine.Via) {
	if n < codec.MinPacketSize || n > codec.MaxPacketSize {
		w.t.Fatalf("datagram of %d bytes to %v", n, to)
	}
	w.outs++
	w.out = append(w.out, wiretest.Datagram{From: w.peers[0].Addr, To: to, B: bytes.Clone(w.buf[:n])})
}

// settle hands what the engine has sent to the peers, and checks what must hold at any time.
func (w *world) settle() {
	for _, d := range w.out {
		for _, p := range w.peers[1:] {
			if p.at == d.To {
				p.receive(bytes.Clone(d.B))
			}
		}
	}
	w.out = w.out[:0]
	w.check()
}

func (w *world) check() {
	t, st := w.t, w.e.Sessions().Stats()
	if st.Challenges > maxChallenges {
		t.Fatalf("%d challenges", st.Challenges)
	}
	if n := w.e.Pending(); n > maxRequests {
		t.Fatalf("%d requests pending", n)
	}
	if n := w.e.Tasks(); n > 2*maxTasks {
		t.Fatalf("%d tasks", n)
	}
	for i, c := range w.calls {
		if c.ended > 1 {
			t.Fatalf("call %d has ended %d times", i, c.ended)
		}
		if !c.kept() {
			t.Fatalf("the result of call %d has changed", i)
		}
	}
	for _, a := range w.peers {
		for _, p := range w.peers {
			at := pair{a.Addr, p.ID()}
			k := session.MakeKey(at.addr, (*[32]byte)(&at.id))
			f, ok := w.e.Sessions().Lookup(&k, w.e.Sessions().Hash(&k))
			if ok && (f.Current != nil || f.Previous != nil) && !w.proved[at] {
				t.Fatalf("node %s has a session at %v, where it has never proved its key", at.id.Short(), at.addr)
			}
		}
	}
	for n := range w.e.Table().All() {
		if !w.proved[pair{n.Addr, n.ID}] {
			t.Fatalf("node %s is in the table at %v, where it has never proved its key", n.ID.Short(), n.Addr)
		}
		v4, _ := n.Record.UDPEndpoint4()
		v6, _ := n.Record.UDPEndpoint6()
		if n.Addr != v4 && n.Addr != v6 {
			t.Fatalf("node %s is in the table at %v, which its record does not name", n.ID.Short(), n.Addr)
		}
	}
	if r := w.e.Record(); r.ID() != enr.ID(w.self) || r.Seq() < w.peers[0].Record.Seq() {
		t.Fatalf("local record %s", r)
	}
}

// deliver gives datagrams to the engine in one batch. No source that has proved nothing and was not
// called gets more than it sent, and nobody else gets anything because of it.
func (w *world) deliver(list ...wiretest.Datagram) {
	room := map[netip.AddrPort]int{}
	free := false // somebody in the batch may cause more
	w.rx.Begin(w.now)
	for _, d := range list {
		room[d.From] += len(d.B)
		free = free || w.known(d.From)
		w.in++
		w.bytes += uint64(len(d.B))
		w.sent = append(w.sent, bytes.Clone(d.B))
		w.rx.Add(d.From, d.B)
	}
	w.rx.Flush()
	// a batch has ended, and a socket would read the next one into the same memory
	for _, d := range list {
		fill(d.B)
	}
	for _, o := range w.out {
		if room[o.To] -= len(o.B); room[o.To] < 0 && !free {
			w.t.Fatalf("%d bytes to %v, more than came from there", len(o.B), o.To)
		}
	}
	w.settle()
}

// known reports whether anybody at an address may cause more than WHOAREYOU.
func (w *world) known(a netip.AddrPort) bool {
	if w.contacted[a] {
		return true
	}
	for _, p := range w.peers {
		if w.proved[pair{a, p.ID()}] {
			return true
		}
	}
	return false
}

// contact notes to which peers the engine sends unasked.
func (w *world) contact() {
	for _, o := range w.out {
		w.contacted[o.To] = true
	}
}

// tasks runs up to n tasks.
func (w *world) tasks(n int) {
	for range n {
		w.slow.Begin(w.now)
		if !w.slow.RunTask() {
			return
		}
		for _, o := range w.out {
			if !w.known(o.To) && len(o.B) > codec.MaxPacketSize/4 {
				// A lookup has gone on to a node that an answer has named: a request, which is
				// small.
				w.t.Fatalf("%d bytes to %v, which has proved nothing", len(o.B), o.To)
			}
		}
		w.contact()
		w.settle()
	}
}

func (w *world) pass(d time.Duration) {
	w.now += d
	w.slow.Tick(w.now)
	w.contact()
	w.settle()
}

// finish closes the engine: every call has ended exactly once, and nothing is left.
func (w *world) finish() {
	w.slow.Begin(w.now)
	w.slow.Close()
	w.settle()
	for w.slow.RunTask() {
	}
	w.settle()
	for i, c := range w.calls {
		if c.ended != 1 {
			w.t.Fatalf("call %d has ended %d times after Close", i, c.ended)
		}
	}
	if w.e.Pending() != 0 || w.e.Tasks() != 0 {
		w.t.Fatalf("left over: %d requests, %d tasks", w.e.Pending(), w.e.Tasks())
	}
	c := w.e.Counters()
	if c[engine.HandshakesReceived] > w.shaken {
		w.t.Fatalf("%d handshakes accepted, %d were good", c[engine.HandshakesReceived], w.shaken)
	}
	if c[engine.PacketsIn] != w.in || c[engine.BytesIn] != w.bytes || c[engine.PacketsOut] != w.outs {
		w.t.Fatalf("counted %d datagrams in and %d out, there were %d and %d", c[engine.PacketsIn], c[engine.PacketsOut], w.in, w.outs)
	}
}
