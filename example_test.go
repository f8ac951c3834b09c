package discv5_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
)

func Example() {
	a := start(nil)
	defer a.Close()
	b := start(discv5.Contacts(a.LocalRecord()))
	defer b.Close()

	pong, err := a.Ping(context.Background(), discv5.ContactOf(b.LocalRecord()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the other node sees this one at its address:", pong.Endpoint == a.Addrs()[0])
	// Output: the other node sees this one at its address: true
}

func start(bootnodes []discv5.Contact) *discv5.Node {
	loopback := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	n, err := discv5.New(discv5.Config{
		ListenAddrs: loopback, Bootnodes: bootnodes,
		// More than the defaults, because the machine that runs the examples may pause for seconds.
		RequestTimeout: 5 * time.Second, Resend: 3,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return n
}
