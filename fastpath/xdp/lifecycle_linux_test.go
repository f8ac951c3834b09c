package xdp

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/hostaddr"
)

func on(a fastpath.Acceleration) bool  { return a.Mode != "" }
func off(a fastpath.Acceleration) bool { return a.Mode == "" }

// served sends one request at a time until one arrives at the Conn: those that are on their way
// while the interface changes may be lost.
func served(t *testing.T, node fastpath.Conn, client fastpath.Conn, to netip.AddrPort) {
	t.Helper()
	tx, rx := fastpath.NewTx(1, testMax), fastpath.NewRx(4, testMax)
	await(t, "a request", func() bool {
		queue(tx, 1, 100, to, 0)
		_ = client.WriteBatch(tx)
		node.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		return node.ReadBatch(rx) == nil
	})
}

// newNode opens a group at the node's IPv4 address and a device.
func newNode(t *testing.T, l *lab) (*fastpath.Group, *device) {
	t.Helper()
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.AddrPortFrom(node4, 9000))[0]
	return g, l.device(NativeCopy, g)
}

// TestLinkDown: while the interface is down the device says so, and when it is up it serves.
func TestLinkDown(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	client := l.socket(client4, 0)
	served(t, d.conns[0], client, g.Addr())
	for range 2 {
		l.ip("link", "set", nodeEnd, "down")
		if a := awaitState(t, d, "the end of the service", off); !strings.Contains(a.Reason, "down") || a.Served != 0 {
			t.Errorf("state %v", a)
		}
		l.ip("link", "set", nodeEnd, "up")
		awaitState(t, d, "the service", on)
		served(t, d.conns[0], client, g.Addr())
	}
	if a := d.acceleration(); a.Changes != 4 {
		t.Errorf("%d changes, want 4", a.Changes)
	}
}

// TestInterfaceReplaced: an interface that disappears and comes back, with another index, serves.
func TestInterfaceReplaced(t *testing.T) {
	l := newLab(t, 1)
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.MustParseAddrPort("0.0.0.0:9000"))[0]
	d := l.device(NativeCopy, g)
	to := netip.AddrPortFrom(node4, 9000)
	served(t, d.conns[0], l.socket(client4, 0), to)
	go l.try("link", "del", nodeEnd)
	if a := awaitState(t, d, "the end of the service", off); !strings.Contains(a.Reason, "gone") {
		t.Errorf("state %v", a)
	}
	l.makePair(1)
	awaitState(t, d, "the service", on)
	served(t, d.conns[0], l.socket(client4, 0), to)
}

// TestInterfaceExchanged: another interface gets the name between two looks of the device, which
// then leaves the old one and serves the new one.
func TestInterfaceExchanged(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	served(t, d.conns[0], l.socket(client4, 0), g.Addr())
	spare, old := nodeEnd+"s", nodeEnd+"o"
	l.ip("link", "add", spare, "type", "veth", "peer", "name", nodeEnd+"p")
	t.Cleanup(func() { l.try("link", "del", old) })
	l.ip("link", "set", nodeEnd+"p", "up")
	l.ip("link", "set", spare, "up")
	before := d.acceleration().Changes
	// The device pauses after it has looked at a change, and looks at the next ones together.
	l.ip("link", "set", "lo", "alias", "x")
	time.Sleep(changePause / 3)
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader("link set dev " + nodeEnd + " name " + old + "\nlink set dev " + spare + " name " + nodeEnd + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("probed for new names of interfaces that are up: %v %s", err, out)
	}
	awaitState(t, d, "the service of the new interface", func(a fastpath.Acceleration) bool { return on(a) && a.Changes >= before+2 })
	for name, want := range map[string]bool{old: false, nodeEnd: true} {
		out, err := exec.Command("ip", "link", "show", name).CombinedOutput()
		if err != nil || strings.Contains(string(out), "xdp/") != want && strings.Contains(string(out), "prog/xdp") != want {
			t.Errorf("a program on %s: want %v; %v %s", name, want, err, out)
		}
	}
}

