package discv5

import (
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Validate reports whether New accepts c, as far as that can be told without opening sockets: it
// makes the checks that New makes. The error wraps ErrConfig and names the field.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}

// checkListenAddrs refuses addresses that cannot be listened on together.
func checkListenAddrs(addrs []netip.AddrPort) error {
	for i, a := range addrs {
		if !a.IsValid() {
			return fmt.Errorf("%w: listen address %d is not valid", ErrConfig, i+1)
		}
		if a.Port() == 0 {
			continue // each gets a port of its own
		}
		a = netaddr.NormalizePort(a)
		for _, b := range addrs[:i] {
			b = netaddr.NormalizePort(b)
			switch {
			case a == b:
				return fmt.Errorf("%w: listen address %s is listed twice", ErrConfig, a)
			case a.Port() != b.Port() || netaddr.FamilyOf(a.Addr()) != netaddr.FamilyOf(b.Addr()):
			case a.Addr().IsUnspecified():
				return fmt.Errorf("%w: listen address %s includes %s", ErrConfig, a, b)
			case b.Addr().IsUnspecified():
				return fmt.Errorf("%w: listen address %s includes %s", ErrConfig, b, a)
			}
		}
	}
	return nil
}
