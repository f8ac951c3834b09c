package geth_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/fastdisc/discv5/geth"
)

// discovery is the interface that a program written for go-ethereum uses. The tests of this file
// know nothing else of a node.
type discovery interface {
	Self() *enode.Node
	LocalNode() *enode.LocalNode
	AllNodes() []*enode.Node
	Nodes() [][]discover.BucketNode
	GetNode(enode.ID) *enode.Node
	AddKnownNode(*enode.Node) bool
	DeleteNode(*enode.Node)
	Resolve(*enode.Node) *enode.Node
	ResolveNodeId(enode.ID) *enode.Node
	Lookup(enode.ID) []*enode.Node
	RandomNodes() enode.Iterator
	Findnode(*enode.Node, []uint) ([]*enode.Node, error)
	Ping(*enode.Node) (*v5wire.Pong, error)
	RequestENR(*enode.Node) (*enode.Node, error)
	RegisterTalkHandler(string, discover.TalkRequestHandler)
	TalkRequest(*enode.Node, string, []byte) ([]byte, error)
	TalkRequestToID(enode.ID, netip.AddrPort, string, []byte) ([]byte, error)
	Close()
}

var (
	_ discovery = (*discover.UDPv5)(nil)
	_ discovery = (*geth.UDPv5)(nil)
)

type listenFunc func(discover.UDPConn, *enode.LocalNode, discover.Config) (discovery, error)

// implementations are both ways to run a node. The first one is the subject of each test; its peers
// are of the second kind, so that each test crosses implementations too.
var implementations = map[string]listenFunc{
	"geth": func(c discover.UDPConn, ln *enode.LocalNode, cfg discover.Config) (discovery, error) {
		return discover.ListenV5(c, ln, cfg)
	},
	"own": func(c discover.UDPConn, ln *enode.LocalNode, cfg discover.Config) (discovery, error) {
		return geth.ListenV5(c, ln, cfg)
	},
}

// eachPair runs a test for every pair of implementations: of the node under test and of its peers.
func eachPair(t *testing.T, test func(t *testing.T, node, peers listenFunc)) {
	for _, a := range []string{"own", "geth"} {
		for _, b := range []string{"own", "geth"} {
			t.Run(a+"With"+b, func(t *testing.T) {
				t.Parallel()
				test(t, implementations[a], implementations[b])
			})
		}
	}
}

// start runs a node on loopback whose record names that address. Entries go into its record.
func start(t testing.TB, listen listenFunc, cfg discover.Config, entries ...enr.Entry) discovery {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, listen, conn, cfg, entries...)
}

func startOn(t testing.TB, listen listenFunc, conn discover.UDPConn, cfg discover.Config, entries ...enr.Entry) discovery {
	t.Helper()
	if cfg.PrivateKey == nil {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		cfg.PrivateKey = key
	}
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	ln := enode.NewLocalNode(db, cfg.PrivateKey)
	ln.SetFallbackIP(net.IPv4(127, 0, 0, 1))
	ln.SetFallbackUDP(conn.LocalAddr().(*net.UDPAddr).Port)
	for _, e := range entries {
		ln.Set(e)
	}
	if cfg.V5RespTimeout == 0 {
		cfg.V5RespTimeout = 5 * time.Second
	}
	node, err := listen(conn, ln, cfg)
	if err != nil {
		conn.Close()
		db.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Close()
		db.Close()
	})
	return node
}

// within polls until ok, and fails the test after a minute.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// ask calls a request until it succeeds, at most three times: in this project and in go-ethereum a
// handshake fails if the machine stands still for a second. A node that does not answer fails all.
func ask[T any](request func() (T, error)) (answer T, err error) {
	for range 3 {
		if answer, err = request(); err == nil {
			break
		}
	}
	return answer, err
}

