package discv5

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// natBox is a router in front of inner hosts: it chooses outer addresses and ports as a test says.
type natBox struct {
	inner   netip.Addr
	mapping func(inner, remote netip.AddrPort) netip.AddrPort // what a host is seen as
	permits func(outer, remote netip.AddrPort) bool           // who gets in
	in      map[netip.AddrPort]netip.AddrPort                 // outer to inner endpoint
	outer   map[netip.Addr]bool
}

func newNATBox(inner netip.Addr) *natBox {
	return &natBox{inner: inner, in: make(map[netip.AddrPort]netip.AddrPort), outer: make(map[netip.Addr]bool)}
}

func (b *natBox) route(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
	if from.Addr() == b.inner {
		outer := b.mapping(from, to)
		b.in[outer], b.outer[outer.Addr()] = from, true
		from = outer
	}
	if to.Addr() == b.inner {
		return from, to, false
	}
	if b.outer[to.Addr()] {
		inner, ok := b.in[to]
		return from, inner, ok && (b.permits == nil || b.permits(to, from))
	}
	return from, to, true
}

// Behind routers of odd kinds the record names an endpoint only if peers agree on it, and does not
// change unless what they see has changed.
func TestOddRouters(t *testing.T) {
	inner := netip.MustParseAddrPort("10.9.0.2:9000")
	one, two := netip.MustParseAddr("21.1.1.1"), netip.MustParseAddr("22.2.2.2")
	hash := func(a netip.AddrPort) uint16 {
		b := a.Addr().As4()
		return uint16(b[2])*251 + uint16(b[1])*17 + uint16(b[3])
	}
	start := time.Time{}
	for _, c := range []struct {
		name    string
		mapping func(inner, remote netip.AddrPort) netip.AddrPort
		records int // at most, in an hour
		wants   func(netip.AddrPort) bool
	}{
		{"a port for each peer", func(_, r netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(one, 20000+hash(r)) }, 0,
			func(a netip.AddrPort) bool { return a == inner }},
		{"a port for each peer, another each five minutes", func(_, r netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom(one, 20000+hash(r)%20000+uint16(time.Since(start)/(5*time.Minute)))
		}, 0, func(a netip.AddrPort) bool { return a == inner }},
		{"a port for all, another each 20 minutes", func(_, r netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom(one, 20000+uint16(time.Since(start)/20*time.Minute))
		}, 4, func(a netip.AddrPort) bool { return a.Addr() == one }},
		{"two ways out, half of the peers by each", func(_, r netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom([]netip.Addr{one, two}[hash(r)/251%2], 9000)
		}, 1, func(a netip.AddrPort) bool { return a == inner || a.Port() == 9000 }},
		{"two ways out, in turn for each datagram", func() func(_, r netip.AddrPort) netip.AddrPort {
			k := 0
			return func(_, r netip.AddrPort) netip.AddrPort {
				k++
				return netip.AddrPortFrom([]netip.Addr{one, two}[k%2], 9000)
			}
		}(), 2, func(netip.AddrPort) bool { return true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			longNetwork(t, false) // TestAddressStaysInQuietNetwork runs the same code
			synctest.Test(t, func(t *testing.T) {
				start = time.Now()
				v := newVillage(t, 20)
				defer v.close()
				b := newNATBox(inner.Addr())
				b.mapping = c.mapping
				v.w.SetRoute(b.route)
				n := v.join(inner, nil)
				defer n.Close()
				first := n.LocalRecord().Seq()
				var seen []string
				last := ""
				for range 60 {
					time.Sleep(time.Minute)
					if a := fmt.Sprint(named4(n)); a != last {
						seen = append(seen, fmt.Sprint(time.Since(start).Round(time.Minute), " ", a))
						last = a
					}
				}
				if k := int(n.LocalRecord().Seq() - first); k > c.records || !c.wants(named4(n)) {
					t.Errorf("%d new records, want %d at most: %v; %+v", k, c.records, seen, n.AddressState(IPv4))
				}
			})
		})
	}
}
