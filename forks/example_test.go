package forks_test

import (
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
)

// A node of Ethereum's consensus network: its record, and the table filter that accepts nodes of
// the same chain.
func Example() {
	mainnet, err := forks.ByName("mainnet", forks.ConsensusLayer)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	fmt.Println("fork in force:", mainnet.Forks()[mainnet.At(now)].Name)

	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	b := enr.NewBuilder()
	mainnet.SetEntries(b, now)
	ours, err := b.Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	foreign, err := enr.NewBuilder().SetEth2(enr.Eth2{ForkDigest: [4]byte{1, 2, 3, 4}}).Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	filter := forks.NewFilter(mainnet, func() time.Time { return now })
	fmt.Println("of the same chain:", filter.Allow(ours), "of another one:", filter.Allow(foreign))
	// Output:
	// fork in force: electra
	// of the same chain: true of another one: false
}
