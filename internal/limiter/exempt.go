package limiter

import "github.com/fastdisc/discv5/internal/netaddr"

// Exempt selects the sources that a Limiter does not limit.
type Exempt uint8

// Exemptions.
const (
	// ExemptLocal exempts loopback and local networks: RFC 1918, carrier-grade NAT
	// (100.64.0.0/10), link-local and IPv6 unique local addresses. All nodes of a test network may
	// share one prefix, and behind a proxy or a NAT router all peers may have one local address.
	// This is the default. A node with a public address should use ExemptLoopback, because networks
	// seldom filter forged local source addresses.
	ExemptLocal Exempt = iota
	// ExemptLoopback exempts loopback only. No host accepts such sources from a network.
	ExemptLoopback
	// ExemptNone limits all sources.
	ExemptNone
)

// covers reports whether the address with number n is exempt.
func (e Exempt) covers(n netaddr.Uint128, family netaddr.Family) bool {
	if e == ExemptNone {
		return false
	}
	if family == netaddr.IPv4 {
		a := uint32(n.Lo)
		if a>>24 == 127 {
			return true
		}
		return e == ExemptLocal && (a>>24 == 10 || a>>20 == 172<<4|1 || a>>16 == 192<<8|168 ||
			a>>16 == 169<<8|254 || a>>22 == 100<<2|1)
	}
	if n == (netaddr.Uint128{Lo: 1}) {
		return true
	}
	return e == ExemptLocal && (n.Hi>>57 == 0xfc>>1 || n.Hi>>54 == 0xfe80>>6)
}
