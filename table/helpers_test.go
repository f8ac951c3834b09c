package table

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
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
	return stating(Node{ID: idAt(d, k), Addr: addr}, 1, addr)
}

// stating returns n with a record of sequence number seq that states the endpoints given. Nothing
// in the table depends on whose key signed the record.
func stating(n Node, seq uint64, endpoints ...netip.AddrPort) Node {
	n.Record = record(seq, endpoints...)
	return n
}

// withSeq returns n with a record of another sequence number, which states what n's states.
func withSeq(n Node, seq uint64) Node {
	v4, _ := n.Record.UDPEndpoint4()
	v6, _ := n.Record.UDPEndpoint6()
	return stating(n, seq, v4, v6)
}

var (
	recordKey = sync.OnceValues(func() (*enr.PrivateKey, error) { return enr.GenerateKey(cryptorand.Reader) })
	records   sync.Map // recordSpec to *enr.Record
)

// recordSpec is what a record of the tests states.
type recordSpec struct {
	seq    uint64
	v4, v6 netip.AddrPort
}

// record returns a record that states the endpoints given, and the same one for the same ones.
func record(seq uint64, endpoints ...netip.AddrPort) *enr.Record {
	spec := recordSpec{seq: seq}
	for _, a := range endpoints {
		a = netaddr.NormalizePort(a)
		switch {
		case a.Addr().Is4():
			spec.v4 = a
		case a.IsValid():
			spec.v6 = a
		}
	}
	if r, ok := records.Load(spec); ok {
		return r.(*enr.Record)
	}
	b := enr.NewBuilder().SetSeq(seq)
	if spec.v4.IsValid() {
		b.SetIP(spec.v4.Addr()).SetUDP(spec.v4.Port())
	}
	if spec.v6.IsValid() {
		b.SetIP(spec.v6.Addr()).SetUDP6(spec.v6.Port())
	}
	key, err := recordKey()
	if err != nil {
		panic(err)
	}
	r, err := b.Sign(key)
	if err != nil {
		panic(err)
	}
	records.Store(spec, r)
	return r
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
