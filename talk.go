package discv5

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// TalkRequest is a request of an application's protocol.
type TalkRequest struct {
	From     enr.ID
	Addr     netip.AddrPort
	Protocol string
	Payload  []byte
	// Record is the sender's record, usually from its handshake. It is nil if the node made contact
	// without its record and has not fetched it yet.
	Record *enr.Record
}

// Contact is the contact for requests to the sender, even if it is behind a NAT.
func (r TalkRequest) Contact() Contact {
	c := ContactAt(r.From, r.Addr)
	c.peer.Record = r.Record
	return c
}

// TalkHandler answers the requests of one protocol, each in its own goroutine. The response has at
// most codec.MaxTalkResponse bytes. If the handler returns nil or more than that, or panics, the
// response is empty. ctx ends when the node is closed. If too many handlers run (see
// Config.TalkConcurrency), the node sends no response at all, because an empty one would look like
// the handler's.
type TalkHandler func(ctx context.Context, r TalkRequest) []byte

// talkServer runs the handlers. It implements engine.TalkHandler.
type talkServer struct {
	n        *Node
	mu       sync.Mutex // for changes
	handlers atomic.Pointer[map[string]TalkHandler]
	slots    talkSlots
	ctx      context.Context
	cancel   context.CancelFunc
	panics   atomic.Uint64
}

func (t *talkServer) init(n *Node, concurrency, perPeer int) {
	t.n = n
	t.slots.init(concurrency, perPeer)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.handlers.Store(&map[string]TalkHandler{})
}

func (t *talkServer) close() { t.cancel() }

// HandleTalk makes h answer the requests of a protocol. A nil h removes the handler.
func (n *Node) HandleTalk(protocol string, h TalkHandler) {
	t := &n.talk
	t.mu.Lock()
	defer t.mu.Unlock()
	m := maps.Clone(*t.handlers.Load())
	if h == nil {
		delete(m, protocol)
	} else {
		m[protocol] = h
	}
	t.handlers.Store(&m)
}

// TalkPanics returns how many handlers have panicked.
func (n *Node) TalkPanics() uint64 { return n.talk.panics.Load() }

// Registered implements engine.TalkHandler.
func (t *talkServer) Registered(protocol []byte) bool {
	return (*t.handlers.Load())[string(protocol)] != nil
}

// Talk implements engine.TalkHandler: it accepts a request if there is a slot for its sender.
func (t *talkServer) Talk(r engine.TalkRequest) bool {
	h := (*t.handlers.Load())[r.Protocol]
	if h == nil {
		return false
	}
	slot, ok := t.slots.take(r.From, r.Addr.Addr(), t.n.engine.Private())
	if !ok {
		return false
	}
	t.n.spawn(func() { t.serve(h, r, slot) })
	return true
}

// serve runs a handler and sends the response. It frees the slot before the response leaves, so a
// peer that then sends the next request finds a slot. A response that waits for the requester keeps
// its slot.
func (t *talkServer) serve(h TalkHandler, r engine.TalkRequest, slot talkSlot) {
	free := sync.OnceFunc(func() { t.slots.free(slot) })
	defer free()
	answer := t.call(h, r)
	if t.n.state.Load() == stateClosed {
		return
	}
	t.n.requester.do(func(w *engine.Worker) {
		free()
		if w.Talk(r, answer) == engine.ErrTooLarge {
			w.Talk(r, nil)
		}
	})
}

// call runs a handler and recovers from its panic.
func (t *talkServer) call(h TalkHandler, r engine.TalkRequest) (answer []byte) {
	defer func() {
		if p := recover(); p != nil {
			t.panics.Add(1)
			t.n.log.say(slog.LevelError, "a TALK handler has panicked", slog.String("protocol", r.Protocol), slog.String("panic", fmt.Sprint(p)))
			answer = nil
		}
	}()
	req := TalkRequest{From: r.From, Addr: r.Addr, Protocol: r.Protocol, Payload: r.Payload, Record: r.Record}
	if req.Record == nil {
		if known, ok := t.n.Known(r.From); ok {
			req.Record = known.Record
		}
	}
	return h(t.ctx, req)
}

// SendTalk sends a TALK request and does not wait for the response, so a stream over TALK can have
// a window of requests under way: up to Config.MaxPeerRequests to one peer. You may reuse the
// payload when SendTalk returns.
//
// An error says that no request was sent; SendTalk does not call done then. The error wraps ErrBusy
// if too many requests are under way: try later. Otherwise SendTalk calls done, if it is not nil,
// exactly once, with the response or an error as Talk returns them; after Close the error is
// ErrClosed. One goroutine calls the functions of all requests, one after another: a function that
// blocks holds up the others and nothing else. It may call any method of the node, Close included.
func (n *Node) SendTalk(to Contact, protocol string, payload []byte, done func(answer []byte, err error), options ...RequestOption) error {
	fail := func(err error) error {
		return errorf("discv5: %s to %s: %w", codec.TypeTalkRequest, to.ID().Short(), err)
	}
	if err := n.running(); err != nil {
		return fail(err)
	}
	peer, err := to.resolve(n.engine)
	if err != nil {
		return fail(err)
	}
	r := engine.Request{
		Type: codec.TypeTalkRequest, Peer: peer, NoFallback: to.at, Protocol: []byte(protocol), Payload: payload,
	}
	if err := apply(&r, options); err != nil {
		return fail(err)
	}
	if done != nil && !n.callbacks.reserve() {
		return fail(ErrBusy)
	}
	var refused error
	starting := true // as far as the holder of the requester's lock is concerned
	r.Done = func(w *engine.Worker, res engine.Result) {
		if w == n.requester.w && starting {
			refused = res.Err
			return
		}
		if done == nil {
			return
		}
		n.callbacks.add(func() {
			if res.Err != nil {
				done(nil, fail(res.Err))
				return
			}
			done(res.Payload, nil)
		})
	}
	n.requester.do(func(w *engine.Worker) {
		w.Start(r)
		starting = false
	})
	if refused != nil {
		if done != nil {
			n.callbacks.release()
		}
		return fail(refused)
	}
	return nil
}

// callbacks calls functions of the program, one after another, in a goroutine that exists while
// there are any. No other goroutine of the node waits for them, and no lock is held.
type callbacks struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	open    int // places that are reserved
	max     int
	spawn   func(func()) // starts a goroutine
}

// reserve takes a place for one function. add uses the place, and release returns it. reserve
// reports false if all places are taken, including those of functions that have not returned.
func (c *callbacks) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.max {
		return false
	}
	c.open++
	return true
}

func (c *callbacks) release() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
}

// add queues f, which is called soon.
func (c *callbacks) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, f)
	if !c.running {
		c.running = true
		c.spawn(c.run)
	}
}

func (c *callbacks) run() {
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		if len(queue) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for i, f := range queue {
			queue[i] = nil
			f()
			c.release()
		}
	}
}
