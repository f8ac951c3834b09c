package session

import (
	"encoding/binary"
	"net/netip"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/enr"
)

// Key identifies a session: IP address (16 bytes, IPv4 mapped), UDP port (2, big-endian) and node
// ID (32). It is a plain array, so tables of keys hold no pointers, and a comparison is one memory
// compare.
type Key [keySize]byte

const (
	keyPort = 16
	keyID   = 18
	keySize = 50
)

// MakeKey returns the key of the node with the given ID at addr. It ignores a zone.
func MakeKey(addr netip.AddrPort, id *[32]byte) (k Key) {
	ip := addr.Addr().As16()
	copy(k[:], ip[:])
	binary.BigEndian.PutUint16(k[keyPort:], addr.Port())
	copy(k[keyID:], id[:])
	return k
}

// AddrPort returns the endpoint, with IPv4 addresses in 4 bytes.
func (k *Key) AddrPort() netip.AddrPort {
	ip := netip.AddrFrom16([16]byte(k[:keyPort])).Unmap()
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(k[keyPort:]))
}

// ID returns the node ID.
func (k *Key) ID() enr.ID { return enr.ID(k[keyID:]) }

// hash determines the shard and the index position of k. Unauthenticated peers choose endpoints and
// IDs, so the seed must be secret.
func (k *Key) hash(seed uint64) uint64 { return xxh3.HashSeed(k[:], seed) }
