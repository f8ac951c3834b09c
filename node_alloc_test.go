package discv5

import (
	"bufio"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// allocChild tells a process of this test binary that it is the node that TestNodeAllocations
// measures.
const allocChild = "DISCV5_TEST_ALLOC_CHILD"

// A whole node takes next to nothing from the heap for the datagrams it answers: less than one
// object for a hundred of them, with everything that runs beside. It has a process of its own, so
// that nothing but the node is counted, and its datagrams come from the kernel.
func TestNodeAllocations(t *testing.T) {
	if os.Getenv(allocChild) != "" {
		serveAllocations(t)
		return
	}
	// The first datagrams make the node allocate its tables.
	const first = 60_000
	datagrams := 200_000
	if testing.Short() || raceEnabled { // under the race detector each takes ten times as long
		datagrams = 40_000
	}
	c := startAllocChild(t)
	d := newAllocDriver(t, c.record)
	d.run(first, time.Now().Add(patience))

	// A table that grows takes hundreds of objects, once: the challenges of a second may be more
	// than ever before. Objects for each datagram show in every try.
	for try := 1; ; try++ {
		before := c.allocs()
		sent, answered := d.run(datagrams, time.Now().Add(patience))
		objects := c.allocs() - before
		t.Logf("%d datagrams, %d of them answered: %d objects", sent, answered, objects)
		if sent < datagrams/10 || answered < sent*9/10 {
			t.Fatalf("%d datagrams, %d answered: too few to judge", sent, answered)
		}
		if objects <= uint64(sent/100) {
			break
		}
		if try == 3 {
			t.Fatalf("%d objects for %d datagrams, want less than one for a hundred", objects, sent)
		}
	}
}

// serveAllocations is the child: a node, and for every line that arrives the number of objects that
// were allocated.
func serveAllocations(t *testing.T) {
	n, err := New(Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Sockets: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	fmt.Println(n.LocalRecord())
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		metrics.Read(sample)
		fmt.Println("allocs", sample[0].Value.Uint64())
	}
}

// allocServer is the child as its parent sees it.
type allocServer struct {
	t      *testing.T
	in     io.Writer
	lines  chan string // of standard output, after the first one
	record *enr.Record
}

func startAllocChild(t *testing.T) *allocServer {
	t.Helper()
	cmd := proctest.Self(allocChild, "-test.run=^TestNodeAllocations$", "-test.timeout=10m")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &allocServer{t: t, in: in, lines: make(chan string, 64)}
	p := proctest.Start(t, cmd, proctest.Options{Rest: func(r *bufio.Reader) {
		defer close(s.lines)
		for scan := bufio.NewScanner(r); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}})
	s.record = p.Record(t)
	return s
}

func (s *allocServer) allocs() (n uint64) {
	s.t.Helper()
	io.WriteString(s.in, "\n")
	for line := range s.lines {
		if _, err := fmt.Sscanf(line, "allocs %d", &n); err == nil {
			return n
		}
	}
	s.t.Fatal("the node's process has ended")
	return 0
}

// allocDriver asks the node, with sessions that it has made by handshakes.
type allocDriver struct {
	t      *testing.T
	conn   fastpath.Conn
	rx     *fastpath.Rx
	tx     *fastpath.Tx
	server wiretest.Remote
	to     netip.AddrPort
	peers  []*wiretest.Peer
}

// allocRequest is a datagram, and whether it is answered.
type allocRequest struct {
	b        []byte
	answered bool
}

func newAllocDriver(t *testing.T, server *enr.Record) *allocDriver {
	t.Helper()
	g, err := fastpath.Listen(fastpath.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), RecvBuffer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	d := &allocDriver{
		t: t, conn: g.Conns()[0], server: wiretest.RemoteOf(server),
		rx: fastpath.NewRx(batchSize, codec.MaxPacketSize), tx: newTx(batchSize),
	}
	d.to, _ = server.UDPEndpoint4()
	for range 16 {
		d.connect(rand.Uint64())
	}
	return d
}

// connect makes a session. A challenge lives for a second, and the machine may pause for longer, so
// it tries three times.
func (d *allocDriver) connect(seed uint64) {
	d.t.Helper()
	for range 3 {
		// without endpoint: it does not get into the table
		p := wiretest.NewPeer(d.t, seed, netip.AddrPort{})
		challenge := d.ask(p, p.Unopenable(p.ID(), d.server, nil))
		if challenge == nil {
			continue
		}
		h := p.Answer(challenge, d.server, wiretest.Ping(1))
		p.Keys = h.Keys
		answer := d.ask(p, p.Encode(h, d.server))
		if answer == nil {
			continue
		}
		if _, err := p.Open(answer); err != nil {
			d.t.Fatalf("answer to the handshake: %v", err)
		}
		d.peers = append(d.peers, p)
		return
	}
	d.t.Fatal("no answer")
}

// ask sends one datagram and decodes the next one for p that arrives. It returns nil if none does.
func (d *allocDriver) ask(p *wiretest.Peer, b []byte) *codec.Packet {
	d.t.Helper()
	d.put(b)
	if err := d.conn.WriteBatch(d.tx); err != nil {
		d.t.Fatal(err)
	}
	d.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		switch err := d.conn.ReadBatch(d.rx); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			d.t.Fatal(err)
		}
		if packet, err := p.Decode(d.rx.Packet(0)); err == nil {
			return packet
		}
	}
}

