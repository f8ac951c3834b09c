package discv5_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// network starts a few nodes that know the first one, and waits until that knows them.
func network(count int) []*discv5.Node {
	nodes := []*discv5.Node{start(nil)}
	events := nodes[0].Subscribe(64, discv5.EventTable)
	defer events.Close()
	for len(nodes) < count {
		nodes = append(nodes, start(discv5.Contacts(nodes[0].LocalRecord())))
	}
	for nodes[0].Stats().Live < count-1 {
		<-events.C
	}
	return nodes
}

func closeAll(nodes []*discv5.Node) {
	for _, n := range nodes {
		n.Close()
	}
}

func ExampleNode_Lookup() {
	nodes := network(6)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// The nodes closest to an ID. Here it is the ID of one of them, which therefore comes first.
	target := nodes[3].ID()
	found, err := nodes[0].Lookup(ctx, target)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("closest is the node itself:", found[0].ID() == target)
	// Output: closest is the node itself: true
}

func ExampleNode_LookupWhere() {
	nodes := network(5)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// A further node says in its record which chain it serves.
	chain := [4]byte{0xb5, 0x30, 0x3f, 0x2a}
	server, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		Bootnodes:   discv5.Contacts(nodes[1].LocalRecord()),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.UpdateRecord(func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: chain}) }); err != nil {
		log.Fatal(err)
	}
	if err := server.Start(ctx); err != nil {
		log.Fatal(err)
	}

	for k, _ := nodes[1].Known(server.ID()); !k.Live; k, _ = nodes[1].Known(server.ID()) {
		time.Sleep(10 * time.Millisecond) // until its bootnode has checked it
	}

	serves := func(r *enr.Record) bool { e, ok := r.View().Eth2(); return ok && e.ForkDigest == chain }
	list, err := nodes[0].LookupWhere(ctx, nodes[0].ID(), serves, 1)
	if err != nil {
		log.Fatal(err) // discv5.ErrExhausted if there is none
	}
	fmt.Println("found the one that serves:", list[0].ID() == server.ID())
	// Output: found the one that serves: true
}

func ExampleNode_HandleTalk() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()

	server.HandleTalk("greet", func(_ context.Context, r discv5.TalkRequest) []byte {
		return append([]byte("hello, "), r.Payload...)
	})

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	to := discv5.ContactOf(server.LocalRecord())
	answer, err := client.Talk(ctx, to, "greet", []byte("world"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(answer))
	// Output: hello, world
}

func ExampleNode_Subscribe() {
	a, b := start(nil), start(nil)
	defer a.Close()
	defer b.Close()

	events := a.Subscribe(16, discv5.EventSession)
	defer events.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := b.Ping(ctx, discv5.ContactOf(a.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	e := <-events.C
	fmt.Println("session with the other node:", e.ID == b.ID(), "it made contact:", e.Inbound)
	// Output: session with the other node: true it made contact: true
}

// A node shares its socket with another protocol: here one that echoes, as QUIC would do more.
func ExamplePacketConn() {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	other := discv5.NewPacketConn(64)
	node, err := discv5.New(discv5.Config{PacketConns: []net.PacketConn{socket}, OtherProtocol: other})
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	go echo(other)

	client := start(nil)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = client.Ping(ctx, discv5.ContactOf(node.LocalRecord()))
	fmt.Println("discv5 answers:", err == nil)

	c, err := net.Dial("udp4", node.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "something else")
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the other protocol answers: %q\n", b[:n])
	// Output:
	// discv5 answers: true
	// the other protocol answers: "something else"
}

func echo(conn net.PacketConn) {
	b := make([]byte, discv5.MaxOtherProtocol)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		conn.WriteTo(b[:n], from)
	}
}

func ExampleNode_RandomNodes() {
	nodes := network(4)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	seen := make(map[enr.ID]bool)
	for r, err := range nodes[0].RandomNodes(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if seen[r.ID()] = true; len(seen) == 3 {
			break
		}
	}
	fmt.Println("different nodes:", len(seen))
	// Output: different nodes: 3
}

func ExampleNode_Ban() {
	a, b := start(nil), start(nil)
	defer a.Close()
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	to := discv5.ContactOf(b.LocalRecord())

	target, err := limits.ParseTarget("127.0.0.0/8")
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Ban(target, time.Hour); err != nil {
		log.Fatal(err)
	}
	_, err = a.Ping(ctx, to)
	fmt.Println("banned:", errors.Is(err, discv5.ErrBlocked))
	a.Unban(target)
	_, err = a.Ping(ctx, to)
	fmt.Println("after the ban:", err)
	// Output:
	// banned: true
	// after the ban: <nil>
}
