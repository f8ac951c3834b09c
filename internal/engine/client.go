package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/session"
)

// Errors of requests.
var (
	ErrTimeout   = errors.New("discv5: no answer in time")
	ErrClosed    = errors.New("discv5: closed")
	ErrBusy      = errors.New("discv5: too many requests under way")
	ErrSelf      = errors.New("discv5: request to this node itself")
	ErrTooLarge  = errors.New("discv5: message does not fit into a packet")
	ErrHandshake = errors.New("discv5: handshake cannot be made")
	ErrNoSession = errors.New("discv5: no session with the peer, and its key is not known")
	ErrCanceled  = errors.New("discv5: request was given up")
	ErrBlocked   = errors.New("discv5: peer is banned, outside of the allowed networks, or of a list that must not name its address")
	ErrNoRoute   = fmt.Errorf("%w: no socket of the address's family", ErrNoEndpoint)
)

type callState uint8

const (
	callQueued     callState = iota // waits for the handshake of another call
	callRandom                      // asked for a handshake, no WHOAREYOU yet
	callSent                        // sealed with the keys of a session
	callChallenged                  // WHOAREYOU has arrived, a task makes the handshake
	callHandshake                   // handshake packet sent
	// handshake packet sent with a PING; the call follows when the peer answers it
	callFollows
)

// call is one attempt of an outstanding request. calls.mu guards state, sent, began and the fields
// of NODES responses.
type call struct {
	request Request

	id      codec.RequestID
	key     session.Key // of the peer at its address
	hash    uint64
	message []byte
	room    [messageRoom]byte // for a message of the usual size
	timeout time.Duration
	started time.Duration // when Start was called
	limit   time.Duration // the latest possible deadline

	state callState
	sent  time.Duration
	began time.Duration // when the packet left that led to a handshake

	nodes     []byte // records received so far, concatenated
	packets   uint64 // NODES packets received so far
	answered  time.Duration
	collected bool         // nodes is complete: further packets are dropped
	topic     *topicAnswer // of REGTOPIC and TOPICQUERY
}

// messageRoom is enough for PING and for FINDNODE with a few distances.
const messageRoom = 32

// calls are the outstanding requests, by peer. A call is in pending until it ends. The goroutine
// that takes it out there must end it.
type calls struct {
	pending *requestTable[*call]

	mu     sync.Mutex
	peers  map[session.Key]*outbound
	closed bool
}

// outbound is the state of the requests to one peer.
type outbound struct {
	calls []*call
	// initiating is the call that asks for a handshake or makes it. Others wait for it.
	initiating *call
	// nonce is that of the packet that asks for a handshake. A retry of an unanswered packet uses
	// the same nonce: the peer repeats its WHOAREYOU, which carries the nonce of the first packet.
	nonce codec.Nonce
	asks  bool // nonce is valid
}

func (cs *calls) init(max int) {
	cs.pending = newRequestTable[*call](max)
	cs.peers = make(map[session.Key]*outbound)
}

// Start sends a request. It always calls r.Done exactly once, possibly before it returns.
func (w *Worker) Start(r Request) CallID {
	defer w.publish()
	c, err := w.prepare(r)
	if err != nil {
		w.counts[RequestsFailed]++
		r.Done(w, Result{Err: err})
		return CallID{}
	}
	h := c.request.handle
	w.e.calls.mu.Lock()
	h.id = c.id
	canceled := h.canceled
	w.e.calls.mu.Unlock()
	if canceled {
		w.fail(c, Result{Err: ErrCanceled})
	} else {
		w.sendOrQueue(c)
	}
	return CallID{h}
}

// start is Start for a request that the node makes on its own.
func (w *Worker) start(r Request, origin budget.Origin, grant *budget.Grant) {
	r.origin, r.grant = origin, grant
	w.Start(r)
}

// prepare returns a pending call for r with its encoded message.
func (w *Worker) prepare(r Request) (*call, error) {
	e := w.e
	if r.Peer.ID == e.self {
		return nil, ErrSelf
	}
	addr := r.Peer.Addr
	if a := addr.Addr(); !a.IsValid() || addr.Port() == 0 || a.Is4() && !e.cfg.IPv4 || a.Is6() && !e.cfg.IPv6 {
		return nil, ErrNoRoute
	}
	if r.Peer.Listed && !e.believable(e.listClass(), addr) {
		return nil, ErrBlocked
	}
	if e.cfg.Access.Blocked(w.now, addr.Addr()) || e.cfg.Access.BlockedID(w.now, (*[32]byte)(&r.Peer.ID)) {
		return nil, ErrBlocked
	}
	if r.retries == nil {
		r.handle = new(handle)
		if r.retries = e.planRetries(&r); *r.retries != (retries{}) {
			// Copy: the caller may reuse its slices after its context ends.
			r.Protocol, r.Payload, r.Distances = bytes.Clone(r.Protocol), bytes.Clone(r.Payload), slices.Clone(r.Distances)
			r.Ticket = bytes.Clone(r.Ticket)
		}
	}
	c := &call{request: r, timeout: r.Timeout, started: w.now}
	if c.timeout <= 0 {
		c.timeout = e.cfg.RequestTimeout
	}
	c.limit = e.limitOf(w.now, c.timeout)
	id := [32]byte(r.Peer.ID)
	c.key = session.MakeKey(addr, &id)
	c.hash = e.sessions.Hash(&c.key)
	// Check that the request can be encoded before it takes a slot. All request IDs have this size.
	c.id, _ = codec.NewRequestID(make([]byte, codec.MaxRequestID))
	if err := c.encode(e, r); err != nil {
		return nil, err
	}
	if _, ok := e.calls.pending.add(w.now+c.timeout, w.random, func(id codec.RequestID) *call {
		c.id = id
		return c
	}); !ok {
		return nil, ErrBusy
	}
	if err := c.encode(e, r); err != nil { // cannot happen: it succeeded above
		e.calls.pending.take(c.id)
		return nil, err
	}
	return c, nil
}