// passAll attaches a program that passes everything.
func passAll(t *testing.T) link.Link {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, xdpPass), asm.Return(),
	}})
	if err != nil {
		t.Skipf("probed for the right to load programs: %v", err)
	}
	defer p.Close()
	i, err := netInterface(nodeEnd)
	if err != nil {
		t.Fatal(err)
	}
	x, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: i, Flags: link.XDPDriverMode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func netInterface(name string) (int, error) {
	r, err := hostaddr.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	l, err := r.Link(name)
	return l.Index, err
}

// TestOtherProgram: with another program on the interface the sockets serve, and the device takes
// over when it is gone.
func TestOtherProgram(t *testing.T) {
	l := newLab(t, 1)
	g := l.groupsOf(fastpath.Config{MinSize: testMin, MaxSize: testMax}, netip.AddrPortFrom(node4, 9000))[0]
	other := passAll(t)
	d, err := newDevice(Interface{Name: nodeEnd}, Options{Frames: 64}, []*fastpath.Group{g})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if a := d.acceleration(); a.Mode != "" || !strings.Contains(a.Reason, "another XDP program") {
		t.Errorf("state %v", a)
	}
	client := l.socket(client4, 0)
	served(t, g.Conns()[0], client, g.Addr())
	other.Close()
	awaitState(t, d, "the service", on)
	served(t, d.conns[0], client, g.Addr())
}

