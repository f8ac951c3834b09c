package fuzz

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
)

func random(t testing.TB, seed uint64) *aead.Random {
	t.Helper()
	r, err := aead.NewRandom(wiretest.Reader(seed))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// identity is a key with a record that names an endpoint.
type identity struct {
	key  *enr.PrivateKey
	rec  *enr.Record
	addr netip.AddrPort
}

// addresses are those of the identities: of two families, of all classes that nodes have, two of
// them in one network.
var addresses = [...]string{
	"9.9.9.9:9000", "8.8.4.1:30303", "8.8.4.2:30303", "10.1.1.1:9000", "[2606:4700::1]:9000", "127.0.0.1:9001",
}

// identities are the same in every run. They cost curve arithmetic, so they are made once.
var identities = sync.OnceValue(func() (list [len(addresses)]identity) {
	for i, s := range addresses {
		addr := netip.MustParseAddrPort(s)
		key, err := enr.GenerateKey(wiretest.Reader(uint64(i) + 1))
		if err != nil {
			panic(err)
		}
		list[i] = identity{key, endpointRecord(key, addr), addr}
	}
	return list
})

// endpointRecord is a record that names an endpoint. One for IPv6 also names an address of the
// other family, where nobody is.
func endpointRecord(key *enr.PrivateKey, addr netip.AddrPort) *enr.Record {
	b := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port())
	if addr.Addr().Is6() {
		b.SetUDP6(addr.Port()).SetIP(netip.AddrFrom4([4]byte{8, 8, 8, 8}))
	}
	rec, err := b.Sign(key)
	if err != nil {
		panic(err)
	}
	return rec
}

func (i identity) id() [32]byte { return i.key.ID() }

// masked turns a packet in clear, whose message starts at head, into the datagram to dest.
func masked(packet []byte, head int, dest [32]byte) []byte {
	codec.MaskHeader(packet, head, &dest)
	return packet
}

// tampered applies changes to a datagram to dest as it was before its header was masked, and
// reports whether anything is different then. message is the size of its plaintext.
func tampered(datagram []byte, message int, dest [32]byte, changes []byte) bool {
	head := len(datagram) - message - codec.TagSize
	packet := masked(datagram, head, dest) // masking twice takes the mask off
	changed := change(packet, changes)
	masked(packet, head, dest)
	return changed
}
