package table

import (
	"bytes"
	"crypto/rand"
	"math/bits"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/fastdisc/discv5/enr"
)

func distance(id enr.ID) int { return enr.LogDistance(self, id) }

func TestRelayOnlyAfterAnswer(t *testing.T) {
	tab := newTable(nil)
	a, b := node(256, 1), node(256, 2)
	tab.Add(0, a)
	tab.Add(0, b)
	if tab.Relay(256).Len() != 0 {
		t.Fatal("relays a node that has not answered a PING")
	}
	mustLive(t, tab, 1*s, b)
	snap := tab.Relay(256)
	if snap.Len() != 1 || *snap.ID(0) != b.ID || !bytes.Equal(snap.Record(0), b.Record.Bytes()) || snap.Addr(0) != b.Addr ||
		snap.Class(0) != Global || snap.Proven(0) != IPv4.Set() {
		t.Fatalf("snapshot %+v", snap)
	}
	mustLive(t, tab, 2*s, a)
	if snap.Len() != 1 || *snap.ID(0) != b.ID {
		t.Error("a snapshot in use changed")
	}
	snap = tab.Relay(256)
	if snap.Len() != 2 || !bytes.Equal(snap.Record(0), a.Record.Bytes()) || !bytes.Equal(snap.Record(1), b.Record.Bytes()) {
		t.Error("records mixed up")
	}
	if tab.Relay(255) != nil || tab.Relay(255).Len() != 0 {
		t.Error("empty bucket")
	}
}

// S10 and S20: which endpoints of a node each requester may learn.
func TestS10SnapshotMayRelay(t *testing.T) {
	v4, v6 := addrPort("20.1.1.1:9000"), addrPort("[2a00:1::1]:9000")
	tests := []struct {
		name       string
		addr       netip.AddrPort
		udp4, udp6 netip.AddrPort
		prove6     bool
		relayed    bool
		to4, to6   bool // global requesters
		toPrivate4 bool
	}{
		{"v4 alone", v4, v4, netip.AddrPort{}, false, true, true, true, true},
		{"v6 not proven", v4, v4, v6, false, true, true, false, true},
		{"both proven", v4, v4, v6, true, true, true, true, true},
		{"contacted where the record does not say", v4, addrPort("20.1.1.1:9001"), netip.AddrPort{}, false, false, false, false, false},
		{"no endpoint stated", v4, netip.AddrPort{}, netip.AddrPort{}, false, false, false, false, false},
		{"private second address", v4, v4, addrPort("[fd00::1]:9000"), false, true, true, true, true},
		{"special second address", v4, v4, addrPort("[ff02::1]:9000"), false, true, true, true, true},
		{"loopback second address", v4, v4, addrPort("[::1]:9000"), false, true, true, true, true},
		{"low port of the second address", v4, v4, addrPort("[2a00:1::1]:53"), false, true, true, true, true},
		{"low port", addrPort("20.1.1.1:53"), addrPort("20.1.1.1:53"), netip.AddrPort{}, false, false, false, false, false},
		{"mapped", addrPort("[::ffff:20.1.1.1]:9000"), v4, netip.AddrPort{}, false, true, true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(nil)
			n := node(256, 1)
			n.Addr = tt.addr
			n = stating(n, 1, tt.udp4, tt.udp6)
			mustAdd(t, tab, 0, n, Added)
			if tt.prove6 {
				tab.MarkLive(1*s, n.ID, tt.udp6)
				if st := state(t, tab, n.ID); st.Live || st.Proven != IPv6.Set() || tab.Relay(256) != nil {
					t.Fatalf("an answer elsewhere made the node live: %+v", st)
				}
			}
			mustLive(t, tab, 1*s, n)
			snap := tab.Relay(256)
			if (snap.Len() == 1) != tt.relayed {
				t.Fatalf("in snapshot: %v", !tt.relayed)
			}
			if !tt.relayed {
				return
			}
			if got := snap.MayRelay(0, Global, IPv4); got != tt.to4 {
				t.Errorf("to a global IPv4 requester: %v", got)
			}
			if got := snap.MayRelay(0, Global, IPv6); got != tt.to6 {
				t.Errorf("to a global IPv6 requester: %v", got)
			}
			if got := snap.MayRelay(0, Private, IPv4); got != tt.toPrivate4 {
				t.Errorf("to a private IPv4 requester: %v", got)
			}
			if !snap.MayRelay(0, Loopback, IPv4) {
				t.Error("not to loopback")
			}
		})
	}
}

// A newer record that changes one family's endpoint takes back that family's proof only.
func TestUpdateKeepsProofOfUnchangedFamily(t *testing.T) {
	tab := newTable(nil)
	n := node(256, 1)
	v6 := addrPort("[2a00:1::1]:9000")
	n = stating(n, 1, n.Addr, v6)
	tab.Add(0, n)
	mustLive(t, tab, 0, n)
	tab.MarkLive(0, n.ID, v6)
	n = stating(n, 2, n.Addr, addrPort("[2a00:1::2]:9000"))
	mustAdd(t, tab, 0, n, Updated)
	if st := state(t, tab, n.ID); st.Proven != IPv4.Set() || !st.Live {
		t.Errorf("%+v", st)
	}
	if snap := tab.Relay(256); snap.MayRelay(0, Global, IPv6) || !snap.MayRelay(0, Global, IPv4) {
		t.Error("the new address is relayed to its own family unproven")
	}
}

func TestNewNode(t *testing.T) {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetSeq(7).SetIP(netip.MustParseAddr("20.1.2.3")).SetUDP(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	n := NewNode(r, addrPort("20.1.2.3:9000"), true)
	if n.ID != r.ID() || n.Seq() != 7 || n.Record != r || !n.Inbound {
		t.Errorf("%+v", n)
	}
	tab := newTable(nil)
	mustAdd(t, tab, 0, n, Added)
	mustLive(t, tab, 0, n)
	if tab.Relay(distance(n.ID)).Len() != 1 {
		t.Error("not relayed")
	}
}

func TestLayout(t *testing.T) {
	if bits.UintSize == 64 && unsafe.Sizeof(bucket{}) != 64 {
		t.Errorf("a bucket takes %d bytes, not one cache line", unsafe.Sizeof(bucket{}))
	}
	if unsafe.Offsetof(Table{}.buckets) != 0 {
		t.Error("the buckets are not at the start of the table")
	}
	t.Logf("Table %d bytes, entry %d, Node %d, relayEntry %d", unsafe.Sizeof(Table{}), unsafe.Sizeof(entry{}),
		unsafe.Sizeof(Node{}), unsafe.Sizeof(relayEntry{}))
}
