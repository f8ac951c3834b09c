package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
)

// Datagrams that the host's routing table refuses are counted by cause, and cost no other one.
func TestRefusedByRoute(t *testing.T) {
	heavy(t)
	f := newFabric(t)
	h := f.host(t, "10.7.0.1")
	x := h.node(t, func(c *discv5.Config) { c.Resend, c.RequestTimeout = 0, 3*time.Second })
	peer := f.host(t, "10.7.0.2").node(t, nil)
	x.answers(t, peer.contact(), "handshake")
	refused := []struct {
		route, addr string
		count       func(fastpath.SendErrors) uint64
	}{
		{"prohibit", "10.8.0.1", func(e fastpath.SendErrors) uint64 { return e.Denied }},
		{"unreachable", "10.9.0.1", func(e fastpath.SendErrors) uint64 { return e.Unreachable }},
		{"blackhole", "10.10.0.1", func(e fastpath.SendErrors) uint64 { return e.Other }},
	}
	for _, r := range refused {
		h.ip(t, "route add "+r.route+" "+r.addr+"/32")
	}
	const rounds = 3
	for range rounds {
		var all sync.WaitGroup
		for _, r := range refused {
			all.Go(func() {
				if _, err := x.Ping(t.Context(), discv5.ContactOf(absent(t, r.addr))); !errors.Is(err, discv5.ErrTimeout) {
					t.Errorf("PING by route %s: %v", r.route, err)
				}
			})
		}
		for range 50 {
			if _, err := x.Ping(t.Context(), peer.contact()); err != nil {
				t.Errorf("PING to the peer: %v", err)
			}
		}
		all.Wait()
	}
	s := x.Stats().Sockets.SendErrors
	for _, r := range refused {
		if n := r.count(s); n != rounds {
			t.Errorf("route %s: %d datagrams counted, want %d", r.route, n, rounds)
		}
	}
	result(t, "%d PING each to routes that prohibit, say unreachable or swallow: %+v; %d PING to a peer all answered", rounds, s, 50*rounds)
}