func (c *call) encode(e *Engine, r Request) error {
	b := c.room[:0]
	switch r.Type {
	case codec.TypePing:
		m := codec.Ping{RequestID: c.id, RecordSeq: e.Record().Seq()}
		b = m.Append(b)
	case codec.TypeFindNode:
		var room [messageRoom]byte
		d, _, err := codec.NewDistances(room[:0], r.Distances)
		if err != nil {
			return err
		}
		m := codec.FindNode{RequestID: c.id, Distances: d}
		b = m.Append(b)
	case codec.TypeRegTopic, codec.TypeTopicQuery:
		var err error
		if b, err = c.encodeTopic(e, r, b); err != nil {
			return err
		}
	case codec.TypeTalkRequest:
		if len(r.Protocol)+len(r.Payload) > codec.MaxTalkRequest {
			return ErrTooLarge
		}
		m := codec.TalkRequest{RequestID: c.id, Protocol: r.Protocol, Payload: r.Payload}
		b = m.Append(b)
	default:
		return codec.ErrMessageType
	}
	if len(b) > codec.MaxMessageSize {
		return ErrTooLarge
	}
	c.message = b
	return nil
}

// sendOrQueue sends a new call, or queues it behind the handshake of another one.
func (w *Worker) sendOrQueue(c *call) {
	cs := &w.e.calls
	cs.mu.Lock()
	if cs.closed {
		cs.mu.Unlock()
		w.fail(c, Result{Err: ErrClosed})
		return
	}
	p := cs.peers[c.key]
	if p == nil {
		p = new(outbound)
		cs.peers[c.key] = p
		if w.e.cfg.Peers != nil {
			w.e.cfg.Peers.Hold(c.key.AddrPort())
		}
	}
	if len(p.calls) >= w.e.cfg.MaxPeerRequests {
		cs.mu.Unlock()
		w.fail(c, Result{Err: ErrBusy})
		return
	}
	p.calls = append(p.calls, c)
	if p.initiating != nil {
		if c.state = callQueued; p.initiating.state != callRandom {
			w.awaitHandshake(c)
		}
		cs.mu.Unlock()
		return
	}
	keys, ok := w.e.sessions.Sender(&c.key, c.hash)
	if _, known := c.request.Peer.Key(); !ok && !known {
		cs.mu.Unlock()
		w.fail(c, Result{Err: ErrNoSession})
		return
	}
	nonce := w.markSent(p, c, ok)
	cs.mu.Unlock()
	if w.e.cfg.DetectAddress >= 0 {
		w.e.address.contacts.note(w.now, c.request.Peer.Addr.Addr())
	}
	w.sendCall(c, keys, nonce)
}

// markSent notes that c is about to be sent: within a session, or with the returned nonce to ask
// for one. calls.mu is held.
func (w *Worker) markSent(p *outbound, c *call, session bool) (nonce codec.Nonce) {
	c.sent = w.now
	if session {
		c.state = callSent
		w.random.Read(nonce[:]) // in case the keys are used up meanwhile
		return nonce
	}
	c.state, c.began, p.initiating = callRandom, w.now, c
	if !p.asks {
		if p.asks = true; c.request.nonce != nil {
			p.nonce = *c.request.nonce
		} else {
			w.random.Read(p.nonce[:])
		}
	}
	return p.nonce
}

