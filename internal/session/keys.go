package session

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Keys are the result of one handshake: a cipher per direction and the count of sent messages. They
// are safe for concurrent use.
type Keys struct {
	read, write aead.Cipher
	counter     aead.Counter
	// used is the coarse time of the last decrypted message; see Used.
	used atomic.Int64

	// The second cache line starts here.

	// recordSeq is the highest sequence number that the peer's record is known to have.
	recordSeq atomic.Uint64
	// state holds two halves. The lower one is the number of decrypted messages, saturating at
	// protectedAfter. The upper one is the local address at which the peer last reached this node.
	state atomic.Uint32
	// preferred marks the pair that both sides agree on after crossed handshakes: that of the node
	// with the lower ID.
	preferred bool

	// owner is the session that the keys belong to. It is written before the keys enter a map and
	// never changes, so a reader without the lock can check it.
	owner Key

	_ [1]byte // two cache lines
}

// usedResolution is the resolution of Used. It keeps busy sessions from writing to it for each
// message.
const usedResolution = time.Second

// NewKeys returns keys that decrypt with read and encrypt with write.
func NewKeys(read, write *[aead.KeySize]byte) *Keys {
	k := new(Keys)
	k.read, k.write = aead.NewCiphers(read, write)
	return k
}

// prefer records the two sides of the handshake.
func (k *Keys) prefer(initiator, recipient *[32]byte) {
	k.preferred = bytes.Compare(initiator[:], recipient[:]) < 0
}

// inherit copies the usage of the keys that k replaces. old may be nil.
func (k *Keys) inherit(old *Keys) {
	if old == nil {
		return
	}
	if n, now := old.messages(), k.state.Load(); n > now&0xffff {
		k.state.Store(now&^0xffff | n)
	}
}

// Open decrypts a message in place and returns the plaintext, which overlays the ciphertext. If
// these keys did not encrypt the message, its bytes are destroyed.
func (k *Keys) Open(nonce *codec.Nonce, message, ad []byte) ([]byte, error) {
	return k.read.Open(message[:0], nonce, message, ad)
}

// Seal appends the encryption of plaintext and its tag to dst. plaintext may directly follow dst in
// the same array.
func (k *Keys) Seal(dst []byte, nonce *codec.Nonce, plaintext, ad []byte) []byte {
	return k.write.Seal(dst, nonce, plaintext, ad)
}

// NextNonce makes the nonce of the next message. It returns ok = false when the keys are used up:
// you must not seal with them any more, and a new handshake must replace them.
func (k *Keys) NextNonce(nonce *codec.Nonce, r *aead.Random) (ok bool) {
	return k.counter.Next(nonce, r)
}

// Exhausted reports whether NextNonce would fail.
func (k *Keys) Exhausted() bool { return k.counter.Count() >= aead.MaxMessages }

// Prefetch reads the memory that Open and Seal will need. Call it for a whole batch first, so that
// the cache misses overlap. The result has no meaning.
func (k *Keys) Prefetch() byte { return k.read.Prefetch() + k.write.Prefetch() + k.owner[0] }

// Opened records that k decrypted a message, so the session is in use.
func (k *Keys) Opened(now time.Duration) {
	if int64(now)-k.used.Load() >= int64(usedResolution) {
		k.used.Store(int64(now))
	}
	if s := k.state.Load(); s&0xffff < protectedAfter {
		k.state.Store(s + 1)
	}
}

// messages returns the number of decrypted messages, at most protectedAfter.
func (k *Keys) messages() uint32 { return k.state.Load() & 0xffff }

// Via returns the last local address that SetVia stored, or 0.
func (k *Keys) Via() uint16 { return uint16(k.state.Load() >> 16) }

// SetVia stores the local address at which a decrypted message arrived.
func (k *Keys) SetVia(via uint16) {
	if s := k.state.Load(); uint16(s>>16) != via {
		k.state.Store(s&0xffff | uint32(via)<<16)
	}
}

// Used returns the time of the last decrypted message, at most a second too early.
func (k *Keys) Used() time.Duration { return time.Duration(k.used.Load()) }

// RecordSeq returns the highest sequence number that the peer has stated in this session, 0 for
// none.
func (k *Keys) RecordSeq() uint64 { return k.recordSeq.Load() }

// SetRecordSeq raises RecordSeq and reports whether seq is higher.
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

// ReplaceRecordSeq changes RecordSeq from old to seq, which may be lower: the peer has shown an
// older record. It does nothing if RecordSeq is not old.
func (k *Keys) ReplaceRecordSeq(old, seq uint64) { k.recordSeq.CompareAndSwap(old, seq) }

// ForgetRecordSeq lets the next SetRecordSeq of seq succeed, unless a higher one came since. Call
// it if the record could not be fetched.
func (k *Keys) ForgetRecordSeq(seq uint64) {
	if seq > 0 {
		k.recordSeq.CompareAndSwap(seq, seq-1)
	}
}
