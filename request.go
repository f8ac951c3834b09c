package discv5

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/ranges"
)

// requester sends the requests of the API. A lock lends its worker to one goroutine at a time.
type requester struct {
	n   *Node
	mu  sync.Mutex
	out *sender
	w   *engine.Worker
}

func (c *requester) init(n *Node) error {
	d, err := n.newWorkerLoop()
	if err != nil {
		return err
	}
	c.n, c.out, c.w = n, d.out, d.w
	return nil
}

// do lends the worker to f and sends what f left in the sender.
func (c *requester) do(f func(*engine.Worker)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.w.Begin(c.n.clock.Now())
	f(c.w)
	c.out.flush()
	c.n.changed()
}

func (c *requester) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.w.Close()
}

// MaxRequestTimeout is the longest time that WithTimeout grants.
const MaxRequestTimeout = time.Hour

// RequestOption changes how one request is made.
type RequestOption func(*requestOptions)

// requestOptions is what RequestOptions set.
type requestOptions struct{ timeout time.Duration }

// WithTimeout sets the time for the response to one request, counted from when the packet leaves.
// It replaces Config.RequestTimeout, for a TALK protocol with a slow handler, or a PING that should
// fail fast. 0 leaves the default. A handshake gets the same time in addition, so use the context
// to bound the whole call. The maximum is MaxRequestTimeout; a request with another time fails with
// a [RangeError].
func WithTimeout(d time.Duration) RequestOption {
	return func(o *requestOptions) { o.timeout = d }
}

// apply sets in r what options say. The error is a *RangeError.
func apply(r *engine.Request, options []RequestOption) error {
	var o requestOptions
	for _, set := range options {
		set(&o)
	}
	r.Timeout = o.timeout
	return ranges.Check(ErrConfig, "WithTimeout", o.timeout, minPeriod, MaxRequestTimeout, ranges.Default)
}

// request sends r and waits for its end.
func (n *Node) request(ctx context.Context, to Contact, r engine.Request, options ...RequestOption) (engine.Result, error) {
	fail := func(err error) (engine.Result, error) {
		return engine.Result{}, errorf("discv5: %s to %s: %w", r.Type, to.ID().Short(), err)
	}
	err := apply(&r, options)
	if err == nil {
		err = n.running()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fail(err)
	}
	if r.Peer, err = to.resolve(n.engine); err != nil {
		return fail(err)
	}
	r.NoFallback = to.at
	var res engine.Result
	got := make(chan struct{})
	r.Done = func(_ *engine.Worker, result engine.Result) {
		res = result
		close(got)
	}
	var id engine.CallID
	n.requester.do(func(w *engine.Worker) { id = w.Start(r) })
	if _, err := n.wait(ctx, got, nil); err != nil {
		n.requester.do(func(w *engine.Worker) { w.Cancel(id) })
		return fail(err)
	}
	if res.Err != nil {
		return fail(res.Err)
	}
	return res, nil
}

// Pong is the response to a PING.
type Pong struct {
	RecordSeq uint64         // of the peer's record
	Endpoint  netip.AddrPort // where the peer sees this node
	RTT       time.Duration  // from the last packet sent to the answer
}

// Ping asks whether a node is alive. It takes a handshake first if there is no session with the
// node.
func (n *Node) Ping(ctx context.Context, to Contact, options ...RequestOption) (Pong, error) {
	r, err := n.request(ctx, to, engine.Request{Type: codec.TypePing}, options...)
	if err != nil {
		return Pong{}, err
	}
	return Pong{r.Pong.RecordSeq, r.Pong.Recipient, r.RTT}, nil
}

// FindNode asks a node for records of nodes at the given log distances from it, 0 to 256; 0 stands
// for its own record. It waits for all packets of the response; if some are lost, it returns the
// records that arrived. It leaves out records that do not verify or lie at other distances. The
// error wraps codec.ErrDistance for a distance over 256.
func (n *Node) FindNode(ctx context.Context, to Contact, distances ...uint) ([]*enr.Record, error) {
	r, err := n.request(ctx, to, engine.Request{Type: codec.TypeFindNode, Distances: distances})
	return r.Records, err
}

// Talk sends a request of an application's protocol and returns the response. The response is empty
// if the peer does not know the protocol, or if its handler returned nothing. A peer that is busy
// does not answer, and the error wraps ErrTimeout. ErrBusy means that this node has too many
// outstanding requests. protocol and payload together have at most codec.MaxTalkRequest bytes. See
// SendTalk for many requests at a time.
func (n *Node) Talk(ctx context.Context, to Contact, protocol string, payload []byte, options ...RequestOption) ([]byte, error) {
	r, err := n.request(ctx, to, engine.Request{Type: codec.TypeTalkRequest, Protocol: []byte(protocol), Payload: payload}, options...)
	return r.Payload, err
}

// RequestENR asks a node for its current record, and offers it to the table. The error wraps
// ErrNotFound if the answer does not have it.
func (n *Node) RequestENR(ctx context.Context, to Contact) (*enr.Record, error) {
	records, err := n.FindNode(ctx, to, 0)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.ID() == to.ID() {
			n.engine.Offer(n.clock.Now(), r) // what the table does not want is good all the same
			return r, nil
		}
	}
	return nil, errorf("discv5: record of %s: its answer does not have it: %w", to.ID().Short(), ErrNotFound)
}
