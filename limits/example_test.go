package limits_test

import (
	"fmt"
	"log"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/limits"
)

// A node takes an Access in discv5.Config. Times are those of the node's clock.
func ExampleAccess() {
	access := limits.NewAccess(0)
	rules, err := limits.ParseRules(strings.NewReader("192.0.2.0/24   # a network, forever\n2001:db8::1  12h\n"))
	if err != nil {
		log.Fatal(err)
	}
	if err := access.Update(0, limits.Ban, nil, rules); err != nil {
		log.Fatal(err)
	}
	if err := access.Permit(limits.AddrTarget(netip.MustParseAddr("192.0.2.7")), limits.Forever); err != nil {
		log.Fatal(err)
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.7", "198.51.100.1"} {
		fmt.Println(addr, access.Check(0, netip.MustParseAddr(addr)))
	}
	// Output:
	// 192.0.2.1 banned
	// 192.0.2.7 permitted
	// 198.51.100.1 neutral
}

func ExampleParseTarget() {
	for _, s := range []string{"192.0.2.7", "2001:db8::1/48", "somewhere"} {
		t, err := limits.ParseTarget(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t)
	}
	// Output:
	// 192.0.2.7
	// 2001:db8::/48
	// limits: not an address, address range or node ID
}
