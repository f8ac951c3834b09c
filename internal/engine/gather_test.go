package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// An answer holds first what the asker can use: records that name an endpoint of the family that it
// asked over, from all distances that it asked for. Records of the other family fill the rest.
func TestAnswerHoldsUsableRecordsFirst(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", nil)
	count := map[string]int{}
	for i := uint64(0); count["4"] < 20 || count["6"] < 4; i++ {
		key, err := enr.GenerateKey(wiretest.Reader(9000 + i))
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{30 + byte(i>>8), byte(i), 1, 1}), 9000)
		kind := "4"
		if i%6 == 0 {
			addr, kind = netip.MustParseAddrPort(fmt.Sprintf("[2a00:%x::1]:9000", 1+i)), "6"
		}
		builder := enr.NewBuilder().SetIP(addr.Addr())
		if kind == "4" {
			builder.SetUDP(addr.Port())
		} else {
			builder.SetUDP6(addr.Port())
		}
		r, err := builder.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if d := enr.LogDistance(b.e.ID(), r.ID()); d < 254 || count[kind] == 20 && kind == "4" || count[kind] == 4 && kind == "6" {
			continue
		}
		b.e.Table().Add(0, table.NewNode(r, addr, false))
		b.e.Table().MarkLive(time.Second, r.ID(), addr)
		count[kind]++
	}
	id := [32]byte{1}
	for _, tt := range []struct {
		from  string
		first string // family
		want  int
	}{{"9.9.9.9:9000", "4", 16}, {"[2a00:ffff::1]:9000", "6", 4}} {
		t.Run(tt.first, func(t *testing.T) {
			for range 20 { // chance picks where there are too many
				p := peer{from: netip.MustParseAddrPort(tt.from), id: &id}
				d, _, err := codec.NewDistances(nil, []uint{256, 255, 254, 0})
				if err != nil {
					t.Fatal(err)
				}
				n := b.w.gather(&p, d)
				seen := map[enr.ID]bool{}
				usable, own := 0, 0
				for i := range n {
					r, err := enr.Parse(b.w.records[i])
					if err != nil {
						t.Fatal(err)
					}
					if seen[r.ID()] {
						t.Fatal("a record twice")
					}
					seen[r.ID()] = true
					if r.ID() == b.e.ID() {
						own++
						continue
					}
					a, has4 := r.UDPEndpoint4()
					if has4 && a.IsValid() == (tt.first == "4") || !has4 && tt.first == "6" {
						if usable++; usable+own != i+1 {
							t.Fatalf("record %d comes after one of the other family", i)
						}
					}
				}
				if n != maxNodes || usable != tt.want {
					t.Fatalf("%d records, %d of them usable; want %d and %d", n, usable, maxNodes, tt.want)
				}
			}
		})
	}
}
