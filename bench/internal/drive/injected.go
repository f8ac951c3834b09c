package drive

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/aead"
)

// Made is session i of those that driver and server agree on without a handshake: both make it from
// the same seed. Handshakes for a million sessions would take a quarter of an hour.
func Made(seed uint64, i int) (s Session) {
	var in [9]byte
	binary.LittleEndian.PutUint64(in[:], uint64(i))
	fill := func(b []byte, part byte) {
		in[8] = part
		h := xxh3.Hash128Seed(in[:], seed).Bytes()
		copy(b, h[:])
	}
	fill(s.id[:16], 0)
	fill(s.id[16:], 1)
	fill(s.read[:], 2)
	fill(s.write[:], 3)
	return s
}

// MadeSessions are the first n sessions of a seed.
func MadeSessions(seed uint64, n int) []Session {
	list := make([]Session, n)
	for i := range list {
		list[i] = Made(seed, i)
	}
	return list
}

// Parts are the driver's node ID, the key that the driver writes with, and the one that it reads
// with.
func (s *Session) Parts() (id [32]byte, write, read [aead.KeySize]byte) { return s.id, s.write, s.read }

// Mixed makes requests of which percent in a hundred come from strangers and the others from list,
// spread evenly. Strangers send packets of the same size, n different ones. There are n requests,
// or as many as list has sessions if that is more.
func (c *Client) Mixed(list []Session, message func(n uint64) []byte, percent, n int) *Requests {
	pings := c.Requests(list, message)
	n = max(n, pings.Count())
	junk := c.Random(n, pings.Size)
	i := 0
	return newRequests(n, func(dst []byte) []byte {
		at := i % n
		i++
		if (at+1)*percent/100 > at*percent/100 {
			return append(dst, junk.Slab[at*junk.Size:(at+1)*junk.Size]...)
		}
		return pings.seal(dst)
	})
}
