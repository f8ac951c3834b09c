package session

import (
	"encoding/binary"
	"net/netip"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/enr"
)

// Key says whose session it is: IP address (16 bytes, IPv4 mapped), UDP port (2, big-endian) and
// node ID (32). It is a plain array, so that tables of keys hold no pointers and comparing is one
// memory compare.
type Key [keySize]byte

const (
	keyPort = 16
	keyID   = 18
	keySize = 50
)

// MakeKey returns the key of the node with the given ID at endpoint addr. A zone of the address is
// left out.
func MakeKey(addr netip.AddrPort, id *[32]byte) (k Key) {
	ip := addr.Addr().As16()
	copy(k[:], ip[:])
	binary.BigEndian.PutUint16(k[keyPort:], addr.Port())
	copy(k[keyID:], id[:])
	return k
}

// AddrPort is the endpoint. IPv4 addresses are of 4 bytes.
func (k *Key) AddrPort() netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(k[:keyPort])).Unmap()
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(k[keyPort:]))
}

// ID is the node ID.
func (k *Key) ID() enr.ID { return enr.ID(k[keyID:]) }

// hash is what the shard and the place in an index follow from. Endpoints and IDs are chosen
// by strangers, so the seed must be secret.
func (k *Key) hash(seed uint64) uint64 { return xxh3.HashSeed(k[:], seed) }
