package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

const (
	testMin = 63
	testMax = 1280
)

// nodeSide is the node's Conn of a test: a socket of the system, or one queue.
type nodeSide struct {
	fastpath.Conn
	device *device // nil for a socket of the system
	group  *fastpath.Group
	addr   netip.AddrPort
}

// TestConn runs the same tests with a socket of the system and with AF_XDP in copy modes, for both
// families. The socket is the reference implementation. The tests of a mode share a device, as the
// kernel takes long to remove a program from an interface.
func TestConn(t *testing.T) {
	for _, mode := range []Mode{0, NativeCopy, Generic} {
		for _, family := range []struct{ node, client netip.Addr }{{node4, client4}, {node6, client6}} {
			name := "socket"
			if mode != 0 {
				name = mode.String()
			}
			t.Run(fmt.Sprintf("%s/%v", name, family.node), func(t *testing.T) {
				l := newLab(t, 1)
				node, client := l.sides(mode, 9000, family.node, family.client)
				node.prove(t, client)
				for _, c := range []struct {
					name string
					f    func(t *testing.T, node nodeSide, client fastpath.Conn)
				}{
					{"round trip", connRoundTrip},
					{"sizes", connSizes},
					{"truncated", connTruncated},
					{"destinations", connDestinations},
					{"deadline", connDeadline},
					{"allocates nothing", connAllocatesNothing},
					{"concurrent use", connConcurrentUse}, // the last one, as it closes the Conn
				} {
					ok := t.Run(c.name, func(t *testing.T) {
						for _, side := range []fastpath.Conn{node, client} {
							if err := side.SetReadDeadline(time.Now().Add(patience)); err != nil {
								t.Fatal(err)
							}
						}
						c.f(t, node, client)
					})
					if !ok {
						return // datagrams may be left that the others do not expect
					}
				}
				if node.device != nil {
					node.device.close()
				}
				t.Run("close", func(t *testing.T) {
					l.t = t
					node, client := l.sides(mode, 9001, family.node, family.client)
					connClose(t, node, client)
				})
			})
		}
	}
}

// sides opens the Conns of the node and of a client.
func (l *lab) sides(mode Mode, port uint16, node, client netip.Addr) (nodeSide, fastpath.Conn) {
	l.t.Helper()
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax, DisableGSO: true}, netip.AddrPortFrom(node, port))[0]
	side := nodeSide{Conn: g.Conns()[0], group: g, addr: g.Addr()}
	if mode != 0 {
		side.device = l.device(mode, g)
		if got := side.device.acceleration().Mode; got != mode.String() {
			l.t.Fatalf("mode %q, want %v", got, mode)
		}
		side.Conn = side.device.conns[0]
	}
	if err := side.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	return side, l.socket(client, 0)
}

// prove exchanges datagrams until answers leave through AF_XDP.
func (n *nodeSide) prove(t *testing.T, client fastpath.Conn) {
	t.Helper()
	if n.device == nil {
		return
	}
	await(t, "a proven return path", func() bool {
		exchange(t, *n, client, 1, func(int) int { return 200 }) // the answer is below maxAnswer
		return n.device.acceleration().AnswersReason == "" && n.Stats().TxDatagrams > 0
	})
}

// queue commits a datagram of n bytes that starts with seq, as far as it fits.
func queue(tx *fastpath.Tx, seq, n int, to netip.AddrPort, local fastpath.Local) {
	b := tx.Buffer()
	clear(b)
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(seq))
	copy(b[:n], head[:])
	tx.CommitFrom(n, to, local)
}

func seqOf(b []byte) int { return int(binary.BigEndian.Uint64(b)) }

// drain reads until want datagrams have come, and returns their sizes by number.
func drain(t *testing.T, c fastpath.Conn, rx *fastpath.Rx, want int) map[int]int {
	t.Helper()
	got := make(map[int]int)
	for n := 0; n < want; n += rx.Len() {
		if err := c.ReadBatch(rx); err != nil {
			t.Fatalf("after %d of %d datagrams: %v", n, want, err)
		}
		for i := range rx.Len() {
			got[seqOf(rx.Packet(i))] = len(rx.Packet(i))
		}
	}
	if len(got) != want {
		t.Fatalf("%d different datagrams, want %d", len(got), want)
	}
	return got
}

