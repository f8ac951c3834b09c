package discv5

import (
	"fmt"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/engine"
)

// SendTalk sends a TALK request and does not wait for the answer, so that a stream over TALK can
// have a window of requests under way: up to Config.MaxPeerRequests to one peer. The payload may be
// used again when SendTalk returns.
//
// An error says that the request was not sent, and done is not called. It wraps ErrBusy if too many
// requests are under way: try later. Otherwise done, if it is not nil, is called exactly once, with
// the answer or an error, as Talk would return them; after Close that is ErrClosed. One goroutine
// calls the functions of all requests, one after another: one that blocks holds up the others, and
// nothing else. It may call any method of the node, Close included.
func (n *Node) SendTalk(to Contact, protocol string, payload []byte, done func(answer []byte, err error)) error {
	fail := func(err error) error {
		return fmt.Errorf("discv5: %s to %s: %w", codec.TypeTalkRequest, to.ID().Short(), err)
	}
	if err := n.running(); err != nil {
		return fail(err)
	}
	peer, err := to.resolve(n.engine)
	if err != nil {
		return fail(err)
	}
	if done != nil && !n.callbacks.reserve() {
		return fail(ErrBusy)
	}
	var refused error
	starting := true // as far as the holder of the client's lock is concerned
	r := engine.Request{
		Type: codec.TypeTalkRequest, Peer: peer, Here: to.at, Protocol: []byte(protocol), Payload: payload,
	}
	r.Done = func(w *engine.Worker, res engine.Result) {
		if w == n.client.w && starting {
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
	n.client.do(func(w *engine.Worker) {
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
