//go:build !linux

package nat

import (
	"net/netip"
	"slices"
)

// defaultGateways guesses: most gateways have the first address of a private network.
func defaultGateways() ([]netip.Addr, error) {
	prefixes, err := localPrefixes()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, p := range prefixes {
		if a := p.Masked().Addr().Next(); a != p.Addr() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list, nil
}