// idle fails the test when another datagram arrives soon.
func idle(t *testing.T, c fastpath.Conn, rx *fastpath.Rx) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if err := c.ReadBatch(rx); err != os.ErrDeadlineExceeded {
		t.Fatalf("ReadBatch = %v with %d datagrams, want nothing more", err, rx.Len())
	}
	c.SetReadDeadline(time.Now().Add(patience))
}

// exchange sends n requests of the client, answers each with its own number, and checks sizes and
// addresses.
func exchange(t *testing.T, node nodeSide, client fastpath.Conn, n int, size func(int) int) {
	t.Helper()
	tx, rx := fastpath.NewTx(64, testMax), fastpath.NewRx(64, testMax)
	for i := range n {
		queue(tx, i, size(i), node.addr, 0)
	}
	if err := client.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	answers := fastpath.NewTx(64, testMax)
	for got := 0; got < n; got += rx.Len() {
		if err := node.ReadBatch(rx); err != nil {
			t.Fatalf("after %d of %d requests: %v", got, n, err)
		}
		for i := range rx.Len() {
			p := rx.Packet(i)
			if seq := seqOf(p); len(p) != size(seq) {
				t.Errorf("request %d has %d bytes, want %d", seq, len(p), size(seq))
			}
			if rx.Addr(i) != client.LocalAddr() {
				t.Errorf("from %v, want %v", rx.Addr(i), client.LocalAddr())
			}
			queue(answers, seqOf(p), testMax+testMin-len(p), rx.Addr(i), rx.Local(i))
		}
		if err := node.WriteBatch(answers); err != nil || answers.Len() != 0 {
			t.Fatalf("WriteBatch = %v, %d left", err, answers.Len())
		}
	}
	for got := 0; got < n; got += rx.Len() {
		if err := client.ReadBatch(rx); err != nil {
			t.Fatalf("after %d of %d answers: %v", got, n, err)
		}
		for i := range rx.Len() {
			p := rx.Packet(i)
			if seq := seqOf(p); len(p) != testMax+testMin-size(seq) {
				t.Errorf("answer %d has %d bytes, want %d", seq, len(p), testMax+testMin-size(seq))
			}
			if rx.Addr(i) != node.addr {
				t.Errorf("answer from %v, want %v", rx.Addr(i), node.addr)
			}
		}
	}
}

// connRoundTrip: requests and answers of all sizes.
func connRoundTrip(t *testing.T, node nodeSide, client fastpath.Conn) {
	before := node.Stats()
	for range 3 {
		exchange(t, node, client, 64, func(i int) int { return testMin + i*(testMax-testMin)/63 })
	}
	st := node.Stats()
	if n := st.RxDatagrams - before.RxDatagrams; n != 192 {
		t.Errorf("%d received, want 192", n)
	}
	sent := st.TxDatagrams - before.TxDatagrams
	if node.device == nil {
		if sent != 192 {
			t.Errorf("%d sent, want 192", sent)
		}
		return
	}
	// Answers above maxAnswer leave through the socket.
	headers := 28
	if node.addr.Addr().Is6() {
		headers = 48
	}
	large := uint64(0)
	for i := range 64 {
		if testMax+testMin-(testMin+i*(testMax-testMin)/63)+headers > maxAnswer {
			large += 3
		}
	}
	if sent != 192-large || large == 0 {
		t.Errorf("%d sent, want %d", sent, 192-large)
	}
}

// connSizes: datagrams of a size that the node refuses do not arrive.
func connSizes(t *testing.T, node nodeSide, client fastpath.Conn) {
	tx, rx := fastpath.NewTx(8, 4096), fastpath.NewRx(8, 2048)
	before := node.group.Stats().KernelDrops
	for i, n := range []int{0, 62, 63, 64, 1279, 1280, 1281, 1400} {
		queue(tx, i, n, node.addr, 0)
	}
	if err := client.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	for seq, n := range drain(t, node, rx, 4) {
		if n < testMin || n > testMax {
			t.Errorf("datagram %d of %d bytes arrived", seq, n)
		}
	}
	idle(t, node, rx)
	// The kernel's filter counts those that the program passes to the socket.
	if d := node.group.Stats().KernelDrops - before; d != 4 {
		t.Errorf("%d dropped by the kernel, want 4", d)
	}
}

