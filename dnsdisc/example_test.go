package dnsdisc_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
)

// zone is a DNS server for a program without one.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	text, ok := z[strings.ToLower(name)]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []string{text}, nil
}

// The owner of nodes.example.org signs a list of five nodes, and a client reads it.
func Example() {
	key, records := newKey(), []*enr.Record(nil)
	for i := range 5 {
		r, err := enr.NewBuilder().SetIP(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})).SetUDP(9000).Sign(newKey())
		if err != nil {
			log.Fatal(err)
		}
		records = append(records, r)
	}
	texts, err := dnsdisc.Make(records, nil, key, 1)
	if err != nil {
		log.Fatal(err)
	}
	dns := zone{}
	for name, text := range texts {
		dns[strings.ToLower(strings.TrimPrefix(name+".nodes.example.org.", "."))] = text
	}
	link, err := dnsdisc.LinkOf(key, "nodes.example.org")
	if err != nil {
		log.Fatal(err)
	}

	client := dnsdisc.Client{Resolver: dns} // without a Resolver: that of the system
	found, err := client.Resolve(context.Background(), link.String())
	fmt.Println(len(found), "nodes", err)
	// Output: 5 nodes <nil>
}

func newKey() *enr.PrivateKey {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return key
}
