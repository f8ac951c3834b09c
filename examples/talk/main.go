// Command talk serves a protocol of its own over discv5, and sends a request to it.
package main

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
)

// protocol names the application's protocol. Peers that do not know it answer with nothing.
const protocol = "greet"

func main() {
	server, client := start(), start()
	defer server.Close()
	defer client.Close()

	// The handler runs in its own goroutine for each request, and returns the response.
	server.HandleTalk(protocol, func(_ context.Context, r discv5.TalkRequest) []byte {
		return fmt.Appendf(nil, "hello, %s", r.Payload)
	})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	to := discv5.ContactOf(server.LocalRecord())
	response, err := client.Talk(ctx, to, protocol, []byte("world"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(response))
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
