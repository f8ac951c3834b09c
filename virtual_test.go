package discv5

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
)

// wire is a network inside the process: a Conn for each address, between which datagrams take a
// fixed time.
type wire struct {
	delay time.Duration
	mu    sync.Mutex
	conns map[netip.AddrPort]*wireConn
	// route, if not nil, is what routers on the way make of a datagram, or whether they drop it. It
	// is called with mu held.
	route func(from, to netip.AddrPort) (newFrom, newTo netip.AddrPort, ok bool)
}

type wireConn struct {
	w    *wire
	addr netip.AddrPort
	in   chan wireDatagram
	done chan struct{}
	once sync.Once
}

type wireDatagram struct {
	from netip.AddrPort
	b    []byte
}

// setRoute has route rewrite the addresses of all further datagrams. It is called under the wire's
// lock.
func (w *wire) setRoute(route func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool)) {
	w.mu.Lock()
	w.route = route
	w.mu.Unlock()
}

func (w *wire) conn(addr netip.AddrPort) *wireConn {
	c := &wireConn{w: w, addr: addr, in: make(chan wireDatagram, 1024), done: make(chan struct{})}
	w.mu.Lock()
	w.conns[addr] = c
	w.mu.Unlock()
	return c
}

func (c *wireConn) ReadBatch(rx *fastpath.Rx) error {
	rx.Reset()
	select {
	case d := <-c.in:
		rx.Push(d.b, d.from)
		return nil
	case <-c.done:
		return fastpath.ErrClosed
	}
}

func (c *wireConn) WriteBatch(tx *fastpath.Tx) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for i := range tx.Len() {
		from, dest := c.addr, tx.Addr(i)
		if c.w.route != nil {
			var ok bool
			if from, dest, ok = c.w.route(from, dest); !ok {
				continue
			}
		}
		to := c.w.conns[dest]
		if to == nil {
			continue
		}
		d := wireDatagram{from, bytes.Clone(tx.Packet(i))}
		time.AfterFunc(c.w.delay, func() {
			select {
			case to.in <- d:
			default: // a full socket loses it
			}
		})
	}
	tx.Reset()
	return nil
}

func (c *wireConn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }
func (c *wireConn) LocalAddr() netip.AddrPort       { return c.addr }
func (c *wireConn) Stats() fastpath.ConnStats       { return fastpath.ConnStats{} }
func (c *wireConn) Close() error                    { c.once.Do(func() { close(c.done) }); return nil }

// Nodes run on Conns that are no sockets and, in a bubble of testing/synctest, on virtual time:
// twenty minutes of a network take seconds, and durations are exact.
func TestVirtualNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.delay = 40 * time.Millisecond
		var nodes []*Node
		for i := range 24 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 9000)
			cfg := Config{Conns: []fastpath.Conn{w.conn(addr)}, Sockets: 1, MaxSessions: 256, MaxChallenges: 256}
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
		if err != nil || pong.RTT != 2*w.delay {
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
		if took := time.Since(start); err == nil || took < DefaultRequestTimeout || took > DefaultRequestTimeout+3*tickInterval {
			t.Errorf("PING to a node that is gone: %v after %v", err, took)
		}
	})
}
