package table

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

var self = enr.ID{0x55, 0xaa, 0x12}

const ms, s = time.Millisecond, time.Second

func newTable(mod func(*Config)) *Table {
	cfg := Config{Self: self, Seed: 1}
	if mod != nil {
		mod(&cfg)
	}
	return New(cfg)
}

// idAt returns the k-th ID at log distance d from self.
func idAt(d int, k uint32) enr.ID {
	var id enr.ID
	binary.BigEndian.PutUint32(id[28:], k)
	return (&Table{cfg: Config{Self: self}}).atDistance(d, id)
}

// node returns a node at log distance d that is contacted where its record says, at the k-th
// address of as many different /16.
func node(d int, k uint32) Node {
	addr := netip.AddrFrom4([4]byte{20 + byte(k>>8), byte(k), 7, 1})
	return at(d, k, netip.AddrPortFrom(addr, 9000))
}

// at is node with a given endpoint.
func at(d int, k uint32, addr netip.AddrPort) Node {
	n := Node{ID: idAt(d, k), Seq: 1, Addr: addr, Record: make([]byte, 100+k%200)}
	binary.BigEndian.PutUint32(n.Record, k)
	if addr.Addr().Is4() {
		n.UDP4 = addr
	} else {
		n.UDP6 = addr
	}
	return n
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func mustAdd(t *testing.T, tab *Table, now time.Duration, n Node, want AddResult) {
	t.Helper()
	if got := tab.Add(now, n); got != want {
		t.Fatalf("Add = %v, want %v", got, want)
	}
}

func mustLive(t *testing.T, tab *Table, now time.Duration, n Node) {
	t.Helper()
	if !tab.MarkLive(now, n.ID, n.Addr) {
		t.Fatal("MarkLive = false")
	}
}

func state(t *testing.T, tab *Table, id enr.ID) State {
	t.Helper()
	_, st, ok := tab.Get(id)
	if !ok {
		t.Fatalf("node %s is not in the table", id.Short())
	}
	return st
}

func randomID(r *rand.Rand) (id enr.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.BigEndian.PutUint64(id[i:], r.Uint64())
	}
	return id
}

// fill gives the bucket at distance d its members k0 to k0+15, live.
func fill(tab *Table, d int, k0 uint32) {
	for k := range uint32(DefaultBucketSize) {
		n := node(d, k0+k)
		tab.Add(0, n)
		tab.MarkLive(0, n.ID, n.Addr)
	}
}
