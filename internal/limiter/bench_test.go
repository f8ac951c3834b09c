package limiter

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/limits"
)

// sources returns n addresses of one family in random order.
func sources(n int, six bool) []netip.Addr {
	rnd := rand.New(rand.NewPCG(5, 6))
	list := make([]netip.Addr, n)
	for i := range list {
		if six {
			list[i] = v6(0x2000_0000_0000_0000|rnd.Uint64()>>3, rnd.Uint64())
		} else {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 0x0b00_0000+rnd.Uint32N(0x5000_0000))
			list[i] = netip.AddrFrom4(a)
		}
	}
	return list
}

func name(six bool) string {
	if six {
		return "IPv6"
	}
	return "IPv4"
}

// fast allows a million datagrams a second at each level.
var fast = limits.Rates{Address: rate(1e6, 1e6), Prefix64: rate(1e6, 1e6), Prefix56: rate(1e6, 1e6), Network: rate(1e6, 1e6)}

// BenchmarkAllow sends from sources within their limits, one datagram a microsecond in total.
func BenchmarkAllow(b *testing.B) {
	for _, six := range []bool{false, true} {
		for _, n := range []int{10, 10000} {
			b.Run(fmt.Sprintf("%s/sources=%d", name(six), n), func(b *testing.B) {
				l, list := New(Config{Seed: 1, Rates: fast}), sources(n, six)
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
	for _, six := range []bool{false, true} {
		b.Run(name(six), func(b *testing.B) {
			l, a := New(Config{Seed: 1}), sources(1, six)[0]
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
	l, list := New(Config{Seed: 1, Rates: fast}), sources(10000, false)
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(1 << 20); pb.Next(); i++ {
			l.Allow(time.Duration(i)*time.Microsecond, list[i%len(list)])
		}
	})
}
