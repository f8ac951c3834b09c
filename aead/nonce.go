package aead

import (
	"encoding/binary"
	"sync/atomic"
)

// MaxMessages is the largest number of messages that may be sealed with one session key. It is
// below 2^32, the range of the counter in a nonce, so a session must be re-keyed before the counter
// wraps.
const MaxMessages = 1<<32 - 1<<16

// Counter numbers the messages that a node seals with one session key, and makes their nonces
// (discv5-theory.md, Session Cache):
//
//	nonce = message number, 32 bits big-endian || 64 random bits
//
// All goroutines that send under the key share it. The zero Counter is ready for a new key. Do not
// copy a Counter after first use.
type Counter struct {
	// The counter has 64 bits and the nonce 32 of them, so calls beyond the limit cannot wrap it.
	n atomic.Uint64
}

// Next writes the next nonce and returns true. It returns false and leaves nonce unchanged after
// [MaxMessages] nonces: the key is used up, and the session needs a new handshake. No number is
// returned twice, whatever the number of goroutines.
//
// r must belong to the calling goroutine.
func (c *Counter) Next(nonce *[NonceSize]byte, r *Random) bool {
	n := c.n.Add(1) - 1
	if n >= MaxMessages {
		return false
	}
	binary.BigEndian.PutUint32(nonce[:4], uint32(n))
	binary.LittleEndian.PutUint64(nonce[4:], r.Uint64())
	return true
}

// Count returns the number of nonces made, at most [MaxMessages]. Callers may use it to re-key a
// session ahead of time.
func (c *Counter) Count() uint64 { return min(c.n.Load(), MaxMessages) }