// connTruncated: a datagram that does not fit into a slot is dropped and costs no other one.
func connTruncated(t *testing.T, node nodeSide, client fastpath.Conn) {
	tx, rx := fastpath.NewTx(3, testMax), fastpath.NewRx(3, 200)
	before := node.Stats().Truncated
	for round := range 2 {
		queue(tx, 0, 200, node.addr, 0)
		queue(tx, 1, 201+round, node.addr, 0)
		queue(tx, 2, 199, node.addr, 0)
		if err := client.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, node, rx, 2); got[0] != 200 || got[2] != 199 {
			t.Errorf("round %d: %v", round, got)
		}
	}
	idle(t, node, rx)
	if n := node.Stats().Truncated - before; n != 2 {
		t.Errorf("%d truncated, want 2", n)
	}
}

// connDestinations: destinations that cannot work lie between good ones, and cost only
// themselves.
func connDestinations(t *testing.T, node nodeSide, client fastpath.Conn) {
	other := netip.AddrPortFrom(node6, 9)
	if node.addr.Addr().Is6() {
		other = netip.AddrPortFrom(node4, 9)
	}
	bad := []netip.AddrPort{other, {}, netip.AddrPortFrom(client.LocalAddr().Addr(), 0)}
	tx, rx := fastpath.NewTx(16, testMax), fastpath.NewRx(16, testMax)
	queue(tx, 7, 100, node.addr, 0)
	if err := client.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	drain(t, node, rx, 1) // an origin, so that AF_XDP sends the good ones
	before := node.group.Stats().SendErrors
	queue(tx, 0, 100, rx.Addr(0), 0)
	for i, to := range bad {
		queue(tx, 100+i, 100, to, 0)
		queue(tx, 1+i, 100, rx.Addr(0), 0)
	}
	if err := node.WriteBatch(tx); err != nil || tx.Len() != 0 {
		t.Fatalf("WriteBatch = %v, %d left", err, tx.Len())
	}
	drain(t, client, rx, 1+len(bad))
	idle(t, client, rx)
	e := node.group.Stats().SendErrors
	if e.Family-before.Family != 2 || e.Sum()-before.Sum() != 3 {
		t.Errorf("%+v", e)
	}
}

// connDeadline: a deadline ends ReadBatch, also one that is in the past although datagrams
// wait.
func connDeadline(t *testing.T, node nodeSide, client fastpath.Conn) {
	tx, rx := fastpath.NewTx(1, testMax), fastpath.NewRx(4, testMax)
	idle(t, node, rx)
	queue(tx, 3, 80, node.addr, 0)
	if err := client.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	node.SetReadDeadline(time.Now().Add(-time.Second))
	rx.Push(make([]byte, 5), client.LocalAddr())
	if err := node.ReadBatch(rx); err != os.ErrDeadlineExceeded || rx.Len() != 0 {
		t.Errorf("ReadBatch = %v with %d datagrams", err, rx.Len())
	}
	node.SetReadDeadline(time.Time{})
	drain(t, node, rx, 1)
}

// connClose: Close ends a waiting ReadBatch, and later calls fail.
func connClose(t *testing.T, node nodeSide, client fastpath.Conn) {
	done := make(chan error)
	go func() { done <- node.ReadBatch(fastpath.NewRx(4, testMax)) }()
	time.Sleep(5 * time.Millisecond) // most likely it waits by now; either way must work
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != fastpath.ErrClosed || !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadBatch = %v", err)
		}
	case <-time.After(patience):
		t.Fatal("ReadBatch did not end")
	}
	tx := fastpath.NewTx(2, testMax)
	queue(tx, 0, 100, client.LocalAddr(), 0)
	queue(tx, 1, 100, client.LocalAddr(), 0)
	if err := node.WriteBatch(tx); err != fastpath.ErrClosed || tx.Len() != 0 {
		t.Errorf("WriteBatch = %v, %d left", err, tx.Len())
	}
	if n := node.Stats().SendErrors.Closed; n != 2 {
		t.Errorf("%d counted as closed, want 2", n)
	}
	if err := node.ReadBatch(fastpath.NewRx(1, 100)); err != fastpath.ErrClosed {
		t.Errorf("second ReadBatch = %v", err)
	}
	if err := node.Close(); err != fastpath.ErrClosed {
		t.Errorf("second Close = %v", err)
	}
	if err := node.SetReadDeadline(time.Time{}); err != fastpath.ErrClosed {
		t.Errorf("SetReadDeadline = %v", err)
	}
}

