package simnet_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/simnet"
)

// A network of sixteen nodes that know one of them, and that loses a tenth of all datagrams. Every
// run of this program is the same.
func Example() {
	n, err := simnet.New(simnet.Config{Seed: 1, Conditions: simnet.Conditions{Loss: 0.1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
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
	found, err := searching.Node().Lookup(context.Background(), wanted.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found the node:", slices.ContainsFunc(found, func(r *enr.Record) bool { return r.ID() == wanted.ID() }))
	fmt.Println("violations:", n.Check())
	// Output:
	// found the node: true
	// violations: <nil>
}

// shout is the protocol that the examples test: it answers in capitals.
const shout = "shout"

// newShouter is what a program that embeds the library has: it makes a node and registers its TALK
// protocol. A test hands it to simnet as NodeConfig.New.
func newShouter(cfg discv5.Config) (*discv5.Node, error) {
	node, err := discv5.New(cfg)
	if err != nil {
		return nil, err
	}
	node.HandleTalk(shout, func(_ context.Context, r discv5.TalkRequest) []byte {
		return []byte(strings.ToUpper(string(r.Payload)))
	})
	return node, nil
}

// ask asks a node, up to three times, as a program does on a network that loses datagrams.
func ask(ctx context.Context, from *discv5.Node, to discv5.Contact, text string) (answer []byte, err error) {
	for range 3 {
		if answer, err = from.Talk(ctx, to, shout, []byte(text)); err == nil {
			break
		}
	}
	return answer, err
}

// A TALK protocol over a network with loss: the client is behind a NAT, and the server restarts and
// has lost its sessions, which the client does not know.
func Example_talkProtocol() {
	ctx := context.Background()
	n, err := simnet.New(simnet.Config{Seed: 1, Conditions: simnet.Conditions{Loss: 0.1, Duplicate: 0.05, Jitter: 30 * time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	nat, err := n.NewNAT(simnet.NATConfig{Kind: simnet.PortRestricted})
	if err != nil {
		log.Fatal(err)
	}
	server, err := n.Add(simnet.NodeConfig{New: newShouter})
	if err != nil {
		log.Fatal(err)
	}
	client, err := n.Add(simnet.NodeConfig{New: newShouter, NAT: nat, Bootnodes: []*simnet.Node{server}})
	if err != nil {
		log.Fatal(err)
	}

	answer, err := ask(ctx, client.Node(), server.Contact(), "hello")
	fmt.Printf("client to server: %s, %v\n", answer, err)

	// The client's record does not say where it can be reached. Its session does.
	for s := range server.Node().Sessions() {
		answer, err = ask(ctx, server.Node(), s.Contact(), "and you")
		fmt.Printf("server to client: %s, %v\n", answer, err)
	}

	if err := server.Restart(true); err != nil {
		log.Fatal(err)
	}
	answer, err = ask(ctx, client.Node(), server.Contact(), "still there")
	fmt.Printf("after a restart: %s, %v\n", answer, err)
	fmt.Println("violations:", n.Check())
	// Output:
	// client to server: HELLO, <nil>
	// server to client: AND YOU, <nil>
	// after a restart: STILL THERE, <nil>
	// violations: <nil>
}

// TestProtocolSurvivesRestart is what a test of a program's own protocol can look like. If it
// fails, it says how to run it again with the same seed: SIMNET_SEED=3 go test -run ...
func TestProtocolSurvivesRestart(t *testing.T) {
	n := simnet.ForTest(t, simnet.Config{Seed: 3, Conditions: simnet.Conditions{Jitter: 50 * time.Millisecond, Duplicate: 0.1}})
	add := func() *simnet.Node {
		nd, err := n.Add(simnet.NodeConfig{New: newShouter, Record: func(b *enr.Builder) { b.SetString("app", "1") }})
		if err != nil {
			t.Fatal(err)
		}
		return nd
	}
	client, server := add(), add()
	check := func() {
		t.Helper()
		answer, err := client.Node().Talk(t.Context(), server.Contact(), shout, []byte("hello"))
		if err != nil || string(answer) != "HELLO" {
			t.Errorf("answer %q, %v", answer, err)
		}
	}
	check()
	if err := server.Restart(true); err != nil {
		t.Fatal(err)
	}
	check()
}
