package discv5_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/limits"
)

// loopback is a free port.
var loopback = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}

func ExampleConfig_Validate() {
	err := discv5.Config{RequestTimeout: -time.Second}.Validate()
	fmt.Println("invalid:", errors.Is(err, discv5.ErrConfig))
	var outside *discv5.RangeError
	if errors.As(err, &outside) {
		fmt.Println("the field:", outside.Field, "at least", outside.Min)
	}
	// Output:
	// invalid: true
	// the field: RequestTimeout at least 1ms
}

func ExampleNode_Done() {
	node := start(nil)
	go node.Close()
	<-node.Done()
	fmt.Println("the node has ended:", node.Err())
	// Output: the node has ended: <nil>
}

func ExampleNode_LocalRecord() {
	node := start(nil)
	defer node.Close()
	record := node.LocalRecord()
	endpoint, ok := record.UDPEndpoint4()
	fmt.Println("others find the node at its address:", ok && endpoint == node.Addrs()[0])
	fmt.Println(record.String()[:4])
	// Output:
	// others find the node at its address: true
	// enr:
}

func ExampleNode_SetEndpoint() {
	node := start(nil)
	defer node.Close()
	// The router forwards port 9001 of its public address to this node.
	if err := node.SetEndpoint(netip.MustParseAddrPort("203.0.113.7:9001")); err != nil {
		log.Fatal(err)
	}
	endpoint, _ := node.LocalRecord().UDPEndpoint4()
	fmt.Println(endpoint, node.AddressState(discv5.IPv4).Source)
	// Output: 203.0.113.7:9001 pinned
}

func ExampleNode_AddNode() {
	node, other := start(nil), start(nil)
	defer node.Close()
	defer other.Close()
	events := node.Subscribe(16, discv5.EventTable)
	defer events.Close()
	if err := node.AddNode(other.LocalRecord()); err != nil {
		log.Fatal(err) // discv5.ErrNotAdded: the rules of the table refuse it
	}
	for node.Stats().Live == 0 { // until the other node has answered a PING
		<-events.C
	}
	known, ok := node.Known(other.ID())
	fmt.Println("in the table:", ok, "live:", known.Live)
	b := node.Bucket(known.Distance)
	fmt.Println(b.Members, "node in its bucket")
	// Output:
	// in the table: true live: true
	// 1 node in its bucket
}

func ExampleNode_AllNodes() {
	nodes := network(4)
	defer closeAll(nodes)
	members := 0
	for n := range nodes[0].AllNodes() {
		if n.Member { // the others wait for a slot
			members++
		}
	}
	fmt.Println(members, "members")
	// Output: 3 members
}

func ExampleNode_ApplyTableFilter() {
	// The chain that the nodes of the table must be of; a fork changes it.
	chain := [4]byte{1}
	node, err := discv5.New(discv5.Config{ListenAddrs: loopback, TableFilter: func(r *enr.Record) bool {
		e, ok := r.Eth2()
		return ok && e.ForkDigest == chain
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	key, err := enr.ParsePrivateKeyHex("0000000000000000000000000000000000000000000000000000000000000001")
	if err != nil {
		log.Fatal(err)
	}
	other, err := enr.NewBuilder().SetIP(netip.MustParseAddr("127.0.0.1")).SetUDP(9000).SetEth2(enr.Eth2{ForkDigest: chain}).Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	if err := node.AddNode(other); err != nil {
		log.Fatal(err)
	}
	chain = [4]byte{2} // no lock: this node is not started
	fmt.Println("removed:", node.ApplyTableFilter())
	// Output: removed: 1
}

func ExampleNode_SetBootnodes() {
	node, boot := start(nil), start(nil)
	defer node.Close()
	defer boot.Close()
	if err := node.SetBootnodes(discv5.Contacts(boot.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	b := node.Bootnodes()[0]
	for b.Answered == 0 { // the node contacts bootnodes while it knows few nodes
		time.Sleep(10 * time.Millisecond)
		b = node.Bootnodes()[0]
	}
	fmt.Println("the bootnode:", b.ID == boot.ID(), "answered:", b.Answered > 0, "error:", b.Err)
	// Output: the bootnode: true answered: true error: <nil>
}

func ExampleNode_AddStaticNode() {
	node, peer := start(nil), start(nil)
	defer node.Close()
	defer peer.Close()
	events := node.Subscribe(16, discv5.EventSession)
	defer events.Close()
	if err := node.AddStaticNode(discv5.ContactOf(peer.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	e := <-events.C // the node makes contact, and again whenever it is lost
	s, err := node.SessionOf(peer.ID())
	fmt.Println("session with the peer:", e.ID == peer.ID(), s.Addr == peer.Addrs()[0], err)
	fmt.Println("removed:", node.RemoveStaticNode(peer.ID()))
	// Output:
	// session with the peer: true true <nil>
	// removed: true
}

func ExampleNode_Restrict() {
	a, b := start(nil), start(nil)
	defer a.Close()
	defer b.Close()
	if err := a.Restrict(netip.MustParsePrefix("10.0.0.0/8")); err != nil {
		log.Fatal(err)
	}
	_, err := a.Ping(context.Background(), discv5.ContactOf(b.LocalRecord()))
	fmt.Println("outside of the network:", errors.Is(err, discv5.ErrBlocked))
	// Output: outside of the network: true
}

func ExampleNode_Permit() {
	node := start(nil)
	defer node.Close()
	// No ban and no rate limit applies to the monitor. Its network is banned for a day.
	monitor, network := limits.AddrTarget(netip.MustParseAddr("192.0.2.7")), limits.PrefixTarget(netip.MustParsePrefix("192.0.2.0/24"))
	if err := errors.Join(node.Permit(monitor, 0), node.Ban(network, 24*time.Hour)); err != nil {
		log.Fatal(err)
	}
	for _, e := range node.Bans() {
		fmt.Println(e.Action, e.Target, "forever:", e.Expires.IsZero())
	}
	// Unordered output:
	// permit 192.0.2.7 forever: true
	// ban 192.0.2.0/24 forever: false
}

func ExampleNode_Latency() {
	a, b := start(nil), start(nil)
	defer a.Close()
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := a.Ping(ctx, discv5.ContactOf(b.LocalRecord())); err != nil {
		log.Fatal(err)
	}
	latency := a.Latency()
	h := &latency[discv5.LatencyPing]
	fmt.Println("measured:", h.Count() > 0)
	// Output: measured: true
}

func ExampleParsePrefixLimits() {
	l, err := discv5.ParsePrefixLimits("2,4,-")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("nodes of an address:", l.Host, "of a /24:", l.Site, "of a /16:", l.Wide, "(no limit)")
	// Output: nodes of an address: 2 of a /24: 4 of a /16: -1 (no limit)
}
