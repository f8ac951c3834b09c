// Package addrtest has addresses for tests and benchmarks.
package addrtest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Random returns n global addresses of one family, the same ones in each call.
func Random(n int, f netaddr.Family) []netip.Addr {
	rnd := rand.New(rand.NewPCG(5, 6))
	list := make([]netip.Addr, n)
	for i := range list {
		if f == netaddr.IPv6 {
			list[i] = netaddr.Uint128{Hi: 0x2000_0000_0000_0000 | rnd.Uint64()>>3, Lo: rnd.Uint64()}.Addr()
		} else {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 0x0b00_0000+rnd.Uint32N(0x5000_0000))
			list[i] = netip.AddrFrom4(a)
		}
	}
	return list
}
