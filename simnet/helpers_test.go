package simnet

import (
	"context"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// answer is what a request brought.
type answer struct {
	Pong    discv5.Pong
	Records []*enr.Record
	Err     error
}

// ping has one node ping another one by the public API.
func (nd *Node) ping(to *Node) (a answer) {
	a.Pong, a.Err = nd.Node().Ping(context.Background(), to.Contact())
	return a
}

func (nd *Node) findNode(to *Node, distances ...uint) (a answer) {
	a.Records, a.Err = nd.Node().FindNode(context.Background(), to.Contact(), distances...)
	return a
}

// pingLater sends a PING and does not wait for its end.
func (nd *Node) pingLater(t *testing.T, to *Node, done func()) {
	t.Helper()
	p, err := nd.engine().PeerOf(to.Record())
	if err == nil {
		err = nd.request(engine.Request{Type: 1, Peer: p, Done: func(*engine.Worker, engine.Result) { done() }})
	}
	if err != nil {
		t.Fatal(err)
	}
}