// connConcurrentUse: several senders, one reader, a reader of the counters, and a
// Close in the middle of it. For the race detector.
func connConcurrentUse(t *testing.T, node nodeSide, client fastpath.Conn) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var once sync.Once
	wg.Go(func() {
		for tx := fastpath.NewTx(16, testMax); ; {
			select {
			case <-stop:
				return
			default:
			}
			for i := 0; !tx.Full(); i++ {
				queue(tx, i, 200, node.addr, 0)
			}
			if err := client.WriteBatch(tx); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for tx := fastpath.NewTx(16, testMax); ; {
				for i := 0; !tx.Full(); i++ {
					queue(tx, i, 200, client.LocalAddr(), 0)
				}
				if err := node.WriteBatch(tx); err != nil {
					if err != fastpath.ErrClosed {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Go(func() {
		for rx, n := fastpath.NewRx(32, testMax), 0; ; n += rx.Len() {
			if err := node.ReadBatch(rx); err != nil {
				if err != fastpath.ErrClosed {
					t.Error(err)
				}
				return
			}
			if n > 2000 {
				once.Do(func() { close(stop) })
			}
		}
	})
	wg.Go(func() {
		for node.SetReadDeadline(time.Time{}) == nil {
			node.Stats()
		}
	})
	select {
	case <-stop:
	case <-time.After(patience):
		once.Do(func() { close(stop) })
		t.Error("too few datagrams arrived")
	}
	node.Close()
	wg.Wait()
}

// TestCloseWhileCollecting: the end of a socket waits for a reader that takes datagrams from it,
// and the reader does not wait for the end.
func TestCloseWhileCollecting(t *testing.T) {
	for name, end := range map[string]func(*conn){
		"close": func(c *conn) { c.Close() },
		"drop":  (*conn).drop,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 1)
			cfg := fastpath.Config{MinSize: testMin, MaxSize: testMax}
			g := l.groupsOf(cfg, netip.AddrPortFrom(node4, 9000))[0]
			c := l.device(NativeCopy, g).conns[0]
			inside, proceed := make(chan struct{}), make(chan struct{})
			var once sync.Once
			c.look = func(fd uintptr) bool {
				once.Do(func() {
					close(inside)
					<-proceed
				})
				return c.collect(fd)
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			defer c.Close()
			wg.Go(func() {
				for rx := fastpath.NewRx(4, testMax); c.ReadBatch(rx) == nil; {
				}
			})
			<-inside
			ended := make(chan struct{})
			wg.Go(func() {
				end(c)
				close(ended)
			})
			await(t, "the socket is taken from the Conn", func() bool {
				if !c.mu.TryLock() {
					return false
				}
				defer c.mu.Unlock()
				return c.sock == nil
			})
			select {
			case <-ended:
				t.Error("the socket was closed below its reader")
			default:
			}
			close(proceed)
			<-ended
		})
	}
}

// TestConnDrops: each request is received or counted as dropped when the node does not read.
func TestConnDrops(t *testing.T) {
	l := newLab(t, 1)
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.AddrPortFrom(node4, 9000))[0]
	d, err := newDevice(Interface{nodeEnd, NativeCopy}, Options{Frames: 64}, []*fastpath.Group{g})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	c, client := d.conns[0], l.socket(client4, 0)
	tx, rx := fastpath.NewTx(50, testMax), fastpath.NewRx(64, testMax)
	const sent = 1000
	under := 0
	for range sent / 50 {
		for i := range 50 {
			queue(tx, i, 100, g.Addr(), 0)
		}
		if err := client.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		// The queue between the two ends must not overflow: what is lost there is not counted.
		under += 50
		await(t, "all datagrams, held or dropped", func() bool {
			c.mu.Lock()
			held := c.sock.received()
			c.mu.Unlock()
			return held+int(c.Stats().KernelDrops) >= under
		})
	}
	c.SetReadDeadline(time.Now().Add(patience))
	received := 0
	for received < 64 {
		if err := c.ReadBatch(rx); err != nil {
			t.Fatalf("after %d datagrams: %v", received, err)
		}
		received += rx.Len()
	}
	st := c.Stats()
	if received != 64 || int(st.RxDatagrams) != received || st.KernelDrops != sent-64 {
		t.Errorf("%d received, %+v; want 64, and the others dropped", received, st)
	}
	if n := client.Stats().TxDatagrams; n != sent {
		t.Errorf("%d sent", n)
	}
	c.drop()
	if n := c.Stats().KernelDrops; n != sent-64 {
		t.Errorf("%d drops after the end of the socket, want %d", n, sent-64)
	}
}

// TestConnLocal: with wildcard sockets, an answer leaves from the address that was asked, whichever
// way it leaves.
func TestConnLocal(t *testing.T) {
	l := newLab(t, 1)
	second4, second6 := netip.MustParseAddr("10.88.0.3"), netip.MustParseAddr("fd88::3")
	l.ip("addr", "add", second4.String()+"/24", "dev", nodeEnd)
	l.ip("addr", "add", second6.String()+"/64", "dev", nodeEnd, "nodad")
	gs := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.MustParseAddrPort("0.0.0.0:9000"), netip.MustParseAddrPort("[::]:9000"))
	d := l.device(NativeCopy, gs...)
	c := d.conns[0]
	c.SetReadDeadline(time.Now().Add(patience))
	tx, rx := fastpath.NewTx(4, testMax), fastpath.NewRx(4, testMax)
	ask := func(from, to netip.Addr) {
		t.Helper()
		client := l.socket(from, 0)
		queue(tx, 1, 100, netip.AddrPortFrom(to, 9000), 0)
		if err := client.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		drain(t, c, rx, 1)
		if at := gs[rx.Group(0)].LocalAddr(rx.Local(0)); at != to {
			t.Errorf("arrived at %v, want %v", at, to)
		}
		queue(tx, 2, 100, rx.Addr(0), rx.Local(0))
		if err := c.WriteGroupBatch(rx.Group(0), tx); err != nil {
			t.Fatal(err)
		}
		drain(t, client, rx, 1)
		if rx.Addr(0) != netip.AddrPortFrom(to, 9000) {
			t.Errorf("answer from %v, want %v", rx.Addr(0), to)
		}
	}
	all := func() {
		for _, to := range []netip.Addr{second4, node4} {
			ask(client4, to)
		}
		for _, to := range []netip.Addr{second6, node6} {
			ask(client6, to)
		}
	}
	all()
	// The first check may happen between the two.
	if n := c.count.fallbacks.Load(); n == 0 || n+c.Stats().TxDatagrams != 4 {
		t.Errorf("%d answers left through the sockets, and %d others, before the check", n, c.Stats().TxDatagrams)
	}
	awaitState(t, d, "a proven return path", func(a fastpath.Acceleration) bool { return a.AnswersReason == "" })
	before := c.Stats().TxDatagrams
	all()
	if n := c.Stats().TxDatagrams - before; n != 4 {
		t.Errorf("%d answers left through AF_XDP, want 4", n)
	}

	// One peer asks two addresses in one batch, and the answers leave in the other order.
	client := l.socket(client4, 0)
	for i, to := range []netip.Addr{node4, second4} {
		queue(tx, i, 100, netip.AddrPortFrom(to, 9000), 0)
	}
	if err := client.WriteBatch(tx); err != nil {
		t.Fatal(err)
	}
	await(t, "both requests", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.sock.received() == 2
	})
	drain(t, c, rx, 2)
	for _, i := range []int{1, 0} {
		queue(tx, seqOf(rx.Packet(i)), 100, rx.Addr(i), rx.Local(i))
	}
	if err := c.WriteGroupBatch(0, tx); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats().TxDatagrams - before; n != 6 {
		t.Errorf("%d answers left through AF_XDP, want 6", n)
	}
	for got := 0; got < 2; got += rx.Len() {
		if err := client.ReadBatch(rx); err != nil {
			t.Fatal(err)
		}
		for i := range rx.Len() {
			if want := []netip.Addr{node4, second4}[seqOf(rx.Packet(i))]; rx.Addr(i).Addr() != want {
				t.Errorf("answer from %v, want %v", rx.Addr(i).Addr(), want)
			}
		}
	}
}

