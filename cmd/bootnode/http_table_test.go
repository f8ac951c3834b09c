package main

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// S45: a closed connection does not count, so the table evicts nobody because of it.
func TestS45ClosedConnectionsHoldNoPlace(t *testing.T) {
	var evicted atomic.Uint64
	table := newConnTable(nil, 4, &evicted)
	for i := range 20 {
		one, other := net.Pipe()
		defer other.Close()
		c := &tableConn{Conn: one, table: table, from: netip.MustParseAddr("127.0.0.1")}
		if victim := table.add(c); victim != nil {
			t.Fatalf("connection %d evicts another", i)
		}
		c.Close()
		if len(table.conns) != 0 {
			t.Fatalf("%d connections after the end of all", len(table.conns))
		}
	}
}
