package discv5_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// patience bounds the calls of the examples.
const patience = 90 * time.Second

func ExampleNew() {
	node, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		// The record says which chain the node serves, from the start.
		Entries: func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: [4]byte{1, 2, 3, 4}}) },
		// Warnings and errors go to the program's log.
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		// Only nodes of the same chain are in the table.
		TableFilter: func(r *enr.Record) bool {
			e, ok := r.Eth2()
			return ok && e.ForkDigest == [4]byte{1, 2, 3, 4}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	e, _ := node.LocalRecord().Eth2()
	fmt.Printf("fork digest %x\n", e.ForkDigest)
	// Output: fork digest 01020304
}

func ExampleParseContact() {
	other := start(nil)
	defer other.Close()
	text := other.LocalRecord().String() // "enr:..." as operators exchange it

	contact, err := discv5.ParseContact(text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same node:", contact.ID() == other.ID())
	_, err = discv5.ParseContact("example.org:9000")
	fmt.Println("an address alone:", errors.Is(err, discv5.ErrContact))
	// Output:
	// the same node: true
	// an address alone: true
}

func ExampleNode_FindNode() {
	nodes := network(4)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// Distance 0 asks a node for its own record.
	records, err := nodes[1].FindNode(ctx, discv5.ContactOf(nodes[0].LocalRecord()), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("its own record:", records[0].ID() == nodes[0].ID())
	// Output: its own record: true
}

func ExampleNode_SendTalk() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	server.HandleTalk("double", func(_ context.Context, r discv5.TalkRequest) []byte {
		return append(r.Payload, r.Payload...)
	})

	// A window of requests under way: none waits for the answer to the one before.
	var wg sync.WaitGroup
	to := discv5.ContactOf(server.LocalRecord())
	var bytes int
	for range 10 {
		wg.Add(1)
		err := client.SendTalk(to, "double", []byte("abc"), func(answer []byte, err error) {
			defer wg.Done()
			if err != nil {
				log.Fatal(err)
			}
			bytes += len(answer) // one goroutine calls all of these functions
		}, discv5.WithTimeout(patience))
		if err != nil {
			log.Fatal(err)
		}
	}
	wg.Wait()
	fmt.Println(bytes, "bytes")
	// Output: 60 bytes
}

func ExampleMix() {
	nodes := network(5)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel() // ends both sources

	// Nodes of the network and those of a list take turns. From the network, this program wants
	// only those with an IPv4 endpoint.
	fromNetwork := discv5.Filter(nodes[0].RandomNodes(ctx), func(r *enr.Record) bool { _, ok := r.UDPEndpoint4(); return ok })
	fromList := func(yield func(*enr.Record, error) bool) {
		for _, n := range nodes {
			if !yield(n.LocalRecord(), nil) {
				return
			}
		}
	}
	seen := make(map[enr.ID]bool)
	for r, err := range discv5.Mix(time.Second, fromNetwork, fromList) {
		if err != nil {
			continue // nobody answers for the moment
		}
		if seen[r.ID()] = true; len(seen) == len(nodes) {
			break
		}
	}
	fmt.Println(len(seen), "nodes")
	// Output: 5 nodes
}

func ExampleNewIterator() {
	nodes := network(4)
	defer closeAll(nodes)
	it := discv5.NewIterator(func(ctx context.Context) iter.Seq2[*enr.Record, error] {
		return nodes[0].RandomNodes(ctx)
	})
	// Any goroutine may end it.
	time.AfterFunc(patience, it.Close)
	seen := make(map[enr.ID]bool)
	for len(seen) < 3 && it.Next() {
		seen[it.Node().ID()] = true
	}
	it.Close()
	fmt.Println(len(seen), "nodes, error:", it.Err())
	// Output: 3 nodes, error: <nil>
}

func ExampleNode_UpdateRecord() {
	node := start(nil)
	defer node.Close()
	before := node.LocalRecord().Seq()
	if err := node.UpdateRecord(func(b *enr.Builder) { b.SetAttnets(1 << 5) }); err != nil {
		log.Fatal(err)
	}
	subnets, _ := node.LocalRecord().Attnets()
	fmt.Println("subnets", subnets, "and", node.LocalRecord().Seq()-before, "more updates")
	// Output: subnets 32 and 1 more updates
}

func ExampleNode_Nodes() {
	nodes := network(4)
	defer closeAll(nodes)
	live := 0
	for _, n := range nodes[0].Nodes() {
		if n.Live {
			live++
		}
	}
	fmt.Println(live, "live nodes")
	if k, ok := nodes[0].Known(nodes[2].ID()); ok {
		fmt.Println("node 2 made contact first:", k.Inbound)
	}
	// Output:
	// 3 live nodes
	// node 2 made contact first: true
}

func ExampleNode_AddTrustedNode() {
	node, friend := start(nil), start(nil)
	defer node.Close()
	defer friend.Close()
	events := node.Subscribe(16, discv5.EventSession)
	defer events.Close()
	if err := node.AddTrustedNode(discv5.ContactOf(friend.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	<-events.C // the node makes contact without being asked, and again whenever it is lost
	s := node.StaticNodes()[0]
	fmt.Println("stays in contact with the friend:", s.ID == friend.ID(), "trusted:", s.Trusted)
	// Output: stays in contact with the friend: true trusted: true
}

func ExampleNode_Sessions() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := client.Ping(ctx, discv5.ContactOf(server.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	// The server can ask back in the session, also if the client sits behind a NAT.
	for s := range server.Sessions() {
		_, err := server.Ping(ctx, s.Contact())
		fmt.Println("session with the client:", s.ID == client.ID(), "inbound:", s.Inbound, "error:", err)
	}
	// Output: session with the client: true inbound: true error: <nil>
}

func ExampleNode_Diagnose() {
	// The only bootnode is banned by a rule that somebody has forgotten.
	boot := start(nil)
	defer boot.Close()
	access := limits.NewAccess(0)
	if err := access.Ban(limits.NodeTarget([32]byte(boot.ID())), limits.Forever); err != nil {
		log.Fatal(err)
	}
	node, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		Bootnodes:   discv5.Contacts(boot.LocalRecord()),
		Access:      access,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := node.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	d := node.Diagnose()
	for _, reason := range d.Reasons {
		fmt.Println("live nodes:", d.Live, "because of a ban:", errors.Is(reason, discv5.ErrBanned))
	}
	// Output: live nodes: 0 because of a ban: true
}

func ExampleNode_Stats() {
	a, b := start(nil), start(nil)
	defer a.Close()
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := a.Ping(ctx, discv5.ContactOf(b.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	pings, _ := discv5.FindCounter("messages_sent_total", "ping")
	s := a.Stats()
	fmt.Println("sent a PING:", s.Counters[pings] > 0, "sessions:", s.Sessions.Sessions)
	// Output: sent a PING: true sessions: 1
}
