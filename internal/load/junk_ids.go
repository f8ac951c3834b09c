package load

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// junkIDs are the node IDs of a worker that junk comes from. All begin with the same half, which is
// the key that responses to them are masked with, so one decoder unmasks all. Their nonces hold the
// request ID of the exchange.
type junkIDs struct {
	decoder *codec.Decoder
	id      [32]byte
	fixed   [][16]byte    // second halves; empty: a new one each time
	nonces  []codec.Nonce // of the messages of fixed, if they are repeated
	turn    int
	used    int // how many of fixed take part
}

func newJunkIDs(c *Config, r *aead.Random, n int) *junkIDs {
	s := &junkIDs{fixed: make([][16]byte, n)}
	r.Read(s.id[:])
	for i := range s.fixed {
		r.Block(&s.fixed[i])
	}
	if c.RepeatJunk {
		s.nonces = make([]codec.Nonce, n)
		for i := range s.nonces {
			r.Read(s.nonces[i][:4]) // with sequence number 0, which no exchange has
		}
	}
	s.decoder = codec.NewDecoder(&s.id, c.Protocol)
	return s
}

// use sets how many of the fixed IDs take part, as Plan.JunkIDs says.
func (s *junkIDs) use(n int) {
	switch {
	case n == 0:
		n = len(s.fixed)
	case n < 0:
		n = 0
	}
	s.used, s.turn = min(n, len(s.fixed)), 0
}

// next returns the ID of the exchange with request ID seq, valid until the next call, and makes its
// nonce.
func (s *junkIDs) next(nonce *codec.Nonce, seq uint64, r *aead.Random) *[32]byte {
	r.Read(nonce[:4])
	binary.BigEndian.PutUint64(nonce[4:], seq)
	half := (*[16]byte)(s.id[16:])
	if s.used == 0 {
		r.Block(half)
		return &s.id
	}
	*half = s.fixed[s.turn]
	if s.nonces != nil {
		*nonce = s.nonces[s.turn]
	}
	s.turn = (s.turn + 1) % s.used
	return &s.id
}

// sequence returns the request ID that next has put into n.
func (s *junkIDs) sequence(n *codec.Nonce) uint64 { return binary.BigEndian.Uint64(n[4:]) }
