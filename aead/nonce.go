package aead

import (
	"encoding/binary"
	"sync/atomic"
)

// MaxMessages is how many messages may be sealed with one session key. It lies below 2^32, the
// range of the counter in a nonce, so that a session has to be re-keyed before it can wrap.
const MaxMessages = 1<<32 - 1<<16

// Counter numbers the messages that one node seals with one session key and makes their nonces
// (discv5-theory.md, Session Cache):
//
//	nonce = message number, 32 bits big-endian || 64 random bits
//
// It is shared by all goroutines that send under the key. The zero Counter is ready for a new
// key. A Counter must not be copied after first use.
type Counter struct {
	// 64 bits, of which the nonce shows 32: calls after the limit cannot wrap it.
	n atomic.Uint64
}

// Next writes the next nonce and returns true. It returns false, and leaves nonce as it was,
// when [MaxMessages] nonces have been made: the key is used up and the session needs a new
// handshake. No number is given out twice, whatever the number of goroutines.
//
// r is the caller's own; it alone is not shared.
func (c *Counter) Next(nonce *[NonceSize]byte, r *Random) bool {
	n := c.n.Add(1) - 1
	if n >= MaxMessages {
		return false
	}
	binary.BigEndian.PutUint32(nonce[:4], uint32(n))
	binary.LittleEndian.PutUint64(nonce[4:], r.Uint64())
	return true
}

// Count returns how many nonces have been made, at most [MaxMessages]. A session can be
// re-keyed ahead of time by it.
func (c *Counter) Count() uint64 { return min(c.n.Load(), MaxMessages) }
