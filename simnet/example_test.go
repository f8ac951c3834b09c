package simnet_test

import (
	"fmt"
	"log"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/simnet"
)

// A network of sixteen nodes that know one of them, of which a tenth of all datagrams is lost.
// Every run of this program is the same.
func Example() {
	n := simnet.New(simnet.Config{Seed: 3, Conditions: simnet.Conditions{Loss: 0.1}})
	boot, err := n.Add(simnet.NodeConfig{})
	if err != nil {
		log.Fatal(err)
	}
	for range 15 {
		if _, err := n.Add(simnet.NodeConfig{Bootnodes: []*simnet.Node{boot}}); err != nil {
			log.Fatal(err)
		}
	}
	n.Run(time.Minute)

	searching, wanted := n.Nodes()[7], n.Nodes()[13]
	found, err := searching.Lookup(wanted.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found the node:", found.Nodes[0].ID == wanted.ID())
	fmt.Println("violations:", n.Check())
	// Output:
	// found the node: true
	// violations: <nil>
}

// TestProtocolSurvivesRestart is what a test of a program's own protocol can look like. Should it
// fail, it says how to run it again with the same seed: SIMNET_SEED=3 go test -run ...
func TestProtocolSurvivesRestart(t *testing.T) {
	n := simnet.ForTest(t, simnet.Config{Seed: 3, Conditions: simnet.Conditions{Jitter: 50 * time.Millisecond, Duplicate: 0.1}})
	add := func() *simnet.Node {
		nd, err := n.Add(simnet.NodeConfig{Record: func(b *enr.Builder) { b.SetString("app", "1") }})
		if err != nil {
			t.Fatal(err)
		}
		return nd
	}
	client, server := add(), add()
	server.HandleTalk("echo", func(_ enr.ID, _ netip.AddrPort, payload []byte) []byte { return payload })

	ask := func() {
		t.Helper()
		if r := client.Talk(server, "echo", []byte("hello")); r.Err != nil || string(r.Payload) != "hello" {
			t.Errorf("answer %q, %v", r.Payload, r.Err)
		}
	}
	ask()
	// The server loses its sessions, and the client does not know.
	if err := server.Restart(true); err != nil {
		t.Fatal(err)
	}
	ask()
}