// A line that is far too slow: the queue of the interface is full, then the buffer of the socket,
// and sends would block. Datagrams that do not fit are counted and dropped; the processor does not
// spin; the other family, which has a socket of its own, is served as before; and once the line is
// fast again so is the first.
func TestSlowLine(t *testing.T) {
	heavy(t)
	f := newFabric(t)
	// Two interfaces: the slow line takes IPv4 alone.
	h := f.host(t, ipv4.addr(1)...)
	fast, six6 := h.line(t, "tun1"), netip.MustParseAddr(ipv6.addr(1)[0])
	h.ip(t, fmt.Sprintf("address add %v/128 dev tun1 nodad", six6), "route add ::/0 dev tun1")
	h.v6 = six6
	f.attach(fast, six6)
	boot := h.bootnode(t, launch{args: []string{"--sockets", "1"}})
	crowd := make([]*node, 6)
	for i := range crowd {
		crowd[i] = f.host(t, ipv4.addr(i+2)...).node(t, nil, boot.record)
	}
	six := f.host(t, ipv6.addr(20)...).node(t, nil, boot.record)
	to := discv5.ContactOf(boot.record)
	for _, n := range append(crowd, six) {
		n.answers(t, to, "handshake")
	}
	eventually(t, "all nodes in the bootnode's table", func() bool { return boot.live(t) == len(crowd)+1 })

	// Its queue is long enough for the socket's buffer to fill before anything is dropped.
	if out, err := h.space.Run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "100kbit", "burst", "2kb", "limit", "50mb"); err != nil {
		t.Skipf("probed for slow lines (sch_tbf), which the kernel lacks: tc: %s", out)
	}
	before := boot.metrics(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a node of the crowd counted %v", crowd[0].Stats().Counters)
		}
	})
	// The buffer has to be full before the bootnode finds that the crowd does not answer, as it
	// then sends less: until it is, the crowd asks without a pause.
	var isFull atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	for _, n := range crowd {
		for range 4 {
			flood.Go(func() {
				for ctx.Err() == nil {
					// Nobody waits for the answer, but a handshake must fit into the time.
					short, end := context.WithTimeout(ctx, 20*time.Millisecond)
					_, _ = n.FindNode(short, to, 256, 255, 254, 253)
					end()
					if isFull.Load() {
						time.Sleep(30 * time.Millisecond)
					}
				}
			})
		}
	}
	blocked := func() float64 { return boot.metrics(t)[`discv5_socket_send_errors_total{cause="blocked"}`] }
	full := eventually(t, "a datagram that found the buffer full", func() bool { return blocked() > 0 })
	isFull.Store(true)

	cpu, start := boot.cpu(t), time.Now()
	a := load{nodes: []*node{six}}.against(t, to, 6*time.Second)
	used, took := boot.cpu(t)-cpu, time.Since(start)
	after := boot.metrics(t)
	boot.healthy(t)
	a.check(t, 1)
	if used > took*8/10 {
		t.Errorf("%v of processor time in %v while sends block", used, took)
	}
	cancel()
	flood.Wait()
	if out, err := h.space.Run("tc", "qdisc", "del", "dev", device, "root"); err != nil {
		t.Fatalf("tc: %v %s", err, out)
	}
	eventually(t, "answers over IPv4 after the line is fast again", func() bool {
		for _, n := range crowd {
			if _, err := n.Ping(t.Context(), to); err != nil {
				return false
			}
		}
		return true
	})
	diff := func(name string) float64 { return after[name] - before[name] }
	result(t, "IPv4 at 100 kbit/s, full %s after: %v requests in, %v datagrams dropped as blocked, %v without buffers, %.0f %% of a processor; IPv6: %v",
		seconds(full), diff(`discv5_messages_received_total{type="findnode"}`), diff(`discv5_socket_send_errors_total{cause="blocked"}`),
		diff(`discv5_socket_send_errors_total{cause="no_buffers"}`), 100*used.Seconds()/took.Seconds(), a)
}

// against makes calls of the first node to one other.
func (l load) against(t *testing.T, to discv5.Contact, d time.Duration) *account {
	a, n := newAccount(), l.nodes[0]
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		start := time.Now()
		_, err := n.Ping(t.Context(), to)
		a.note("Ping", time.Since(start), bound(&n.config, 1), err)
	}
	return a
}

// Socket buffers that hold next to nothing: what a burst loses is counted, and Resend makes up for
// it.
func TestTinyBuffers(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fab := newFabric(t)
			x := fab.host(t, f.addr(1)...).node(t, func(c *discv5.Config) { c.RecvBuffer, c.SendBuffer = 1, 1 })
			var crowd []*node
			for i := range 4 {
				crowd = append(crowd, fab.host(t, f.addr(i+2)...).node(t, nil, x.LocalRecord()))
			}
			for _, n := range crowd {
				n.answers(t, x.contact(), "handshake")
			}
			a := newAccount()
			var all sync.WaitGroup
			for _, n := range crowd {
				for range 16 {
					all.Go(func() {
						for range 20 {
							start := time.Now()
							_, err := n.Talk(t.Context(), x.contact(), echo, make([]byte, 1000))
							a.note("Talk", time.Since(start), bound(&n.config, 1), err)
						}
					})
				}
			}
			all.Wait()
			a.check(t, 0.5)
			s := x.Stats().Sockets
			if s.KernelDrops == 0 {
				t.Error("no datagram found the receive buffer full")
			}
			if err := x.Err(); err != nil {
				t.Error(err)
			}
			for _, n := range crowd {
				n.answers(t, x.contact(), "answer after the burst")
			}
			result(t, "%v: %v; %d datagrams, or GRO batches of them, dropped by the kernel, %+v", x.Sockets()[0], a, s.KernelDrops, s.SendErrors)
		})
	}
}
