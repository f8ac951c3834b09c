package simnet

import (
	"errors"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/lookup"
)

// Requests of a test. Start and StartLookup return at once, the others let time pass until the
// answer is there, and so cannot be called from within an event: they end with ErrNested.

// Peer is to as the node would contact it: by its newest record. It fails with engine.ErrNoEndpoint
// if the record names no address that the node can send to, as that of a node behind a NAT may, and
// with ErrDown.
func (nd *Node) Peer(to *Node) (engine.Peer, error) {
	if nd.eng == nil {
		return engine.Peer{}, ErrDown
	}
	return nd.eng.PeerOf(to.Record())
}

// Start sends a request. r.Done is called once, perhaps before Start returns; if the node crashes,
// never. With a node that is not running it is called with ErrDown.
func (nd *Node) Start(r engine.Request) engine.CallID {
	if !nd.Running() {
		r.Done(nil, engine.Result{Err: ErrDown})
		return engine.CallID{}
	}
	limit := r.Timeout
	if limit <= 0 {
		limit = orDefault(nd.config.RequestTimeout, time.Second)
	}
	// The engine's bound, and a second for its ticks. All that may happen once more for each time
	// that the node resends, and then at the peer's other address.
	limit += 2*limit + orDefault(nd.config.HandshakeTimeout, time.Second) + time.Second
	limit *= 2 * time.Duration(1+nd.config.Resend)
	ended := nd.expectEnd("request", limit)
	done := r.Done
	r.Done = func(w *engine.Worker, res engine.Result) {
		ended()
		done(w, res)
	}
	nd.w.Begin(nd.Clock())
	id := nd.w.Start(r)
	nd.settle()
	return id
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// expectEnd has the audit see to it that the function which is returned is called once and within
// limit.
func (nd *Node) expectEnd(what string, limit time.Duration) (ended func()) {
	n, life, offset, count := nd.n, nd.life, nd.offset, 0
	n.After(limit, func() {
		// A node that crashed or was suspended meanwhile is excused.
		if count == 0 && nd.life == life && nd.offset == offset && nd.Running() {
			n.violated(nd, RuleEnds, "%s has not ended after %v", what, limit)
		}
	})
	return func() {
		n.audit.checks.Ends++
		if count++; count > 1 {
			n.violated(nd, RuleEnds, "%s ended %d times", what, count)
		}
	}
}

// Call sends a request and lets time pass until it has ended. r.Done is not used.
func (nd *Node) Call(r engine.Request) engine.Result {
	if nd.n.running {
		return engine.Result{Err: ErrNested}
	}
	var res engine.Result
	ended := false
	r.Done = func(_ *engine.Worker, got engine.Result) { res, ended = got, true }
	nd.Start(r)
	if !nd.n.RunUntil(time.Minute, func() bool { return ended }) {
		return engine.Result{Err: ErrUnfinished} // the node crashed or is suspended
	}
	return res
}

// Ping pings another node.
func (nd *Node) Ping(to *Node) engine.Result {
	return nd.callNode(to, engine.Request{Type: codec.TypePing})
}

// FindNode asks another node for records at the given log distances.
func (nd *Node) FindNode(to *Node, distances ...uint) engine.Result {
	return nd.callNode(to, engine.Request{Type: codec.TypeFindNode, Distances: distances})
}

// Talk sends a TALKREQ to another node; see HandleTalk.
func (nd *Node) Talk(to *Node, protocol string, payload []byte) engine.Result {
	return nd.callNode(to, engine.Request{Type: codec.TypeTalkRequest, Protocol: []byte(protocol), Payload: payload})
}

func (nd *Node) callNode(to *Node, r engine.Request) engine.Result {
	p, err := nd.Peer(to)
	if err != nil {
		return engine.Result{Err: err}
	}
	r.Peer = p
	return nd.Call(r)
}

// Lookup is how a lookup ended.
type Lookup struct {
	// Nodes are the closest nodes that answered, closest first.
	Nodes []lookup.Peer
	engine.Progress
	// Took is the time that it took.
	Took time.Duration
}

// ErrLookup: a lookup has not ended in time.
var ErrLookup = errors.New("simnet: lookup has not ended")

// lookupLimit is the longest time that a lookup can take: all its queries, three at a time, time
// out after handshakes.
const lookupLimit = 3 * time.Minute

// StartLookup looks for the nodes closest to target. done is called once, perhaps before
// StartLookup returns. It reports ErrDown, and does not call done, while the node is not running.
func (nd *Node) StartLookup(target enr.ID, cfg lookup.Config, done func(Lookup)) error {
	if !nd.Running() {
		return ErrDown
	}
	ended := nd.expectEnd("lookup", lookupLimit)
	began := nd.n.now
	var h engine.LookupHandle
	nd.w.Begin(nd.Clock())
	h = nd.w.Lookup(target, cfg, nil, func(_ *engine.Worker, list []lookup.Peer) {
		ended()
		done(Lookup{Nodes: list, Progress: h.Progress(), Took: nd.n.now - began})
	})
	nd.settle()
	return nil
}

// Lookup looks for the nodes closest to target and lets time pass until it has ended.
func (nd *Node) Lookup(target enr.ID) (l Lookup, err error) {
	if nd.n.running {
		return l, ErrNested
	}
	ended := false
	if err := nd.StartLookup(target, lookup.Config{}, func(got Lookup) { l, ended = got, true }); err != nil {
		return l, err
	}
	if !nd.n.RunUntil(lookupLimit, func() bool { return ended }) {
		return l, ErrLookup
	}
	return l, nil
}

// TalkFunc answers a TALKREQ from a node at an address. payload is its own. nil is an empty answer.
type TalkFunc func(from enr.ID, addr netip.AddrPort, payload []byte) []byte

// HandleTalk has requests of a protocol answered by f, or by nobody if f is nil. It stays so over
// restarts.
func (nd *Node) HandleTalk(protocol string, f TalkFunc) {
	if nd.talk == nil {
		nd.talk = make(map[string]TalkFunc)
	}
	nd.talk[protocol] = f
}

// talker is the engine.TalkHandler of a node.
type talker struct{ nd *Node }

// Registered implements engine.TalkHandler.
func (t talker) Registered(protocol []byte) bool { return t.nd.talk[string(protocol)] != nil }

// Talk implements engine.TalkHandler. The answer is an event of its own, as it is in a program.
func (t talker) Talk(r engine.TalkRequest) bool {
	nd := t.nd
	life, f := nd.life, nd.talk[r.Protocol]
	nd.n.After(0, func() {
		if nd.life != life || !nd.Running() {
			return
		}
		answer := f(r.From, r.Addr, r.Payload)
		// Without a session, or with an answer that is too large, there is none.
		_ = nd.Do(func(w *engine.Worker) { _ = w.Talk(r, answer) })
	})
	return true
}
