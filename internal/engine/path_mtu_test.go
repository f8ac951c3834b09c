package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// TestS43NodesFitLeastPathMTU: the packets of a NODES answer over IPv6 need no fragments, whatever
// path MTU somebody has made the system believe, which for IPv6 is at least 1,280 bytes.
func TestS43NodesFitLeastPathMTU(t *testing.T) {
	const leastMTU = 1280
	for _, tt := range []struct {
		name, asker, other string
		most               int // bytes of a packet
	}{
		{"IPv6", "[2a00:1::1]:9000", "[2a00:2::2]:9000", leastMTU - ipv6Headers},
		{"IPv4", "8.8.8.1:9000", "8.8.8.2:9000", codec.MaxPacketSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, b := nw.add(tt.asker, nil), nw.add(tt.other, nil)
			fillWithLargeRecords(t, b)
			largest, total := 0, 0
			nw.Tap = func(from, _ netip.AddrPort, p []byte) {
				if from == b.addr {
					largest, total = max(largest, len(p)), total+1
				}
			}
			res := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{256}})
			if res.Err != nil || len(res.Records) != maxNodes {
				t.Fatalf("%d records, %v", len(res.Records), res.Err)
			}
			if largest > tt.most || total < maxNodes/4 {
				t.Errorf("largest of %d packets has %d bytes, more than %d", total, largest, tt.most)
			}
			if tt.most == codec.MaxPacketSize && largest <= leastMTU-ipv6Headers {
				t.Errorf("records are too small to fill packets: %d bytes", largest)
			}
		})
	}
}

// fillWithLargeRecords fills the bucket at distance 256 with live nodes of n's family, whose
// records fill packets to the brim.
func fillWithLargeRecords(t *testing.T, n *node) {
	t.Helper()
	for i, added := uint64(0), 0; added < maxNodes; i++ {
		key, err := enr.GenerateKey(wiretest.Reader(5000 + i))
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{30 + byte(i), byte(i), 1, 1}), 9000)
		b := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port())
		if n.addr.Addr().Is6() {
			addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, byte(i), byte(i), 0, 1, 15: 1}), 9000)
			b = enr.NewBuilder().SetIP(addr.Addr()).SetUDP6(addr.Port())
		}
		// Four records of this size fill a packet, and are too much for one over IPv6.
		const size = 290
		r, err := b.Sign(key)
		for pad := 0; err == nil && len(r.Bytes()) < size; pad++ {
			r, err = b.SetBytes("x", make([]byte, pad)).Sign(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		if enr.LogDistance(n.e.ID(), r.ID()) != 256 {
			continue
		}
		n.e.Table().Add(0, table.NewNode(r, addr, false))
		n.e.Table().MarkLive(time.Second, r.ID(), addr)
		added++
	}
}
