package limiter

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/netaddr/addrtest"
	"github.com/fastdisc/discv5/limits"
)

// fast allows a million datagrams a second at each level.
var fast = limits.Rates{Address: rate(1e6, 1e6), Prefix64: rate(1e6, 1e6), Prefix56: rate(1e6, 1e6), Network: rate(1e6, 1e6)}

// BenchmarkAllow sends from sources within their limits, one datagram a microsecond in total.
func BenchmarkAllow(b *testing.B) {
	for _, family := range []netaddr.Family{netaddr.IPv4, netaddr.IPv6} {
		for _, n := range []int{10, 10000} {
			b.Run(fmt.Sprintf("%s/sources=%d", family, n), func(b *testing.B) {
				l, list := New(Config{Seed: 1, Rates: fast}), addrtest.Random(n, family)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					l.Allow(time.Duration(i)*time.Microsecond, list[i%n])
					i++
				}
			})
		}
	}
}

// BenchmarkAllowRefused sends from one address that is over its limit.
func BenchmarkAllowRefused(b *testing.B) {
	for _, family := range []netaddr.Family{netaddr.IPv4, netaddr.IPv6} {
		b.Run(family.String(), func(b *testing.B) {
			l, a := New(Config{Seed: 1}), addrtest.Random(1, family)[0]
			b.ReportAllocs()
			for b.Loop() {
				l.Allow(0, a)
			}
		})
	}
}

// BenchmarkAllowRotating never repeats a source, at a million datagrams a second.
func BenchmarkAllowRotating(b *testing.B) {
	l, i := New(Config{Seed: 1}), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(time.Duration(i)*time.Microsecond, v6(i*0x9e3779b97f4a7c15, i))
		i++
	}
}

func BenchmarkAllowParallel(b *testing.B) {
	l, list := New(Config{Seed: 1, Rates: fast}), addrtest.Random(10000, netaddr.IPv4)
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(1 << 20); pb.Next(); i++ {
			l.Allow(time.Duration(i)*time.Microsecond, list[i%len(list)])
		}
	})
}
