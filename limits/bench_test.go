package limits

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/netaddr/addrtest"
)

// lists returns an Access with n bans of ranges and addresses, and n bans of node IDs.
func lists(b *testing.B, n int, family netaddr.Family) *Access {
	a := NewAccess(1 << 20)
	items := make([]item, 0, 2*n)
	for i, addr := range addrtest.Random(n, family) {
		length := addr.BitLen()
		if i%2 == 0 {
			length -= length / 4
		}
		items = append(items, item{PrefixTarget(netip.PrefixFrom(addr, length)), Ban, Forever},
			item{NodeTarget(nodeID(uint64(i))), Ban, Forever})
	}
	if err := a.edit(nil, items); err != nil {
		b.Fatal(err)
	}
	return a
}

func nodeID(i uint64) (id [IDSize]byte) {
	binary.LittleEndian.PutUint64(id[:], i*0x9e3779b97f4a7c15)
	return id
}

func BenchmarkBlocked(b *testing.B) {
	for _, family := range []netaddr.Family{netaddr.IPv4, netaddr.IPv6} {
		for _, n := range []int{0, 10, 10000, 65536} {
			b.Run(fmt.Sprintf("%s/entries=%d", family, n), func(b *testing.B) {
				a, list := lists(b, n, family), addrtest.Random(1<<14, family)
				rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					a.Blocked(1, list[i&(1<<14-1)])
					i++
				}
			})
		}
	}
}

func BenchmarkBlockedID(b *testing.B) {
	for _, n := range []int{10, 10000, 65536} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			a, ids := lists(b, n, netaddr.IPv4), make([][IDSize]byte, 1<<14)
			for i := range ids {
				ids[i] = nodeID(rand.Uint64N(uint64(2 * n))) // half of them are banned
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a.BlockedID(1, &ids[i&(1<<14-1)])
				i++
			}
		})
	}
}

// BenchmarkBan adds one ban to lists of n ranges and n node IDs.
func BenchmarkBan(b *testing.B) {
	for _, n := range []int{10, 10000, 65536} {
		for _, what := range []string{"address", "ID"} {
			b.Run(fmt.Sprintf("%s/entries=%d", what, n), func(b *testing.B) {
				a, t := lists(b, n, netaddr.IPv4), AddrTarget(ip4)
				if what == "ID" {
					t = NodeTarget(nodeID(1 << 40))
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := a.Ban(t, Forever); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
