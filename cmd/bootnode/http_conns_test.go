package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestS45Health: whatever other clients of the HTTP server do, /healthz answers, and does not wait
// for the timeouts of those clients: they are evicted. The deadline is long because the machine may
// be busy.
func TestS45Health(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		metrics bool   // whether the clients are those of --metrics
		send    string // what each other client sends
		read    bool   // whether it reads one answer and then idles
	}{
		{"idle", false, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", true},
		{"silent", false, "", false},
		{"half a request", true, "GET /healthz HTTP/1.1\r\nHost:", false},
		{"half a body", false, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx", false},
		{"never reads", true, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 10), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), "--http", anyPort)
			p.findHTTP(t)
			addr := p.http
			if tt.metrics {
				addr = p.metrics
			}
			var open []net.Conn
			t.Cleanup(func() {
				for _, c := range open {
					c.Close()
				}
			})
			crowd := func() {
				for range 2 * httpConns {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					open = append(open, c)
					fmt.Fprint(c, tt.send)
					if tt.read {
						if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			crowd()
			client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
			for range 3 {
				r, err := client.Get("http://" + addr + "/healthz")
				if err != nil {
					t.Fatalf("health beside %d clients: %v", 2*httpConns, err)
				}
				r.Body.Close()
				if r.StatusCode != http.StatusOK {
					t.Errorf("health: %s", r.Status)
				}
			}
			eventually(t, "metrics beside other clients, with the evictions", func() bool {
				code, page := p.get(t, "/metrics") // refused while too many others are being made
				if code != http.StatusOK {
					return false
				}
				var n float64
				_, rest, _ := strings.Cut(page, "\ndiscv5_http_connections_evicted_total ")
				fmt.Sscan(rest, &n)
				if n == 0 {
					t.Fatal("no client was evicted")
				}
				if n >= httpConns {
					return true
				}
				crowd() // a slow server has closed some for their timeouts
				return false
			})
			p.stop(t)
		})
	}
}

// TestS45Victim: the table evicts a connection of the address that has the most, idle ones first,
// and never the new one.
func TestS45Victim(t *testing.T) {
	var evicted atomic.Uint64
	table := newConnTable(nil, 4, &evicted)
	start := time.Now()
	conn := func(from string, state http.ConnState, age int) *tableConn {
		c := &tableConn{table: table, from: netip.MustParseAddr(from), state: state, since: start.Add(-time.Duration(age) * time.Second)}
		return c
	}
	for _, tt := range []struct {
		name  string
		conns []*tableConn
		want  int
	}{
		{"most of one address", []*tableConn{
			conn("1.1.1.1", http.StateIdle, 9), conn("2.2.2.2", http.StateActive, 1),
			conn("2.2.2.2", http.StateActive, 2), conn("3.3.3.3", http.StateIdle, 3)}, 2},
		{"idle first", []*tableConn{
			conn("1.1.1.1", http.StateActive, 9), conn("1.1.1.1", http.StateNew, 8),
			conn("1.1.1.1", http.StateIdle, 1), conn("1.1.1.1", http.StateActive, 3)}, 2},
		{"then without a request", []*tableConn{
			conn("1.1.1.1", http.StateActive, 9), conn("1.1.1.1", http.StateNew, 1),
			conn("1.1.1.1", http.StateNew, 2), conn("1.1.1.1", http.StateActive, 3)}, 2},
		{"oldest", []*tableConn{
			conn("1.1.1.1", http.StateActive, 1), conn("1.1.1.1", http.StateActive, 2),
			conn("1.1.1.1", http.StateActive, 4), conn("1.1.1.1", http.StateActive, 3)}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clear(table.conns)
			for _, c := range tt.conns {
				if table.add(c) != nil {
					t.Fatal("evicted from a table that is not full")
				}
			}
			if got := table.add(conn("4.4.4.4", http.StateNew, 99)); got != tt.conns[tt.want] {
				t.Errorf("evicted %v %v", got.from, got.state)
			}
			if len(table.conns) != table.max {
				t.Errorf("%d connections, want %d", len(table.conns), table.max)
			}
		})
	}
}

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
