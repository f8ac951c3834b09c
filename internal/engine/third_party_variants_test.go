package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
)

// naming has 15 peers of 15 networks hand out 16 records each for a minute, of endpoints that at
// says. With shared, all peers name the same node IDs.
func (nw *network) naming(a *node, shared bool, at func(i int) netip.AddrPort) {
	var list []*scriptedPeer
	names := make(map[*scriptedPeer][]*enr.Record)
	for i := range 15 {
		s := nw.scriptedPeer(fmt.Sprintf("30.%d.1.1:9000", i), uint64(i)+500).listen()
		s.connect(a)
		list = append(list, s)
		seed := uint64(1000)
		if !shared {
			seed += 1000 * uint64(i)
		}
		for len(names[s]) < 16 {
			seed++
			if g := nw.scriptedPeer(at(len(names[s])).String(), seed); shared || enr.LogDistance(s.Record.ID(), g.Record.ID()) == 256 {
				names[s] = append(names[s], g.Record)
			}
		}
	}
	for range 600 {
		nw.run(100 * time.Millisecond)
		for _, s := range list {
			s.serve(a, names[s]...)
		}
	}
}

// S29: the bounds hold for a victim that is named by IPv6, for one whose ID many networks name, and
// for all hosts of a /24 or /48 together.
func TestS29Variants(t *testing.T) {
	host := func(format string) func(int) netip.AddrPort {
		return func(i int) netip.AddrPort { return netip.MustParseAddrPort(fmt.Sprintf(format, 1+i)) }
	}
	for _, c := range []struct {
		name   string
		shared bool
		at     func(int) netip.AddrPort
		max    int // in any second
	}{
		{"IPv6 address", false, host("[2a02:7::7]:%d"), 0}, // ports below 1024
		{"IPv6 ports", false, host("[2a02:7::7]:500%d"), budget.MaxPerSecond},
		{"one /64", false, host("[2a02:7::%x]:5000"), budget.MaxSitePerSecond},
		{"one /48", false, host("[2a02:7:0:%x::1]:5000"), budget.MaxSitePerSecond},
		{"one /24", false, host("77.7.7.%d:5000"), budget.MaxSitePerSecond},
		{"same IDs of many namers", true, host("77.7.7.7:500%d"), budget.MaxPerSecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("20.0.0.1:9000", nil)
			a.second = netip.MustParseAddrPort("[2a01::1]:9000")
			f := &flow{nw: nw}
			nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, b []byte) {
				switch out := from == a.addr || from == a.second; {
				case out && to.Addr().As16()[12] != 30:
					f.at = append(f.at, nw.now)
					f.bytes += len(b)
				case to == a.addr:
					f.paid++
					f.paidSize += len(b)
				}
			})
			nw.naming(a, c.shared, c.at)
			n := f.worstSecond()
			t.Logf("%d packets, %d bytes to the victims for %d packets, %d bytes of the attackers; %d in the worst second", len(f.at), f.bytes, f.paid, f.paidSize, n)
			if n > c.max || len(f.at) > f.paid || f.bytes > f.paidSize {
				t.Errorf("%d packets of %d bytes to the victims for %d of %d; %d in one second, at most %d", len(f.at), f.bytes, f.paid, f.paidSize, n, c.max)
			}
			if c.max > 0 && len(f.at) == 0 {
				t.Error("nobody asked the victims: this tests nothing")
			}
		})
	}
}

// S29: an honest node that answers is named under identities of others. It keeps getting no more
// than the attackers send, and its own place stays.
func TestS29HonestNodeUnderOtherNames(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add("20.0.0.1:9000", nil), nw.add("77.7.7.7:5000", nil)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	f := nw.watch(a, b.addr)
	nw.naming(a, false, func(int) netip.AddrPort { return b.addr })
	t.Logf("%d packets, %d bytes to the victim for %d packets, %d bytes of all others; %d in the worst second", len(f.at), f.bytes, f.paid, f.paidSize, f.worstSecond())
	if len(f.at) > f.paid || f.bytes > f.paidSize {
		t.Errorf("%d packets of %d bytes to the victim for %d of %d", len(f.at), f.bytes, f.paid, f.paidSize)
	}
	if _, s, ok := a.e.table.Get(b.e.ID()); !ok || !s.Live {
		t.Error("the node that answers has lost its place")
	}
	if r := b.call(Request{Type: codec.TypeFindNode, Peer: a.peer(), Distances: []uint{256, 255}, NoFallback: true}); r.Err != nil {
		t.Errorf("its request: %v", r.Err)
	}
}

// S20: a private IPv6 address beside a public IPv4 one, handed to a node without IPv4, does not aim
// the node at its own network; and neither does one that it could choose, or try after a timeout.
func TestS20PrivateBesidePublicInLookup(t *testing.T) {
	for _, c := range []struct {
		name string
		v4   bool
		rec  func(b *enr.Builder, i int)
	}{
		{"node without IPv4", false, func(b *enr.Builder, i int) {
			b.SetIP(netip.AddrFrom4([4]byte{77, byte(i), 1, 1})).SetUDP(9000)
			b.SetIP(netip.AddrFrom16([16]byte{0xfd, 15: byte(1 + i)})).SetUDP6(9000)
		}},
		{"node of both families", true, func(b *enr.Builder, i int) {
			b.SetIP(netip.AddrFrom4([4]byte{77, byte(i), 1, 1})).SetUDP(9000)
			b.SetIP(netip.AddrFrom16([16]byte{0xfd, 15: byte(1 + i)})).SetUDP6(9000)
		}},
		{"private IPv4 beside", true, func(b *enr.Builder, i int) {
			b.SetIP(netip.AddrFrom4([4]byte{192, 168, 1, byte(1 + i)})).SetUDP(9000)
			b.SetIP(netip.AddrFrom16([16]byte{0x2a, 2, 0, byte(i), 15: 1})).SetUDP6(9000)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a := nw.add("[2a01::1]:9000", func(cfg *Config) { cfg.IPv4 = c.v4 })
			nw.publicOnly(a)
			f := &flow{nw: nw}
			nw.Tap = chain(nw.Tap, func(from, to netip.AddrPort, _ []byte) {
				if from == a.addr && to.Addr() != netip.MustParseAddr("2a03::1") {
					f.at = append(f.at, nw.now)
				}
			})
			s := nw.scriptedPeer("[2a03::1]:9000", 7).listen()
			s.connect(a)
			var names []*enr.Record
			for seed := uint64(1000); len(names) < 5; seed++ { // one packet
				g := nw.scriptedPeer("[2a04::1]:9000", seed)
				b := enr.NewBuilder()
				c.rec(b, len(names))
				rec, err := b.Sign(g.Key)
				if err != nil {
					t.Fatal(err)
				}
				if enr.LogDistance(s.Record.ID(), rec.ID()) == 256 {
					names = append(names, rec)
				}
			}
			served := 0
			for range 600 {
				nw.run(100 * time.Millisecond)
				served += s.serve(a, names...)
			}
			if served < 3 || c.v4 && len(f.at) == 0 {
				t.Errorf("%d requests served, %d probes: this tests nothing", served, len(f.at))
			}
		})
	}
}