func TestPing(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		a, b := start(t, node, discover.Config{}), start(t, peers, discover.Config{})
		pong, err := ask(func() (*v5wire.Pong, error) { return a.Ping(b.Self()) })
		if err != nil {
			t.Fatal(err)
		}
		if pong.ENRSeq != b.Self().Seq() {
			t.Errorf("PONG has sequence number %d, the peer's record %d", pong.ENRSeq, b.Self().Seq())
		}
		if !pong.ToIP.Equal(net.IPv4(127, 0, 0, 1)) || int(pong.ToPort) != a.Self().UDP() {
			t.Errorf("PONG was sent to %s:%d, want port %d", pong.ToIP, pong.ToPort, a.Self().UDP())
		}
	})
}

func TestPingOfEnodeURL(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		a, b := start(t, node, discover.Config{}), start(t, peers, discover.Config{})
		n, err := enode.ParseV4(b.Self().URLv4())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(func() (*v5wire.Pong, error) { return a.Ping(n) }); err != nil {
			t.Error(err)
		}
	})
}

func TestPingOfDeadNodeFails(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		b := start(t, peers, discover.Config{})
		dead := b.Self()
		b.Close()
		a := start(t, node, discover.Config{V5RespTimeout: 200 * time.Millisecond})
		if _, err := a.Ping(dead); err == nil {
			t.Error("a node that is closed has answered")
		}
	})
}

func TestRequestENR(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		a, b := start(t, node, discover.Config{}), start(t, peers, discover.Config{})
		old := b.Self()
		b.LocalNode().Set(enr.WithEntry("test", uint16(7)))
		within(t, "the new record", func() bool {
			n, err := a.RequestENR(old)
			var v uint16
			return err == nil && n.Seq() > old.Seq() && n.Load(enr.WithEntry("test", &v)) == nil && v == 7
		})
		within(t, "Resolve returns it", func() bool { return a.Resolve(old).Seq() == b.Self().Seq() })
	})
}

func TestTalk(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		a, b := start(t, node, discover.Config{}), start(t, peers, discover.Config{})
		var from atomic.Pointer[enode.Node]
		b.RegisterTalkHandler("echo", func(n *enode.Node, addr *net.UDPAddr, msg []byte) []byte {
			from.Store(n)
			if addr.Port != a.Self().UDP() {
				t.Errorf("request from %s, want port %d", addr, a.Self().UDP())
			}
			return append([]byte("re:"), msg...)
		})
		b.RegisterTalkHandler("silent", func(*enode.Node, *net.UDPAddr, []byte) []byte { return nil })
		for _, c := range []struct{ protocol, request, want string }{
			{"echo", "hello", "re:hello"}, {"echo", "", "re:"}, {"silent", "hello", ""}, {"unknown", "hello", ""},
		} {
			answer, err := ask(func() ([]byte, error) { return a.TalkRequest(b.Self(), c.protocol, []byte(c.request)) })
			if err != nil || string(answer) != c.want {
				t.Errorf("%s %q: %q, %v, want %q", c.protocol, c.request, answer, err, c.want)
			}
		}
		if n := from.Load(); n == nil || n.ID() != a.Self().ID() || n.Seq() != a.Self().Seq() {
			t.Errorf("the handler was given %v, want %v", n, a.Self())
		}
		endpoint, _ := b.Self().UDPEndpoint()
		answer, err := ask(func() ([]byte, error) { return a.TalkRequestToID(b.Self().ID(), endpoint, "echo", []byte("x")) })
		if err != nil || string(answer) != "re:x" {
			t.Errorf("to the ID: %q, %v", answer, err)
		}
		// The way back needs no record of a's: the session is enough.
		a.RegisterTalkHandler("back", func(n *enode.Node, _ *net.UDPAddr, msg []byte) []byte {
			return []byte(n.ID().String())
		})
		endpoint, _ = a.Self().UDPEndpoint()
		answer, err = ask(func() ([]byte, error) { return b.TalkRequestToID(a.Self().ID(), endpoint, "back", nil) })
		if err != nil || string(answer) != b.Self().ID().String() {
			t.Errorf("back to the ID: %q, %v", answer, err)
		}
	})
}

