package discv5

import (
	"errors"
	"sync/atomic"
	"testing"
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
				c.MaySend, c.Resend = may.Load, 0
				if test.change != nil {
					test.change(c)
				}
			})
			once := func(c *Config) { c.Resend = 0 }
			known, unknown := loopback(t, "127.0.0.1:0", once), loopback(t, "127.0.0.1:0", once)
			answered := func(peer *Node) {
				t.Helper()
				eventually(t, "an answer to PING", func() bool { _, err := peer.Ping(within(t), contact(n)); return err == nil })
			}
			answered(known)

			may.Store(false)
			silence := func() {
				t.Helper()
				before := n.Stats().Silenced
				for _, peer := range []*Node{known, unknown} {
					if _, err := peer.Ping(within(t), contact(n), WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
						t.Errorf("PING to a node that may not send: %v", err)
					}
				}
				if _, err := n.Ping(within(t), contact(known), WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
					t.Errorf("PING of a node that may not send: %v", err)
				}
				if err := n.WriteTo([]byte("x"), known.Addrs()[0]); !errors.Is(err, ErrSilenced) {
					t.Errorf("datagram of another protocol: %v", err)
				}
				eventually(t, "four datagrams are dropped", func() bool { return n.Stats().Silenced >= before+4 })
			}
			// A batch may have passed the check before. When its goroutine drops another one, that
			// batch has been sent.
			silence()
			sent := n.Stats().Sockets.TxDatagrams
			silence()
			if s := n.Stats().Sockets; s.TxDatagrams != sent {
				t.Errorf("%d datagrams sent", s.TxDatagrams-sent)
			}

			may.Store(true)
			answered(known)
			answered(unknown)
		})
	}
}