func (d *allocDriver) put(b []byte) { d.tx.Commit(copy(d.tx.Buffer(), b), d.to) }

func (d *allocDriver) sealed(i int, message []byte) allocRequest {
	return allocRequest{d.peers[i%len(d.peers)].Message(d.server, message), true}
}

// mix is what the node is asked in one turn: mostly PING. The node opens no packet twice, so that
// each turn has its own.
func (d *allocDriver) mix() (list []allocRequest) {
	distances, _, err := codec.NewDistances(nil, []uint{0, 255, 256})
	if err != nil {
		d.t.Fatal(err)
	}
	for i := range 1024 {
		id, _ := codec.NewRequestID([]byte{byte(i >> 8), byte(i)})
		switch {
		case i%16 == 5:
			list = append(list, d.sealed(i, (&codec.FindNode{RequestID: id, Distances: distances}).Append(nil)))
		case i%16 == 9:
			list = append(list, d.sealed(i, (&codec.TalkRequest{RequestID: id, Protocol: []byte("nobody")}).Append(nil)))
		case i%16 == 13:
			var other [32]byte
			crand.Read(other[:])
			list = append(list, allocRequest{d.peers[0].Unopenable(other, d.server, make([]byte, 28)), true})
		case i%64 == 15:
			list = append(list, allocRequest{make([]byte, 100), false}) // another protocol
		default:
			list = append(list, d.sealed(i, (&codec.Ping{RequestID: id, RecordSeq: 1}).Append(nil)))
		}
	}
	return list
}

// run sends n datagrams of mixes, or as many as it can until the given time, with a window that no
// buffer on the way can overflow. It returns how many there were and how many of them are done:
// answered, or not to be.
func (d *allocDriver) run(n int, until time.Time) (sent, done int) {
	d.t.Helper()
	under := 0
	var list []allocRequest
	for sent < n && time.Now().Before(until) {
		for under <= batchSize && sent < n {
			for range batchSize {
				if len(list) == 0 {
					list = d.mix()
				}
				r := list[0]
				list = list[1:]
				d.put(r.b)
				sent++
				if r.answered {
					under++
				} else {
					done++
				}
			}
			if err := d.conn.WriteBatch(d.tx); err != nil {
				d.t.Fatal(err)
			}
		}
		d.conn.SetReadDeadline(time.Now().Add(time.Second))
		switch err := d.conn.ReadBatch(d.rx); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			under = 0 // lost
		case err != nil:
			d.t.Fatal(err)
		}
		under = max(under-d.rx.Len(), 0)
		done += d.rx.Len()
	}
	return sent, done
}
