// Command eth2peers joins the Ethereum consensus network and prints the records of nodes that are
// on one fork.
//
//	eth2peers BOOTNODES-FILE FORK-DIGEST
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: eth2peers BOOTNODES-FILE FORK-DIGEST")
	}
	bootnodes, err := readRecords(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	digest, err := hex.DecodeString(os.Args[2])
	if err != nil || len(digest) != 4 {
		log.Fatal("the fork digest has 8 hexadecimal digits")
	}

	// The zero Config listens on UDP port 9000 of all addresses.
	node, err := discv5.New(discv5.Config{Bootnodes: discv5.Contacts(bootnodes...)})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := node.Start(ctx); err != nil {
		log.Fatal(err)
	}

	// RandomNodes walks through the network until the loop or the context ends.
	for record, err := range node.RandomNodes(ctx) {
		if err != nil {
			log.Print(err)
			break
		}
		if eth2, ok := record.View().Eth2(); ok && eth2.ForkDigest == [4]byte(digest) {
			fmt.Println(record)
		}
	}
}

// readRecords returns every record in a file, whatever the format around them.
func readRecords(file string) (records []*enr.Record, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	between := func(r rune) bool { return strings.ContainsRune(" \t\r\n,\"'[]", r) }
	for _, word := range strings.FieldsFunc(string(text), between) {
		if !strings.HasPrefix(word, "enr:") {
			continue
		}
		record, err := enr.ParseText(word)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s: no record (enr:...)", file)
	}
	return records, nil
}
