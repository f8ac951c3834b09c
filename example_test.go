package discv5_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/fastdisc/discv5"
)

// The program of README.md, on loopback ports: two nodes, one of which finds the other.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	start := func(bootnodes ...discv5.Contact) *discv5.Node {
		n, err := discv5.New(discv5.Config{
			ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
			Bootnodes:   bootnodes,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		return n
	}
	a := start()
	defer a.Close()
	b := start(discv5.Contacts(a.LocalRecord())...)
	defer b.Close()
	if _, err := b.Ping(ctx, discv5.Contacts(a.LocalRecord())[0]); err != nil {
		log.Fatal(err)
	}
	found, err := b.Lookup(ctx, a.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found) == 1 && found[0].ID() == a.ID())
	// Output: true
}
