package interop

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/proctest"
)

// echoProtocol is the TALK protocol whose response is the request's payload.
const echoProtocol = "echo"

// own is a node of this project inside the test process.
type own struct {
	*discv5.Node
	cfg discv5.Config
}

// startOwn starts a node on a free loopback port, which it has after a restart too. It ends with
// the test.
func startOwn(t *testing.T, ip netip.Addr, bootnodes ...*enr.Record) *own {
	t.Helper()
	return startOwnConfig(t, discv5.Config{
		ListenAddrs: []netip.AddrPort{proctest.FreePort(t, "udp", ip)},
		Bootnodes:   discv5.Contacts(bootnodes...),
	})
}

// startOwnConfig starts a node with special settings. Without a key it gets a new one.
func startOwnConfig(t *testing.T, cfg discv5.Config) *own {
	t.Helper()
	cfg.Sockets = 1
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = patientTimeout
	}
	if cfg.PrivateKey == nil {
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal("generating a key:", err)
		}
		cfg.PrivateKey = key
	}
	o := &own{cfg: cfg}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("own node %v, since its last start: %s", o.Addrs()[0], counts(o.Stats().Counters))
		}
		o.Close()
	})
	o.run(t)
	o.cfg.ListenAddrs = o.Addrs() // a restart uses the same port
	return o
}

func (o *own) run(t *testing.T) {
	t.Helper()
	n, err := discv5.New(o.cfg)
	if err != nil {
		t.Fatal("making a node:", err)
	}
	o.Node = n
	n.HandleTalk(echoProtocol, func(_ context.Context, r discv5.TalkRequest) []byte { return r.Payload })
	if err := n.Start(context.Background()); err != nil {
		n.Close()
		t.Fatal("starting a node:", err)
	}
}

// restart closes the node and starts another one with the same key and address, and the same record
// or the given one. It has lost its sessions and its table. As with a process that ends and starts,
// there is a pause, in which answers to requests of the closed node find no socket.
func (o *own) restart(t *testing.T, record *enr.Record) {
	t.Helper()
	if record == nil {
		record = o.LocalRecord()
	}
	if err := o.Close(); err != nil {
		t.Fatal("closing a node:", err)
	}
	o.cfg.Previous = record
	absorb(t, o.cfg.ListenAddrs[0])
	o.run(t)
	if got := o.LocalRecord(); got.String() != record.String() {
		t.Fatalf("record after the restart:\n%s\nwant\n%s", got, record)
	}
}

// silence is the time without packets after which a node counts as having received all answers.
const silence = 250 * time.Millisecond

// absorb reads packets that arrive at addr until there are no more. The next node there would
// challenge a late answer, and a following request would get the same challenge
// (docs/ARCHITECTURE.md, Identical WHOAREYOU). That challenge names the answer, for which no
// foreign implementation makes a handshake, so the request would time out.
func absorb(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal("listening between two lives of a node:", err)
	}
	defer conn.Close()
	buf := make([]byte, codec.MaxPacketSize)
	for end := time.Now().Add(contactTimeout); time.Now().Before(end); {
		conn.SetReadDeadline(time.Now().Add(silence))
		if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
			return
		}
	}
	t.Fatalf("datagrams kept coming to %v after its node had been closed", addr)
}

// settle waits until the node has received no packet for a while.
func (o *own) settle(t *testing.T) {
	t.Helper()
	received := func() uint64 { return o.Stats().Counters[engine.PacketsIn] }
	for end := time.Now().Add(contactTimeout); time.Now().Before(end); {
		before := received()
		time.Sleep(silence)
		if received() == before {
			return
		}
	}
	t.Fatalf("packets kept coming to %v", o.Addrs()[0])
}

// ping, findNode, talk and lookup call the node's methods with a time limit.

func (o *own) ping(to *enr.Record) (uint64, netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	pong, err := o.Ping(ctx, discv5.ContactOf(to))
	return pong.RecordSeq, pong.Endpoint, err
}

func (o *own) findNode(to *enr.Record, distances ...uint) ([]*enr.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	return o.FindNode(ctx, discv5.ContactOf(to), distances...)
}

func (o *own) talk(to *enr.Record, protocol string, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	return o.Talk(ctx, discv5.ContactOf(to), protocol, payload)
}

func (o *own) lookup(target enr.ID) ([]*enr.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	return o.Lookup(ctx, target)
}

// counts lists the nonzero counters, for failure reports.
func counts(all engine.Counters) string {
	var list []string
	for c, n := range all {
		if n == 0 {
			continue
		}
		i := engine.Counter(c).Info()
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s", i.Metric, i.Value))+fmt.Sprintf("=%d", n))
	}
	return strings.Join(list, ", ")
}