func TestFindnode(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		b := start(t, peers, discover.Config{})
		a := start(t, node, discover.Config{Bootnodes: []*enode.Node{b.Self()}})
		own, err := ask(func() ([]*enode.Node, error) { return a.Findnode(b.Self(), []uint{0}) })
		if err != nil || len(own) != 1 || own[0].ID() != b.Self().ID() {
			t.Fatalf("distance 0: %v, %v", own, err)
		}
		named := func() bool {
			distance := uint(enode.LogDist(a.Self().ID(), b.Self().ID()))
			list, err := a.Findnode(b.Self(), []uint{distance})
			if err != nil {
				return false
			}
			// Implementations differ in whether they name the asker to itself.
			return slices.ContainsFunc(list, func(n *enode.Node) bool { return n.ID() == a.Self().ID() }) ||
				slices.ContainsFunc(b.AllNodes(), func(n *enode.Node) bool { return n.ID() == a.Self().ID() })
		}
		// A peer that once gets no answer, because the machine pauses, may forget the node until
		// its next handshake. So this makes another node after a while, twice at most.
		begin, nodes := time.Now(), 1
		within(t, "the peer names the node", func() bool {
			if nodes < 3 && time.Since(begin) > time.Duration(nodes)*15*time.Second {
				a = start(t, node, discover.Config{Bootnodes: []*enode.Node{b.Self()}})
				nodes++
			}
			return named()
		})
		if _, err := a.Findnode(b.Self(), []uint{257}); err == nil {
			if list, _ := a.Findnode(b.Self(), []uint{257}); len(list) != 0 {
				t.Errorf("distance 257: %v", list)
			}
		}
	})
}

// network starts a node and peers that know it.
func network(t testing.TB, node, peers listenFunc, size int) (discovery, []discovery) {
	boot := start(t, peers, discover.Config{})
	list := []discovery{boot}
	for len(list) < size {
		list = append(list, start(t, peers, discover.Config{Bootnodes: []*enode.Node{boot.Self()}}))
	}
	return start(t, node, discover.Config{Bootnodes: []*enode.Node{boot.Self()}}), list
}

func TestNetwork(t *testing.T) {
	eachPair(t, func(t *testing.T, node, peers listenFunc) {
		a, list := network(t, node, peers, 10)
		target := list[len(list)-1].Self()
		within(t, "a lookup finds its target", func() bool {
			found := a.Lookup(target.ID())
			return len(found) > 0 && found[0].ID() == target.ID()
		})
		within(t, "ResolveNodeId finds the target", func() bool {
			n := a.ResolveNodeId(target.ID())
			return n != nil && n.ID() == target.ID() && n.Seq() == target.Seq()
		})
		if n := a.ResolveNodeId(a.Self().ID()); n.ID() != a.Self().ID() {
			t.Errorf("ResolveNodeId of the node itself: %v", n)
		}
		if n := a.Resolve(target); n.ID() != target.ID() || n.Seq() != target.Seq() {
			t.Errorf("Resolve: %v, want %v", n, target)
		}

		it := a.RandomNodes()
		seen := map[enode.ID]bool{}
		for len(seen) < len(list) && it.Next() {
			seen[it.Node().ID()] = true
		}
		it.Close()
		for it.Next() { // go-ethereum's iterator may have one more node
		}
		for _, p := range list {
			if !seen[p.Self().ID()] {
				t.Errorf("random nodes lack %v", p.Self())
			}
		}

		within(t, "GetNode returns a node of the table", func() bool {
			all := a.AllNodes()
			if len(all) == 0 {
				return false
			}
			g := a.GetNode(all[0].ID())
			return g != nil && g.ID() == all[0].ID()
		})
		within(t, "the buckets have nodes", func() bool {
			count := 0
			for _, b := range a.Nodes() {
				for _, e := range b {
					if count++; e.AddedToTable.IsZero() {
						t.Errorf("no time for %v", e.Node)
					}
				}
			}
			return count > 0
		})
	})
}

