package load

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// junkIDs are the node IDs of a worker that junk comes from. All begin with the same half, the key
// that answers to them are masked with, so that one decoder unmasks all; and their nonces hold the
// number of the exchange.
type junkIDs struct {
	decoder *codec.Decoder
	id      [32]byte
	fixed   [][16]byte // second halves; empty: a new one each time
	turn    int
}

func newJunkIDs(c *Config, r *aead.Random, n int) *junkIDs {
	s := &junkIDs{fixed: make([][16]byte, n)}
	r.Read(s.id[:])
	for i := range s.fixed {
		r.Block(&s.fixed[i])
	}
	s.decoder = codec.NewDecoder(&s.id, c.Protocol)
	return s
}

// next is the ID of whose turn it is, valid until the next call.
func (s *junkIDs) next(r *aead.Random) *[32]byte {
	half := (*[16]byte)(s.id[16:])
	if len(s.fixed) == 0 {
		r.Block(half)
		return &s.id
	}
	*half = s.fixed[s.turn]
	s.turn = (s.turn + 1) % len(s.fixed)
	return &s.id
}

// nonce makes the nonce of an exchange.
func (s *junkIDs) nonce(n *codec.Nonce, seq uint64, r *aead.Random) {
	r.Read(n[:4])
	binary.BigEndian.PutUint64(n[4:], seq)
}

// sequence is what nonce has put into n.
func (s *junkIDs) sequence(n *codec.Nonce) uint64 { return binary.BigEndian.Uint64(n[4:]) }
