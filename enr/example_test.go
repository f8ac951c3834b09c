package enr_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
)

func Example() {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	record, err := enr.NewBuilder().
		SetIP(netip.MustParseAddr("192.0.2.7")).SetUDP(9000).
		SetString("game", "chess"). // an entry of your own
		Sign(key)
	if err != nil {
		log.Fatal(err)
	}

	// Others parse the text, which verifies the signature.
	other, err := enr.ParseText(record.String())
	if err != nil {
		log.Fatal(err)
	}
	endpoint, _ := other.UDPEndpoint4()
	game, _ := other.GetBytes("game")
	fmt.Println(endpoint, string(game), "the same node:", other.ID() == key.ID())
	// Output: 192.0.2.7:9000 chess the same node: true
}

// exampleText is the record of EIP-778.
const exampleText = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"

func ExampleParseText() {
	record, err := enr.ParseText(exampleText)
	if err != nil {
		log.Fatal(err) // for example enr.ErrSignature
	}
	endpoint, ok := record.UDPEndpoint4()
	fmt.Println(record.ID())
	fmt.Println("version", record.Seq(), "at", endpoint, ok)
	// Output:
	// a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7
	// version 1 at 127.0.0.1:30303 true
}

func ExampleRecord_Edit() {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	old, err := enr.NewBuilder().SetIP(netip.MustParseAddr("192.0.2.7")).SetUDP(9000).Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	moved, err := old.Edit().SetUDP(9001).Sign(key)
	if err != nil {
		log.Fatal(err)
	}
	endpoint, _ := moved.UDPEndpoint4()
	fmt.Println(endpoint, "is newer by", moved.Seq()-old.Seq())
	// Output: 192.0.2.7:9001 is newer by 1
}

func ExampleParseEnode() {
	e, err := enr.ParseEnode("enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:30303")
	if err != nil {
		log.Fatal(err)
	}
	id, err := e.ID()
	fmt.Println(id.Short(), err)
	// Output: a448f24c6d18e575 <nil>
}

func ExampleLogDistance() {
	a, b := enr.ID{31: 1}, enr.ID{31: 9}
	fmt.Println(enr.LogDistance(a, b), enr.LogDistance(a, a), enr.LogDistance(enr.ID{0x80}, enr.ID{}))
	// Output: 4 0 256
}

// An entry that does not fit its key counts as absent, and the record is still valid.
func ExampleView_Check() {
	record, err := enr.ParseText("enr:-IK4QO4OTSqK3chg6MIU3DGDDxiCGf-K3udzQUHtVSmTtILtdjrtusW7w8UGgwfP62ocLCbWizU293csfxQayiggYioBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCA")
	if err != nil {
		log.Fatal(err)
	}
	_, ok := record.UDP()
	fmt.Println(ok, record.Check("udp"))
	fmt.Println("no entry tcp:", errors.Is(record.Check("tcp"), enr.ErrNoEntry))
	// Output:
	// false enr: entry "udp": port is zero
	// no entry tcp: true
}
