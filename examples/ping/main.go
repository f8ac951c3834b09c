// Command ping starts two nodes on this machine and has one ping the other.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/fastdisc/discv5"
)

func main() {
	a := start()
	defer a.Close()
	b := start()
	defer b.Close()

	// b's record names its key and its address. That is all a needs to reach it.
	pong, err := a.Ping(context.Background(), discv5.ContactOf(b.LocalRecord()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("b sees a at its own address:", pong.Endpoint == a.Addrs()[0])
}

func start() *discv5.Node {
	loopback := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	n, err := discv5.New(discv5.Config{ListenAddrs: loopback})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	return n
}
