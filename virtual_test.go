package discv5

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/virtual"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// newWire returns a network for nodes in a bubble of testing/synctest.
func newWire() *wiretest.Net {
	w := wiretest.NewNet()
	w.Delay = 10 * time.Millisecond
	return w
}

// Nodes run on Conns that are not sockets and, in a bubble of testing/synctest, on virtual time:
// twenty minutes of a network take seconds, and durations are exact.
func TestVirtualNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Delay = 40 * time.Millisecond
		var nodes []*Node
		for i := range 24 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 9000)
			cfg := Config{Conns: []fastpath.Conn{w.Conn(addr)}, Sockets: 1, MaxSessions: 256, MaxChallenges: 256}
			if i > 0 {
				cfg.Bootnodes = Contacts(nodes[0].LocalRecord())
			}
			n, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			nodes = append(nodes, n)
		}
		a, b := nodes[3], nodes[7]
		pong, err := a.Ping(t.Context(), contact(b))
		if err != nil || pong.RTT != 2*w.Delay {
			t.Errorf("PING: %v, round trip %v", err, pong.RTT)
		}
		start := time.Now()
		time.Sleep(20 * time.Minute)
		for i, n := range nodes {
			// More than 16 of the others may be at one distance, for which there is one bucket.
			room := 0
			var at [257]int
			for _, o := range nodes {
				if d := enr.LogDistance(n.ID(), o.ID()); d > 0 && at[d] < 16 {
					at[d]++
					room++
				}
			}
			if st := n.Stats(); st.Live < room-1 {
				t.Errorf("node %d: %d live nodes in its table after %v, of %d that it has room for", i, st.Live, time.Since(start), room)
			}
		}
		var target enr.ID
		rand.Read(target[:])
		found, err := a.Lookup(t.Context(), target)
		if err != nil || len(found) != 16 {
			t.Errorf("lookup: %d nodes, %v", len(found), err)
		}
		// A node that is gone is asked for as long as the timeout says, to the nanosecond of the
		// next tick.
		b.Close()
		start = time.Now()
		_, err = a.Ping(t.Context(), contact(b))
		if took := time.Since(start); err == nil || took < DefaultRequestTimeout || took > DefaultRequestTimeout+3*virtual.TickInterval {
			t.Errorf("PING to a node that is gone: %v after %v", err, took)
		}
	})
}