// TestConnSources: datagrams from addresses that no other host has are dropped and counted.
func TestConnSources(t *testing.T) {
	l := newLab(t, 1)
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.MustParseAddrPort("0.0.0.0:9000"))[0]
	d := l.device(NativeCopy, g)
	c, rx := d.conns[0], fastpath.NewRx(4, testMax)
	h := d.host.Load()
	c.rx = rx
	good := newFrame(netip.AddrPortFrom(client4, 1000), netip.AddrPortFrom(node4, 9000), text(100))
	for i := range 6 {
		good[i] = byte(h.mac >> (40 - 8*i))
	}
	own := make([]byte, 6)
	copy(own, good)
	for _, test := range []struct {
		name   string
		change func(f []byte)
		count  func(fastpath.ConnStats) uint64
	}{
		{"the node's own address", func(f []byte) { copy(f[26:], node4.AsSlice()); reseal(f) }, func(s fastpath.ConnStats) uint64 { return s.BadSource }},
		{"the interface's own Ethernet address", func(f []byte) { copy(f[6:], own) }, func(s fastpath.ConnStats) uint64 { return s.BadSource }},
		{"to another Ethernet address", func(f []byte) { f[5]++ }, func(s fastpath.ConnStats) uint64 { return s.KernelDrops }},
		{"to another port", func(f []byte) { f[37]++; reseal(f) }, func(s fastpath.ConnStats) uint64 { return s.KernelDrops }},
		{"a bad checksum", func(f []byte) { f[41]++ }, func(s fastpath.ConnStats) uint64 { return s.KernelDrops }},
		{"an odd header", func(f []byte) { f[14]++ }, func(s fastpath.ConnStats) uint64 { return s.KernelDrops }},
		{"too small", func(f []byte) {
			f[17], f[39] = 28+62, 8+62
			reseal(f)
		}, func(s fastpath.ConnStats) uint64 { return s.Short }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := append([]byte(nil), good...)
			test.change(f)
			before := test.count(c.Stats())
			c.mu.Lock()
			rx.Reset()
			c.n = 0
			n := c.deliver(f, h, d.paths.Load())
			c.mu.Unlock()
			if n != 0 || rx.Len() != 0 {
				t.Error("delivered")
			}
			if got := test.count(c.Stats()); got != before+1 {
				t.Errorf("counted %d times", got-before)
			}
		})
	}
	c.mu.Lock()
	rx.Reset()
	c.n = 0
	if c.deliver(good, h, d.paths.Load()) != 100 || rx.Len() != 1 {
		t.Error("the good datagram was dropped")
	}
	c.mu.Unlock()
}

// connAllocatesNothing: reading and answering a batch allocates nothing.
func connAllocatesNothing(t *testing.T, node nodeSide, client fastpath.Conn) {
	tx, rx, answers := fastpath.NewTx(16, testMax), fastpath.NewRx(64, testMax), fastpath.NewTx(64, testMax)
	// The device looks at its interface each second, and allocates then. On a slow machine that may
	// fall into each try, but not with as many objects as there are requests.
	least := math.Inf(1)
	round := func() {
		for i := range 16 {
			queue(tx, i, 100, node.addr, 0)
		}
		if err := client.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 16; got += rx.Len() {
			if err := node.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
			for i := range rx.Len() {
				queue(answers, i, 100, rx.Addr(i), rx.Local(i))
			}
			if err := node.WriteBatch(answers); err != nil {
				t.Fatal(err)
			}
		}
	}
	for try := 0; try < 10 && least >= 1; try++ {
		least = min(least, testing.AllocsPerRun(50, round))
	}
	if least >= 1 {
		t.Errorf("%v allocations for 16 requests", least)
	}
}