// removeProgram takes the program from the node's end, as an operator can.
func removeProgram(t *testing.T) {
	t.Helper()
	index, err := netInterface(nodeEnd)
	if err != nil {
		t.Fatal(err)
	}
	var all link.Iterator
	defer all.Close()
	for all.Next() {
		info, err := all.Link.Info()
		if err != nil {
			continue // another test's link, which is gone
		}
		if x := info.XDP(); x != nil && int(x.Ifindex) == index && info.Type == link.XDPType {
			if err := all.Link.Detach(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("there is no program on the interface")
}

// TestProgramRemoved: the device notices that somebody has removed its program, and attaches it
// once more.
func TestProgramRemoved(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	client := l.socket(client4, 0)
	removeProgram(t)
	served(t, g.Conns()[0], client, g.Addr())
	a := awaitState(t, d, "the new attempt", func(a fastpath.Acceleration) bool { return a.Mode != "" && a.Changes >= 2 })
	served(t, d.conns[0], client, g.Addr())
	t.Log(a)
}

// TestTwoQueues: each queue has its worker, every request arrives once, and a queue without a
// socket passes its requests to the kernel.
func TestTwoQueues(t *testing.T) {
	l := newLab(t, 2)
	g, d := newNode(t, l)
	if len(d.conns) != 2 {
		t.Fatalf("%d queues", len(d.conns))
	}
	const clients = 64
	send := func() {
		t.Helper()
		for i := range clients {
			tx, c := fastpath.NewTx(1, testMax), l.socket(client4, uint16(20000+i))
			queue(tx, i, 100, g.Addr(), 0)
			if err := c.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
	}
	read := func(conns ...fastpath.Conn) (n []int) {
		t.Helper()
		n = make([]int, len(conns))
		rx, total := fastpath.NewRx(64, testMax), 0
		await(t, "all requests", func() bool {
			for i, c := range conns {
				c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
				if c.ReadBatch(rx) == nil {
					n[i] += rx.Len()
					total += rx.Len()
				}
			}
			return total >= clients
		})
		if total != clients {
			t.Errorf("%d requests arrived, %d were sent", total, clients)
		}
		return n
	}
	send()
	if n := read(d.conns[0], d.conns[1], g.Conns()[0]); n[0] == 0 || n[1] == 0 || n[2] != 0 {
		t.Errorf("%d at queue 0, %d at queue 1, %d at the socket", n[0], n[1], n[2])
	}
	d.closeSocket(d.conns[1])
	send()
	if n := read(d.conns[0], g.Conns()[0]); n[0] == 0 || n[1] == 0 {
		t.Errorf("%d at queue 0, %d at the socket", n[0], n[1])
	}
}

// setQueues sets the number of queues that the client sends to and the node receives from. The
// driver requires that the node has no fewer.
func (l *lab) setQueues(n int) (err error) {
	set := func(name string, change func(*channels)) error {
		c := channels{command: unix.ETHTOOL_GCHANNELS}
		if err := ethtool(name, &c); err != nil {
			return err
		}
		c.command = unix.ETHTOOL_SCHANNELS
		change(&c)
		return ethtool(name, &c)
	}
	client := func() { err = set(clientEnd, func(c *channels) { c.txCount = uint32(n) }) }
	if n == 1 {
		l.inClient(client)
	}
	if err == nil {
		err = set(nodeEnd, func(c *channels) { c.rxCount = uint32(n) })
	}
	if n > 1 && err == nil {
		l.inClient(client)
	}
	return err
}

// TestQueueAdded: requests of a queue that is added arrive at the socket, and the state says that
// not all queues are served.
func TestQueueAdded(t *testing.T) {
	l := newLab(t, 2)
	if err := l.setQueues(1); err != nil {
		t.Skipf("probed for a change of queues: %v", err)
	}
	g, d := newNode(t, l)
	if a := d.acceleration(); a.Queues != 1 || a.Served != 1 {
		t.Fatalf("state %v", a)
	}
	if err := l.setQueues(2); err != nil {
		t.Skipf("probed for a change of queues: %v", err)
	}
	awaitState(t, d, "the new queue", func(a fastpath.Acceleration) bool { return a.Queues == 2 && a.Served == 1 })
	await(t, "a request at the socket", func() bool {
		c, tx, rx := l.socket(client4, 0), fastpath.NewTx(1, testMax), fastpath.NewRx(1, testMax)
		defer c.Close()
		queue(tx, 1, 100, g.Addr(), 0)
		if err := c.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		g.Conns()[0].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		return g.Conns()[0].ReadBatch(rx) == nil
	})
}

// TestMTU: an answer that the interface does not take in one piece leaves through the socket.
func TestMTU(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	side := nodeSide{Conn: d.conns[0], device: d, group: g, addr: g.Addr()}
	client := l.socket(client4, 0)
	side.SetReadDeadline(time.Now().Add(patience))
	side.prove(t, client)
	l.ip("link", "set", nodeEnd, "mtu", "1000")
	await(t, "the MTU", func() bool { return d.host.Load().mtu == 1000 })
	for _, c := range []struct {
		answer int
		direct bool
	}{{900, true}, {972, true}, {973, false}, {1200, false}} {
		side.SetReadDeadline(time.Now().Add(patience))
		before := d.conns[0].Stats().TxDatagrams
		exchange(t, side, client, 1, func(int) int { return testMax + testMin - c.answer })
		if direct := d.conns[0].Stats().TxDatagrams > before; direct != c.direct {
			t.Errorf("an answer of %d bytes: direct %v", c.answer, direct)
		}
	}
}

// TestReturnPath: if the route to a peer leaves by another neighbor than the one that its request
// came from, answers leave through the socket, by that route.
func TestReturnPath(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	far := netip.MustParseAddr("10.99.0.1")
	l.clientIP("addr", "add", far.String()+"/32", "dev", clientEnd)
	l.ip("neigh", "add", "10.88.0.9", "lladdr", "02:00:00:00:00:99", "dev", nodeEnd)
	l.ip("route", "add", far.String()+"/32", "via", "10.88.0.9")
	client := l.socket(far, 0)
	tx, rx := fastpath.NewTx(1, testMax), fastpath.NewRx(4, testMax)
	request := func() {
		t.Helper()
		served(t, d.conns[0], client, g.Addr())
		queue(tx, 1, 100, client.LocalAddr(), 0)
		if err := d.conns[0].WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
	}
	request()
	a := awaitState(t, d, "the check", func(a fastpath.Acceleration) bool { return strings.Contains(a.AnswersReason, "02:00:00:00:00:99") })
	request()
	if st := d.conns[0].Stats(); st.TxDatagrams != 0 {
		t.Errorf("%d answers the wrong way", st.TxDatagrams)
	}
	if n := g.Stats().TxDatagrams; n == 0 {
		t.Error("no answer through the socket")
	}
	t.Log(a)
	// A neighbor that was proven before loses its proof.
	near := l.socket(client4, 0)
	if d.paths.Load().proven(0) || len(d.paths.Load().all) != 0 {
		t.Error("a neighbor is proven")
	}
	near.Close()
	client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if err := client.ReadBatch(rx); err == nil {
		t.Error("the client got an answer that should have left by the other neighbor")
	}
}

// TestMemlock: with little lockable memory a queue has fewer frames.
func TestMemlock(t *testing.T) {
	newLab(t, 1)
	index, err := netInterface(nodeEnd)
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 1 << 20
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &low); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
	type result struct {
		frames int
		err    error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends without its capability
		if err := dropIPCLock(); err != nil {
			done <- result{0, err}
			return
		}
		s, err := openSocket(index, 0, 2048, false)
		if err != nil {
			done <- result{0, err}
			return
		}
		defer s.close()
		done <- result{len(s.free), nil}
	}()
	if r := <-done; r.err != nil || r.frames == 0 || r.frames > 256 {
		t.Errorf("%d frames, %v; want 256 or fewer", r.frames, r.err)
	}
}

// dropIPCLock takes CAP_IPC_LOCK, which exempts from the limit, from the calling thread.
func dropIPCLock() error {
	const ipcLock = 14
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << ipcLock
	return unix.Capset(&head, &data[0])
}

// TestCloseRemovesProgram: after Close the interface has no program, and the socket serves.
func TestCloseRemovesProgram(t *testing.T) {
	l := newLab(t, 1)
	g, d := newNode(t, l)
	client := l.socket(client4, 0)
	d.close()
	served(t, g.Conns()[0], client, g.Addr())
	if err := d.conns[0].ReadBatch(fastpath.NewRx(1, 100)); err != fastpath.ErrClosed {
		t.Errorf("ReadBatch = %v", err)
	}
	passAll(t) // fails if there is a program
}

// TestAccelerate: settings that cannot work are errors that name the interface.
func TestAccelerate(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		t.Skip("probed for root: no network namespace of its own")
	}
	l := newLab(t, 1)
	l.ip("link", "add", "xdpbridge", "type", "bridge")
	t.Cleanup(func() { l.try("link", "del", "xdpbridge") })
	g := l.groupsOf(fastpath.Config{}, netip.AddrPortFrom(node4, 9000))
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"none", Options{}, "none named"},
		{"missing", Options{Interfaces: []Interface{{Name: "xdpnothing"}}}, "there is no xdpnothing"},
		{"loopback", Options{Interfaces: []Interface{{Name: "lo"}}}, "lo is not an Ethernet interface"},
		{"bridge", Options{Interfaces: []Interface{{Name: "xdpbridge"}}}, "xdpbridge is a bridge"},
		{"twice", Options{Interfaces: []Interface{{Name: nodeEnd}, {Name: nodeEnd}}}, "listed twice"},
		{"frames", Options{Interfaces: []Interface{{Name: nodeEnd}}, Frames: 100}, "power of two"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Accelerate(c.o)(g)
			if err == nil || !strings.Contains(err.Error(), c.want) || a != nil {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("part of a bridge", func(t *testing.T) {
		l.ip("link", "set", nodeEnd, "master", "xdpbridge")
		_, err := Accelerate(Options{Interfaces: []Interface{{Name: nodeEnd}}})(g)
		if err == nil || !strings.Contains(err.Error(), "part of a bridge") {
			t.Errorf("%v", err)
		}
	})
}
