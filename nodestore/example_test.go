package nodestore_test

import (
	"crypto/rand"
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/nodestore"
)

func Example() {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := nodestore.Open(filepath.Join(dir, "nodes.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// The key is the node's identity: a real program keeps it in a file.
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	cfg := discv5.Config{
		PrivateKey: key, Store: store,
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
	}
	var seqs []uint64
	for range 2 {
		node, err := discv5.New(cfg)
		if err != nil {
			log.Fatal(err)
		}
		err = node.UpdateRecord(func(b *enr.Builder) { b.SetString("client", "example") })
		if err != nil {
			log.Fatal(err)
		}
		seqs = append(seqs, node.LocalRecord().Seq())
		node.Close()
	}
	fmt.Println("the sequence number fell back:", seqs[1] < seqs[0])
	// Output: the sequence number fell back: false
}