// sendCall sends c with keys. Without keys it sends random bytes of the same size with the given
// nonce, which the peer cannot open and answers with WHOAREYOU.
func (w *Worker) sendCall(c *call, keys *session.Keys, nonce codec.Nonce) {
	if !w.spend(c) {
		return
	}
	buf := w.out.Buffer()
	if buf == nil {
		w.counts[DropSendQueue]++
		w.fail(c, Result{Err: ErrBusy})
		return
	}
	message := append(buf[messageStart:messageStart], c.message...)
	id := [32]byte(c.request.Peer.ID)
	var n int
	if keys != nil && keys.NextNonce(&w.header.Nonce, w.random) {
		n = w.seal(buf, message, keys, &id)
		w.countOut(c.request.Type)
	} else {
		w.header.Nonce = nonce
		w.random.Block(&w.header.IV)
		noise := message[:len(message)+codec.TagSize]
		w.random.Read(noise)
		n = len(w.header.AppendUnopenable(buf[:0], &id, noise))
		w.counts[OutRandom]++
	}
	if w.e.calls.pending.setNonce(c.id, &w.header.Nonce) {
		if w.now != c.started {
			w.restartDeadline(c)
		}
		via := w.via
		if w.via = 0; keys != nil {
			w.via = Via(keys.Via())
		}
		w.commit(n, c.request.Peer.Addr)
		w.via = via
	}
}

func (w *Worker) countOut(t codec.MessageType) {
	switch t {
	case codec.TypePing:
		w.counts[OutPing]++
	case codec.TypeFindNode:
		w.counts[OutFindNode]++
	case codec.TypeTalkRequest:
		w.counts[OutTalkRequest]++
	case codec.TypeRegTopic:
		w.counts[OutRegTopic]++
	case codec.TypeTopicQuery:
		w.counts[OutTopicQuery]++
	}
}

// Cancel ends a call with ErrCanceled unless it has ended.
func (w *Worker) Cancel(id CallID) {
	if id.h == nil {
		return // it ended before Start returned
	}
	w.e.calls.mu.Lock()
	id.h.canceled = true
	current := id.h.id
	w.e.calls.mu.Unlock()
	if c, ok := w.e.calls.pending.take(current); ok {
		w.complete(c, Result{Err: ErrCanceled})
	}
	w.publish()
}

// fail ends c with r if it is still pending.
func (w *Worker) fail(c *call, r Result) {
	if _, ok := w.e.calls.pending.take(c.id); ok {
		w.complete(c, r)
	}
}

// complete ends a call that was taken out of the pending ones: the next call to its peer may move
// up, and the caller gets the result.
func (w *Worker) complete(c *call, r Result) {
	w.unlink(c)
	w.notify(c, r)
}

// notify counts the result of an unlinked call and passes it to the caller.
func (w *Worker) notify(c *call, r Result) {
	switch {
	case r.Err == nil:
		w.counts[RequestsAnswered]++
		w.timed(c.request.Type, r.RTT)
	case errors.Is(r.Err, ErrTimeout):
		w.counts[RequestsTimedOut]++
	default:
		w.counts[RequestsFailed]++
	}
	c.request.Done(w, r)
}

// unlink removes c from its peer. If others waited for the handshake of c, the first of them takes
// its place.
func (w *Worker) unlink(c *call) {
	cs := &w.e.calls
	cs.mu.Lock()
	p := cs.peers[c.key]
	if p == nil {
		cs.mu.Unlock()
		return
	}
	for i, o := range p.calls {
		if o == c {
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			break
		}
	}
	if len(p.calls) == 0 {
		delete(cs.peers, c.key)
		if w.e.cfg.Peers != nil {
			w.e.cfg.Peers.Release(c.key.AddrPort())
		}
	}
	var s succession
	var keys *session.Keys
	if p.initiating == c {
		if s = w.nextInLine(p, c); s.next != nil {
			var ok bool
			keys, ok = w.e.sessions.Sender(&c.key, c.hash)
			s.nonce = w.markSent(p, s.next, ok)
		}
	}
	cs.mu.Unlock()
	if s.next != nil {
		w.sendCall(s.next, keys, s.nonce)
	}
	for _, o := range s.stale {
		if _, ok := cs.pending.take(o.id); ok {
			w.timedOut(o)
		}
	}
}

// flushQueued is called when there are new current keys for key. It sends what waited for them, and
// repeats what was sent with keys that the peer may have lost.
func (w *Worker) flushQueued(key *session.Key, hash uint64) {
	cs := &w.e.calls
	cs.mu.Lock()
	p := cs.peers[*key]
	if p == nil {
		cs.mu.Unlock()
		return
	}
	keys, ok := w.e.sessions.Sender(key, hash)
	if !ok {
		cs.mu.Unlock()
		return
	}
	if c := p.initiating; c != nil && c.state != callChallenged {
		p.initiating, p.asks = nil, false
	}
	var send []*call
	for _, c := range p.calls {
		if c.state == callQueued || c.state == callRandom || c.state == callFollows {
			c.state, c.sent = callSent, w.now
			send = append(send, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range send {
		var nonce codec.Nonce
		w.random.Read(nonce[:]) // in case the keys are used up meanwhile
		w.sendCall(c, keys, nonce)
	}
}

// close rejects new calls and takes out all pending ones.
func (cs *calls) close() []*call {
	cs.mu.Lock()
	cs.closed = true
	cs.mu.Unlock()
	return cs.pending.drain(nil)
}