func TestAddAndDeleteNode(t *testing.T) {
	for name, listen := range implementations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := start(t, listen, discover.Config{}), start(t, listen, discover.Config{})
			if !a.AddKnownNode(b.Self()) {
				t.Fatal("the node was not added")
			}
			has := func() bool {
				return slices.ContainsFunc(a.AllNodes(), func(n *enode.Node) bool { return n.ID() == b.Self().ID() })
			}
			within(t, "the node is listed", has)
			b.Close()
			// A packet of it may have been on its way.
			within(t, "the node is not listed after DeleteNode", func() bool {
				a.DeleteNode(b.Self())
				return !has()
			})
		})
	}
}

// The iterator ends when the node is closed, also while it waits.
func TestIteratorEndsWithNode(t *testing.T) {
	for name, listen := range implementations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, listen, discover.Config{})
			done := make(chan bool)
			go func() { done <- a.RandomNodes().Next() }()
			time.Sleep(50 * time.Millisecond)
			a.Close()
			select {
			case more := <-done:
				if more {
					t.Error("a node alone has found another one")
				}
			case <-time.After(time.Minute):
				t.Error("Next waits although the node is closed")
			}
		})
	}
}

// Packets of other protocols go to Config.Unhandled, and a SharedUDPConn reads from there: two
// nodes with different protocol IDs share one socket.
func TestSharedSocket(t *testing.T) {
	for name, listen := range implementations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			rest := make(chan discover.ReadPacket, 100)
			a := startOn(t, listen, conn, discover.Config{Unhandled: rest})
			second := [6]byte{'s', 'e', 'c', 'o', 'n', 'd'}
			b := startOn(t, listen, &discover.SharedUDPConn{UDPConn: conn, Unhandled: rest}, discover.Config{V5ProtocolID: &second})
			c := start(t, listen, discover.Config{V5ProtocolID: &second})
			if _, err := ask(func() (*v5wire.Pong, error) { return c.Ping(b.Self()) }); err != nil {
				t.Error(err)
			}
			if _, err := ask(func() (*v5wire.Pong, error) { return b.Ping(c.Self()) }); err != nil {
				t.Error(err)
			}
			// go-ethereum's second node ends only when its SharedUDPConn does.
			a.Close()
			close(rest)
			b.Close()
		})
	}
}

// A socket of both families, as net.ListenUDP("udp", ...) opens it, serves both.
func TestSocketOfBothFamilies(t *testing.T) {
	for name, listen := range implementations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenUDP("udp", nil)
			if err != nil {
				t.Fatal(err)
			}
			a := startOn(t, listen, conn, discover.Config{})
			b := start(t, listen, discover.Config{})
			if _, err := ask(func() (*v5wire.Pong, error) { return b.Ping(a.Self()) }); err != nil {
				t.Errorf("over IPv4: %v", err)
			}
			six, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
			if err != nil {
				t.Skipf("probed for IPv6 loopback: %v", err)
			}
			c := startOn(t, listen, six, discover.Config{})
			url := fmt.Sprintf("enode://%x@[::1]:%d", crypto.FromECDSAPub(a.Self().Pubkey())[1:], a.Self().UDP())
			n, err := enode.ParseV4(url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask(func() (*v5wire.Pong, error) { return c.Ping(n) }); err != nil {
				t.Errorf("over IPv6: %v", err)
			}
		})
	}
}

func TestCloseTwice(t *testing.T) {
	for name, listen := range implementations {
		t.Run(name, func(t *testing.T) {
			a := start(t, listen, discover.Config{})
			a.Close()
			a.Close()
		})
	}
}

