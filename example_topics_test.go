//go:build !race && !discv5debug

// Two hundred nodes take minutes under the race detector. Tests with fewer nodes run the same code.

package discv5_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/simnet"
)

// A network of 200 nodes, all registrars, in which every twentieth node offers a service. One node
// looks for the others that offer it.
func ExampleNode_AdvertiseTopic() {
	ctx := context.Background()
	n, err := simnet.New(simnet.Config{Seed: 1, InsecureCurve: true}) // quick handshakes
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	registrar := func(cfg discv5.Config) (*discv5.Node, error) {
		cfg.Topics = discv5.TopicConfig{Registrar: true, WaitScale: 0.1}
		return discv5.New(cfg)
	}
	boot, err := n.Add(simnet.NodeConfig{New: registrar})
	if err != nil {
		log.Fatal(err)
	}
	for range 199 {
		if _, err := n.Add(simnet.NodeConfig{New: registrar, Bootnodes: []*simnet.Node{boot}}); err != nil {
			log.Fatal(err)
		}
	}
	n.Run(2 * time.Minute) // the nodes find each other

	service := discv5.TopicOf("example.org/chess")
	for i, nd := range n.Nodes() {
		if i%20 == 0 {
			if _, err := nd.Node().AdvertiseTopic(ctx, service); err != nil {
				log.Fatal(err)
			}
		}
	}
	n.Run(10 * time.Minute)

	found, err := n.Nodes()[7].Node().LookupTopic(ctx, service, 5)
	fmt.Printf("%d of 10 players found, %v\n", len(found), err)

	// A player that searches for company sees the others come in.
	seen := 0
	for r, err := range n.Nodes()[0].Node().SearchTopic(ctx, service) {
		if err != nil {
			log.Fatal(err)
		}
		if seen++; seen == 9 {
			fmt.Println("all others found, the last one speaks topics:", r.SupportsTopics())
			break
		}
	}
	// Output:
	// 5 of 10 players found, <nil>
	// all others found, the last one speaks topics: true
}
