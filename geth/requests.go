package geth

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5"
	own "github.com/fastdisc/discv5/enr"
)

// Ping sends PING to n and waits for PONG. The result has no request ID.
func (t *UDPv5) Ping(n *enode.Node) (*v5wire.Pong, error) {
	c, err := t.convert.contact(n)
	if err != nil {
		return nil, err
	}
	p, err := t.node.Ping(t.ctx, c)
	if err != nil {
		return nil, err
	}
	return &v5wire.Pong{
		ENRSeq: p.RecordSeq, ToIP: net.IP(p.Endpoint.Addr().AsSlice()), ToPort: p.Endpoint.Port(),
	}, nil
}

// RequestENR asks n for its current record.
func (t *UDPv5) RequestENR(n *enode.Node) (*enode.Node, error) {
	c, err := t.convert.contact(n)
	if err != nil {
		return nil, err
	}
	r, err := t.node.RequestENR(t.ctx, c)
	if err != nil {
		return nil, err
	}
	return t.convert.node(r), nil
}

// Findnode asks n for nodes at the given log distances from it, 0 to 256.
func (t *UDPv5) Findnode(n *enode.Node, distances []uint) ([]*enode.Node, error) {
	c, err := t.convert.contact(n)
	if err != nil {
		return nil, err
	}
	records, err := t.node.FindNode(t.ctx, c, distances...)
	if err != nil {
		return nil, err
	}
	return t.convert.list(records), nil
}

// Lookup returns the nodes closest to target, closest first, at most 16.
func (t *UDPv5) Lookup(target enode.ID) []*enode.Node {
	records, _ := t.node.Lookup(t.ctx, own.ID(target))
	return t.convert.list(records)
}

// Resolve returns the newest version of n that can be found, and n itself if none is newer.
func (t *UDPv5) Resolve(n *enode.Node) *enode.Node {
	if k, ok := t.node.Known(own.ID(n.ID())); ok && k.Record.Seq() > n.Seq() {
		if known := t.convert.node(k.Record); known != nil {
			n = known
		}
	}
	if r, err := t.RequestENR(n); err == nil && r != nil {
		return r
	}
	if r, _ := t.node.Resolve(t.ctx, own.ID(n.ID())); r != nil && r.Seq() > n.Seq() {
		if found := t.convert.node(r); found != nil {
			return found
		}
	}
	return n
}

// ResolveNodeId finds the newest record of the node with the given ID. It returns nil if no node
// has one.
//
//nolint:staticcheck // go-ethereum's name
func (t *UDPv5) ResolveNodeId(id enode.ID) *enode.Node {
	if id == t.local.ID() {
		return t.Self()
	}
	r, _ := t.node.Resolve(t.ctx, own.ID(id))
	return t.convert.node(r)
}

// TalkRequest sends a TALK request to n and waits for the response.
func (t *UDPv5) TalkRequest(n *enode.Node, protocol string, request []byte) ([]byte, error) {
	c, err := t.convert.contact(n)
	if err != nil {
		return nil, err
	}
	return t.node.Talk(t.ctx, c, protocol, request)
}

// TalkRequestToID sends a TALK request to a node with which there is a session at addr, or whose
// record is known, and waits for the response.
func (t *UDPv5) TalkRequestToID(id enode.ID, addr netip.AddrPort, protocol string, request []byte) ([]byte, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return t.node.Talk(t.ctx, discv5.ContactAt(own.ID(id), addr), protocol, request)
}

// RegisterTalkHandler has handler answer the TALK requests of a protocol, each call in a goroutine
// of its own. A nil response is sent as an empty one.
func (t *UDPv5) RegisterTalkHandler(protocol string, handler TalkRequestHandler) {
	t.node.HandleTalk(protocol, func(ctx context.Context, r discv5.TalkRequest) []byte {
		n := t.sender(ctx, r)
		if n == nil {
			return nil
		}
		return handler(n, net.UDPAddrFromAddrPort(r.Addr), r.Payload)
	})
}

// sender returns the node that sent r. Its record is normally known from the handshake. If this
// node made contact without one, sender asks for it. It returns nil if there is no answer, because
// handlers rely on a node.
func (t *UDPv5) sender(ctx context.Context, r discv5.TalkRequest) *enode.Node {
	if n := t.convert.node(r.Record); n != nil {
		return n
	}
	record, err := t.node.RequestENR(ctx, r.Contact())
	if err != nil {
		return nil
	}
	return t.convert.node(record)
}

// RandomNodes returns an iterator over nodes of the whole network.
func (t *UDPv5) RandomNodes() enode.Iterator {
	ctx, cancel := context.WithCancel(t.ctx)
	next, stop := iter.Pull2(t.node.RandomNodes(ctx))
	return &iterator{t: t, ctx: ctx, cancel: cancel, next: next, stop: stop}
}

// iterator implements enode.Iterator.
type iterator struct {
	t      *UDPv5
	ctx    context.Context
	cancel context.CancelFunc

	mu   sync.Mutex // held by Next
	next func() (*own.Record, error, bool)
	stop func()

	node *enode.Node
}

// retryPause is how long Next waits after a lookup that failed, for instance because no node is
// known yet.
const retryPause = time.Second

// Next implements enode.Iterator. It blocks until there is a node, and returns false after Close of
// the iterator or of the node.
func (it *iterator) Next() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	for it.ctx.Err() == nil {
		r, err, ok := it.next()
		switch {
		case !ok || errors.Is(err, discv5.ErrClosed):
			it.cancel()
		case err != nil:
			select {
			case <-it.ctx.Done():
			case <-time.After(retryPause):
			}
		default:
			if n := it.t.convert.node(r); n != nil {
				it.node = n
				return true
			}
		}
	}
	it.node = nil
	it.stop()
	return false
}

// Node implements enode.Iterator: the node that Next has moved to.
func (it *iterator) Node() *enode.Node { return it.node }

// Close implements enode.Iterator. It ends a Next that waits.
func (it *iterator) Close() {
	it.cancel()
	it.mu.Lock()
	defer it.mu.Unlock()
	it.stop()
}
