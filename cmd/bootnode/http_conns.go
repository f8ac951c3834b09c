package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// connTable is a listener that holds a bounded number of connections. When it is full, a new
// connection replaces an old one: clients that hold connections open, idle or slowly, keep nobody
// out. The victim is a connection of the address that holds the most; among those an idle one
// before one that has sent no whole request before one that is being answered, and the one that has
// been in that state for longest.
type connTable struct {
	net.Listener
	max     int
	evicted *atomic.Uint64

	mu    sync.Mutex
	conns map[*tableConn]struct{}
}

// tableConn is a connection of a connTable.
type tableConn struct {
	net.Conn
	table *connTable
	from  netip.Addr

	// Under the table's lock:
	state http.ConnState
	since time.Time // when it entered state
}

// newConnTable returns a connTable of at most max connections. It counts evictions in evicted.
func newConnTable(l net.Listener, max int, evicted *atomic.Uint64) *connTable {
	return &connTable{Listener: l, max: max, evicted: evicted, conns: make(map[*tableConn]struct{}, max)}
}

// Accept implements net.Listener.
func (t *connTable) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tc := &tableConn{Conn: c, table: t, state: http.StateNew, since: time.Now()}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		tc.from = netaddr.Normalize(a.AddrPort().Addr())
	}
	if victim := t.add(tc); victim != nil {
		t.evicted.Add(1)
		victim.Conn.Close() // its handler fails at the next read or write
	}
	return tc, nil
}

// add enters a connection and returns the one that it replaces, or nil.
func (t *connTable) add(c *tableConn) (victim *tableConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.conns) >= t.max {
		victim = t.victim()
		delete(t.conns, victim)
	}
	t.conns[c] = struct{}{}
	return victim
}

// victim chooses the connection to evict from a table that is not empty.
func (t *connTable) victim() (worst *tableConn) {
	held := make(map[netip.Addr]int)
	for c := range t.conns {
		held[c.from]++
	}
	rank := map[http.ConnState]int{http.StateIdle: 2, http.StateNew: 1}
	for c := range t.conns {
		if worst == nil {
			worst = c
			continue
		}
		switch x, y := held[c.from]-held[worst.from], rank[c.state]-rank[worst.state]; {
		case x > 0, x == 0 && y > 0, x == 0 && y == 0 && c.since.Before(worst.since):
			worst = c
		}
	}
	return worst
}

// setState is the ConnState hook of the server.
func (t *connTable) setState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*tableConn); ok {
		t.mu.Lock()
		c.state, c.since = state, time.Now()
		t.mu.Unlock()
	}
}

// Close implements net.Conn.
func (c *tableConn) Close() error {
	c.table.mu.Lock()
	delete(c.table.conns, c)
	c.table.mu.Unlock()
	return c.Conn.Close()
}
