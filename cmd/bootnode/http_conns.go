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

// connTable is a listener with a bounded number of connections. When it is full, a new connection
// replaces an old one, so that clients that hold connections open keep nobody out. The victim is a
// connection of the address that has the most. Among those the table prefers an idle connection to
// one without a complete request, and both to one that the server is answering; then the one that
// has been in its state longest.
//
// netutil.LimitListener does not do: it makes new connections wait, so that a few slow clients lock
// the operator out.
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

// newConnTable returns a connTable with at most max connections. It counts evictions in evicted.
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

// add adds a connection and returns the one that it replaces, or nil.
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

// victim returns the connection to evict. The table is not empty.
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

// setState implements the ConnState hook of http.Server.
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
