package discv5_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

func ExampleNode_Search() {
	nodes := network(6)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// Unlike Lookup, Search yields each record when it arrives, and you can stop it early.
	target := nodes[4].ID()
	for r, err := range nodes[1].Search(ctx, target) {
		if err != nil {
			log.Fatal(err)
		}
		if r.ID() == target {
			fmt.Println("found the target")
			break
		}
	}
	// Output: found the target
}

func ExampleNode_Resolve() {
	nodes := network(4)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// Node 3 has a newer record than the one that others know.
	if err := nodes[3].UpdateRecord(func(b *enr.Builder) { b.SetString("example", "new") }); err != nil {
		log.Fatal(err)
	}
	record, err := nodes[0].Resolve(ctx, nodes[3].ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the newest record:", record.Seq() == nodes[3].LocalRecord().Seq())

	_, err = nodes[0].Resolve(ctx, enr.ID{1})
	fmt.Println("no such node:", errors.Is(err, discv5.ErrNotFound))
	// Output:
	// the newest record: true
	// no such node: true
}

func ExampleFilter() {
	nodes := network(5)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	far := func(r *enr.Record) bool { return r.ID() != nodes[1].ID() }
	for r, err := range discv5.Filter(nodes[0].RandomNodes(ctx), far) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("another node than node 1:", r.ID() != nodes[1].ID())
		break
	}
	// Output: another node than node 1: true
}

func ExampleWithPaths() {
	nodes := network(6)
	defer closeAll(nodes)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// Two disjoint paths: a hostile node can mislead only one of them.
	found, err := nodes[0].Lookup(ctx, nodes[3].ID(), discv5.WithPaths(2), discv5.WithResults(4))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at most 4 results:", len(found) <= 4, "the closest first:", found[0].ID() == nodes[3].ID())
	// Output: at most 4 results: true the closest first: true
}

func ExampleTopicOf() {
	t := discv5.TopicOf("example.org/chess")
	same, err := discv5.ParseTopic(t.String()) // 64 hexadecimal digits
	fmt.Println(same == t, err)
	// Output: true <nil>
}
