package fastpath_test

import (
	"fmt"
	"log"
	"net/netip"

	"github.com/fastdisc/discv5/fastpath"
)

// A server sends back what has arrived, one batch after the other.
func Example() {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	server, err := fastpath.Listen(fastpath.Config{Addr: loopback})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	go func() {
		rx, tx := fastpath.NewRx(64, 1280), fastpath.NewTx(64, 1280)
		conn := server.Conns()[0]
		for conn.ReadBatch(rx) == nil { // until Close
			for i := range rx.Len() {
				tx.Commit(copy(tx.Buffer(), rx.Packet(i)), rx.Addr(i))
			}
			if conn.WriteBatch(tx) != nil {
				return
			}
		}
	}()

	client, err := fastpath.Listen(fastpath.Config{Addr: loopback})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	conn, tx, rx := client.Conns()[0], fastpath.NewTx(1, 1280), fastpath.NewRx(1, 1280)
	tx.Commit(copy(tx.Buffer(), "hello"), server.Addr())
	if err := conn.WriteBatch(tx); err != nil {
		log.Fatal(err)
	}
	if err := conn.ReadBatch(rx); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", rx.Packet(0))
	// Output: hello
}
