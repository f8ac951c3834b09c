package discv5

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// TestMaySend: while Config.MaySend returns false, nothing leaves the node: no answer in a session,
// no challenge, no request of its own, and no datagram of another protocol. It counts what it
// drops, and answers as soon as it may.
func TestMaySend(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
	}{
		{"one socket", nil},
		{"several sockets", func(c *Config) { c.Sockets = 3 }},
		{"portable sockets", func(c *Config) { c.Portable = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var may atomic.Bool
			may.Store(true)
			n := loopback(t, "127.0.0.1:0", func(c *Config) {
				c.MaySend = may.Load
				if test.change != nil {
					test.change(c)
				}
			})
			short := func(c *Config) { c.RequestTimeout = 200 * time.Millisecond }
			known, unknown := loopback(t, "127.0.0.1:0", short), loopback(t, "127.0.0.1:0", short)
			if _, err := known.Ping(within(t), contact(n)); err != nil {
				t.Fatal(err)
			}

			may.Store(false)
			time.Sleep(100 * time.Millisecond) // for a batch that has passed the check
			sent := n.Stats().Sockets.TxDatagrams
			for _, peer := range []*Node{known, unknown} {
				if _, err := peer.Ping(within(t), contact(n)); !errors.Is(err, ErrTimeout) {
					t.Errorf("PING to a node that may not send: %v", err)
				}
			}
			if _, err := n.Ping(within(t), contact(known)); !errors.Is(err, ErrTimeout) {
				t.Errorf("PING of a node that may not send: %v", err)
			}
			if err := n.WriteTo([]byte("x"), known.Addrs()[0]); !errors.Is(err, ErrSilenced) {
				t.Errorf("datagram of another protocol: %v", err)
			}
			s := n.Stats()
			if s.Sockets.TxDatagrams != sent || s.Silenced < 4 {
				t.Errorf("%d datagrams sent, %d dropped", s.Sockets.TxDatagrams-sent, s.Silenced)
			}

			may.Store(true)
			for _, peer := range []*Node{known, unknown} {
				if _, err := peer.Ping(within(t), contact(n)); err != nil {
					t.Errorf("PING to a node that may send: %v", err)
				}
			}
		})
	}
}
