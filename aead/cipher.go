package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"runtime"
	"sync/atomic"
)

// Sizes in bytes, as fixed by discv5-wire.md, Notation.
const (
	KeySize   = 16 // a session key, and the masking key
	NonceSize = 12 // the nonce of a message
	TagSize   = 16 // what Seal adds to a plaintext
	IVSize    = 16 // the masking IV at the start of a packet
)

// CipherMemory is the most heap memory in bytes that one Cipher keeps: a GCM object of
// crypto/cipher with the key schedule and the table for GHASH, rounded up to the allocator's size
// class. Where this package has its own GCM it is
// 320. The Cipher value itself is three words. It holds for 64-bit platforms with AES instructions.
const CipherMemory = 768

// ErrAuth is returned by Open for a message that was not sealed with this key, nonce and
// additional data, or that is shorter than a tag.
var ErrAuth = errors.New("aead: message does not authenticate")

// Cipher seals or opens the messages of one direction of one session with AES-128-GCM
// (discv5-wire.md, Protocol Header: aesgcm_encrypt). It keeps the key schedule, which costs
// several times as much as sealing a small message.
//
// A Cipher is a small value that is copied freely; copies share the key schedule, which is
// never written after NewCipher. It is safe for concurrent use. The zero Cipher has no key:
// IsZero tells, and Seal and Open must not be called on it.
//
// On amd64 with AES and PCLMULQDQ the arithmetic is this package's own, see gcm.go; elsewhere it is
// that of crypto/cipher. The results are the same.
type Cipher struct {
	own  *gcmKey
	aead cipher.AEAD // if own is nil
}

// NewCipher expands key. It allocates up to [CipherMemory] bytes that stay, and elsewhere than on
// amd64 a further key schedule that does not. It does not keep key, which the caller may erase.
//
// Where crypto/cipher does the arithmetic it panics if the program runs under GODEBUG=fips140=only,
// which forbids AES-GCM with nonces that come from outside and therefore this protocol. [SelfTest]
// says so with an error, on every platform.
func NewCipher(key *[KeySize]byte) Cipher {
	if ownGCM {
		k := new(gcmKey)
		k.expand(key)
		return Cipher{own: k}
	}
	return newStdCipher(key)
}

// NewCiphers is NewCipher for the two directions of a session. Their keys are neighbors in memory,
// where that can be done.
//
// Where this package has its own GCM, the garbage collector erases both keys when nothing refers to
// either Cipher any more. Nobody can do that earlier: a worker may open a message with keys that
// another one has just replaced. The memory of crypto/cipher is out of reach.
func NewCiphers(read, write *[KeySize]byte) (r, w Cipher) {
	if !ownGCM {
		return newStdCipher(read), newStdCipher(write)
	}
	k := new([2]gcmKey)
	k[0].expand(read)
	k[1].expand(write)
	runtime.SetFinalizer(k, erasePair)
	return Cipher{own: &k[0]}, Cipher{own: &k[1]}
}

// erasePair overwrites both keys of a session.
func erasePair(k *[2]gcmKey) {
	clear(k[:])
	if f := pairErased.Load(); f != nil {
		(*f)(k)
	}
}

// pairErased, if a test sets it, sees the memory of each pair that was erased.
var pairErased atomic.Pointer[func(*[2]gcmKey)]

// Erase overwrites the key, where this package has its own GCM. No copy of c may be used
// afterwards, or while Erase runs. It is for a key that is tried once.
func (c Cipher) Erase() {
	if c.own != nil {
		*c.own = gcmKey{}
	}
}

// newStdCipher returns a Cipher that works through crypto/cipher on every platform.
func newStdCipher(key *[KeySize]byte) Cipher {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("aead: AES-128 not available: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("aead: AES-GCM not available: " + err.Error())
	}
	return Cipher{aead: gcm}
}

// IsZero reports whether c is the zero Cipher, which has no key.
func (c Cipher) IsZero() bool { return c.own == nil && c.aead == nil }

// Seal encrypts plaintext, authenticates it and ad, appends ciphertext and tag
// (len(plaintext)+[TagSize] bytes) to dst and returns the extended slice. It allocates nothing
// if dst has that much room and nonce is not a variable on the caller's stack.
//
// The message is sealed in place when plaintext is exactly dst[len(dst):len(dst)+n]. Any other
// overlap of the output with plaintext panics, and so does any overlap with ad.
//
// nonce must be used once only under this key; [Counter] sees to that. For discv5 ad is the
// masking IV and the unmasked header.
func (c Cipher) Seal(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) []byte {
	if c.own == nil {
		return c.aead.Seal(dst, nonce[:], plaintext, ad)
	}
	n := len(dst)
	dst = extend(dst, len(plaintext)+TagSize)
	c.own.seal(dst[n:], nonce, plaintext, ad)
	return dst
}

// extend returns b with n bytes more, of unspecified content.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}

// Open authenticates ciphertext (with its tag) and ad, appends the plaintext
// (len(ciphertext)-[TagSize] bytes) to dst and returns the extended slice. It allocates nothing
// if dst has that much room and nonce is not a variable on the caller's stack.
//
// The message is opened in place with dst = ciphertext[:0]. Any other overlap of the output
// with ciphertext panics, and so does any overlap with ad.
//
// The only error is [ErrAuth]. The output bytes are then unspecified: a message that was opened in
// place may have been destroyed and cannot be tried with a second key. Whoever has an old and a new
// session key copies the ciphertext first. A ciphertext shorter than a tag is left as it was.
func (c Cipher) Open(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) ([]byte, error) {
	if c.own != nil {
		if len(ciphertext) < TagSize {
			return nil, ErrAuth
		}
		n := len(dst)
		dst = extend(dst, len(ciphertext)-TagSize)
		if !c.own.open(dst[n:], nonce, ciphertext, ad) {
			return nil, ErrAuth
		}
		return dst, nil
	}
	out, err := c.aead.Open(dst, nonce[:], ciphertext, ad)
	if err != nil {
		// The error of crypto/cipher carries no more than this one, and callers compare.
		return nil, ErrAuth
	}
	return out, nil
}
