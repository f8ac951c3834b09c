package session

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Keys are what one handshake made: a cipher for each direction and the count of messages sent.
// All methods may be called from several goroutines.
type Keys struct {
	read, write aead.Cipher
	counter     aead.Counter
	// used is when a message last opened, as a coarse time; see Used.
	used atomic.Int64

	// The second cache line.

	// recordSeq is the sequence number of the newest record that the peer is known to have.
	recordSeq atomic.Uint64
	// state has the number of messages that were opened in its lower half, saturating at
	// protectedAfter, and the local address at which the peer last reached this node in its upper
	// one.
	state atomic.Uint32
	// preferred tells which of two handshakes that crossed both sides settle on: that of the node
	// with the lower ID.
	preferred bool

	// owner is whose session the keys belong to. It is written before they are in a map, and never
	// again, so that who finds them without a lock can tell.
	owner Key

	_ [1]byte // two cache lines
}

// SessionSize is the memory that a session with one pair of keys takes, in bytes, as measured by
// TestSessionSize: the budget is 2 KiB.
const SessionSize = 2048

// usedResolution is how coarsely Used is kept, so that busy sessions do not write to it for
// every message.
const usedResolution = time.Second

// NewKeys returns keys that decrypt with read and encrypt with write.
func NewKeys(read, write *[aead.KeySize]byte) *Keys {
	k := new(Keys)
	k.read, k.write = aead.NewCiphers(read, write)
	return k
}

// prefer notes who made the handshake with whom.
func (k *Keys) prefer(initiator, recipient *[32]byte) {
	k.preferred = bytes.Compare(initiator[:], recipient[:]) < 0
}

// inherit takes over how much a session has been used from the keys that k replaces, which may be
// nil.
func (k *Keys) inherit(old *Keys) {
	if old == nil {
		return
	}
	if n, now := old.messages(), k.state.Load(); n > now&0xffff {
		k.state.Store(now&^0xffff | n)
	}
}

// Open decrypts a message in place and returns the plaintext, which overlays the ciphertext. If
// the message was not encrypted with these keys, its bytes are lost.
func (k *Keys) Open(nonce *codec.Nonce, message, ad []byte) ([]byte, error) {
	return k.read.Open(message[:0], nonce, message, ad)
}

// Seal appends the encryption of plaintext and its tag to dst. plaintext may be what follows
// dst in its array.
func (k *Keys) Seal(dst []byte, nonce *codec.Nonce, plaintext, ad []byte) []byte {
	return k.write.Seal(dst, nonce, plaintext, ad)
}

// NextNonce makes the nonce of the next message. ok is false when the keys have been used up:
// nothing may be sealed with them any more and a new handshake must replace them.
func (k *Keys) NextNonce(nonce *codec.Nonce, r *aead.Random) (ok bool) {
	return k.counter.Next(nonce, r)
}

// Exhausted reports whether NextNonce would fail.
func (k *Keys) Exhausted() bool { return k.counter.Count() >= aead.MaxMessages }

// Prefetch reads the lines of memory that Open and Seal will need. Done for a whole batch before the
// first message is opened, the waits for memory overlap.
func (k *Keys) Prefetch() byte { return k.read.Prefetch() + k.write.Prefetch() + k.owner[0] }

// Opened notes that a message was opened with k: the session is in use.
func (k *Keys) Opened(now time.Duration) {
	if int64(now)-k.used.Load() >= int64(usedResolution) {
		k.used.Store(int64(now))
	}
	if s := k.state.Load(); s&0xffff < protectedAfter {
		k.state.Store(s + 1)
	}
}

// messages is how many messages have been opened, at most protectedAfter.
func (k *Keys) messages() uint32 { return k.state.Load() & 0xffff }

// Via is the local address at which the peer last reached this node, as given to SetVia; 0 if it is
// not known.
func (k *Keys) Via() uint16 { return uint16(k.state.Load() >> 16) }

// SetVia notes the local address at which a message that opened has arrived.
func (k *Keys) SetVia(via uint16) {
	if s := k.state.Load(); uint16(s>>16) != via {
		k.state.Store(s&0xffff | uint32(via)<<16)
	}
}

// Used is when a message was last opened with k, at most a second too early.
func (k *Keys) Used() time.Duration { return time.Duration(k.used.Load()) }

// RecordSeq is the sequence number of the newest record of the peer that it has shown in this
// session, 0 for none.
func (k *Keys) RecordSeq() uint64 { return k.recordSeq.Load() }

// SetRecordSeq raises RecordSeq and reports whether seq was news.
func (k *Keys) SetRecordSeq(seq uint64) bool {
	for {
		old := k.recordSeq.Load()
		if seq <= old {
			return false
		}
		if k.recordSeq.CompareAndSwap(old, seq) {
			return true
		}
	}
}

// ReplaceRecordSeq changes RecordSeq from old to seq, be that lower: the peer has shown an older
// record. It does nothing if RecordSeq is not old.
func (k *Keys) ReplaceRecordSeq(old, seq uint64) { k.recordSeq.CompareAndSwap(old, seq) }

// ForgetRecordSeq makes seq news again, if nothing newer has been shown: the record could not be
// had.
func (k *Keys) ForgetRecordSeq(seq uint64) {
	if seq > 0 {
		k.recordSeq.CompareAndSwap(seq, seq-1)
	}
}