// A node refuses what the adapter cannot do instead of doing something else.
func TestConfigErrors(t *testing.T) {
	key, _ := crypto.GenerateKey()
	other, _ := crypto.GenerateKey()
	db, _ := enode.OpenDB("")
	defer db.Close()
	ln := enode.NewLocalNode(db, key)
	for name, c := range map[string]struct {
		ln  *enode.LocalNode
		cfg discover.Config
	}{
		"no local node": {nil, discover.Config{PrivateKey: key}},
		"no key":        {ln, discover.Config{}},
		"another key":   {ln, discover.Config{PrivateKey: other}},
		"clock":         {ln, discover.Config{PrivateKey: key, Clock: fixedClock{}}},
		"schemes":       {ln, discover.Config{PrivateKey: key, ValidSchemes: enr.SchemeMap{}}},
		"bootnode":      {ln, discover.Config{PrivateKey: key, Bootnodes: []*enode.Node{enode.SignNull(new(enr.Record), enode.ID{1})}}},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := geth.ListenV5(conn, c.ln, c.cfg); !errors.Is(err, geth.ErrConfig) {
				t.Errorf("error %v", err)
			}
			if _, err := conn.WriteTo([]byte{0}, conn.LocalAddr()); err != nil {
				t.Errorf("the socket was closed: %v", err)
			}
		})
	}
}

// The node serves the record that the LocalNode has signed, byte for byte.
func TestServedRecordIsTheLocalNodes(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	a := startOn(t, implementations["own"], conn, discover.Config{}, enr.WithEntry("eth", []byte{1, 2, 3})).(*geth.UDPv5)
	b := start(t, implementations["geth"], discover.Config{})
	same := func() bool {
		served := a.Node().LocalRecord().String()
		asked, err := b.RequestENR(a.Self())
		return err == nil && served == a.Self().String() && asked.String() == served
	}
	within(t, "the first record is served", same)
	changes := []func(){
		func() { a.LocalNode().Set(enr.WithEntry("eth", []byte{4})) },
		func() { a.LocalNode().Delete(enr.WithEntry("eth", []byte{})) },
		func() { a.LocalNode().SetStaticIP(net.IPv4(127, 0, 0, 7)) },
		func() { a.LocalNode().SetFallbackUDP(4242) },
		func() { a.LocalNode().SetStaticIP(net.IPv6loopback) },
	}
	n := a.Self()
	for i, change := range changes {
		change()
		within(t, fmt.Sprintf("change %d is served", i), func() bool {
			asked, err := b.RequestENR(n) // the old record: the new one names places without a node
			return err == nil && asked.String() == a.Self().String() && a.Node().LocalRecord().String() == asked.String()
		})
	}
	if bytes.Equal(n.Record().Signature(), a.Self().Record().Signature()) {
		t.Error("the record did not change")
	}
}

func BenchmarkPing(b *testing.B) {
	bench(b, func(b *testing.B, a, peer discovery) {
		if _, err := a.Ping(peer.Self()); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkTalk(b *testing.B) {
	request := make([]byte, 100)
	bench(b, func(b *testing.B, a, peer discovery) {
		if _, err := a.TalkRequest(peer.Self(), "echo", request); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkAllNodes(b *testing.B) {
	bench(b, func(b *testing.B, a, peer discovery) {
		if len(a.AllNodes()) == 0 {
			b.Fatal("no nodes")
		}
	})
}

// bench runs one call between two nodes of the same kind.
func bench(b *testing.B, call func(b *testing.B, a, peer discovery)) {
	for _, name := range []string{"own", "geth"} {
		b.Run(name, func(b *testing.B) {
			listen := implementations[name]
			peer := start(b, listen, discover.Config{})
			peer.RegisterTalkHandler("echo", func(_ *enode.Node, _ *net.UDPAddr, msg []byte) []byte { return msg })
			a := start(b, listen, discover.Config{Bootnodes: []*enode.Node{peer.Self()}})
			within(b, "the table has a node", func() bool { return len(a.AllNodes()) > 0 })
			b.ReportAllocs()
			for b.Loop() {
				call(b, a, peer)
			}
		})
	}
}
