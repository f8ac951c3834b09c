package nat_test

import (
	"errors"
	"fmt"

	"github.com/fastdisc/discv5/nat"
)

// The specification of a method is a setting of the bootnode. extip and none send no packet.
func ExampleParse() {
	for _, s := range []string{"extip:203.0.113.7", "stun:stun.example.org", "upnp", "magic"} {
		cfg, err := nat.Parse(s)
		fmt.Println(cfg, "invalid:", errors.Is(err, nat.ErrSpec))
	}
	// Output:
	// extip:203.0.113.7 invalid: false
	// stun:stun.example.org:3478 invalid: false
	// upnp invalid: false
	// none invalid: true
}
