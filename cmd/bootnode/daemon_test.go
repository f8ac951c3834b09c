package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
)

// brokenConn is a Conn whose socket has failed for good.
type brokenConn struct {
	fastpath.Conn
	err error
}

func (c brokenConn) ReadBatch(*fastpath.Rx) error { return c.err }
func (brokenConn) WriteBatch(*fastpath.Tx) error  { return nil }
func (brokenConn) LocalAddr() netip.AddrPort      { return netip.MustParseAddrPort("127.0.0.1:9000") }
func (brokenConn) Stats() fastpath.ConnStats      { return fastpath.ConnStats{} }
func (brokenConn) Close() error                   { return nil }

// TestSocketFailureEnds: a bootnode that can no longer receive saves and ends with the reason, so
// that its supervisor can restart it.
func TestSocketFailureEnds(t *testing.T) {
	broken := errors.New("the network card is gone")
	node, err := discv5.New(discv5.Config{Conns: []fastpath.Conn{brokenConn{err: broken}}})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := keeperOf(t)
	k.node = node
	var out bytes.Buffer
	d := &daemon{manager: newServiceManager(slog.New(slog.DiscardHandler)), o: mustLoad(t, nil, nil), node: node, count: k.count, program: program{log: slog.New(slog.NewTextHandler(&out, nil))}}
	if err := d.watch(t.Context(), k.keeper); !errors.Is(err, broken) || !strings.Contains(err.Error(), "127.0.0.1:9000") {
		t.Errorf("ended with %v", err)
	}
	if n := k.count.saves.Load(); n != 1 {
		t.Errorf("saved %d times", n)
	}
	select {
	case <-node.Done():
	default:
		t.Error("the node was not closed")
	}
}
