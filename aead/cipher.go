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
	KeySize   = 16 // of a session key and of the masking key
	NonceSize = 12 // of a message's nonce
	TagSize   = 16 // Seal makes a message longer by TagSize
	IVSize    = 16 // of the masking IV at the start of a packet
)

// CipherMemory is the largest heap memory in bytes that one Cipher keeps: a GCM object of
// crypto/cipher with the key schedule and the GHASH table, rounded up to the allocator's size
// class. This package's own GCM keeps 320 bytes. The Cipher value itself is three words. The figure
// is for 64-bit platforms with AES instructions.
const CipherMemory = 768

// ErrAuth reports a message that was not sealed with this key, nonce and additional data, or that
// is shorter than a tag.
var ErrAuth = errors.New("aead: message does not authenticate")

// Cipher seals or opens the messages of one direction of a session with AES-128-GCM
// (discv5-wire.md, Protocol Header: aesgcm_encrypt). It keeps the key schedule, which takes several
// times as long to compute as a small message takes to seal.
//
// You can copy a Cipher freely. Copies share the key schedule, which does not change after
// NewCipher. A Cipher is safe for concurrent use. The zero Cipher has no key: IsZero reports that,
// and you must not call Seal or Open on it.
//
// On amd64 with AES and PCLMULQDQ this package uses its own arithmetic, see gcm.go. Elsewhere it
// uses crypto/cipher. The results are the same.
type Cipher struct {
	own  *gcmKey
	aead cipher.AEAD // used if own is nil
}

// NewCipher expands key. It allocates up to [CipherMemory] bytes, and a temporary key schedule
// except on amd64. It does not keep key, so the caller may erase key.
//
// Where crypto/cipher does the arithmetic, NewCipher panics under GODEBUG=fips140=only, which
// forbids AES-GCM with external nonces and therefore this protocol. [SelfTest] reports that as an
// error, on every platform.
func NewCipher(key *[KeySize]byte) Cipher {
	if ownGCM {
		k := new(gcmKey)
		k.expand(key)
		return Cipher{own: k}
	}
	return newStdCipher(key)
}

// NewCiphers returns the ciphers of the two directions of a session. Their keys are adjacent in
// memory where that is possible.
//
// If this package uses its own GCM, the garbage collector erases both keys when nothing refers to
// either Cipher. No one can erase them earlier, because one worker may still open a message with
// keys that another one has just replaced. The memory of crypto/cipher is not accessible.
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

// pairErased, if a test sets it, is called with the memory of each erased pair.
var pairErased atomic.Pointer[func(*[2]gcmKey)]

// Erase overwrites the key if this package uses its own GCM. You must not use any copy of c
// afterwards, or during Erase. Erase serves keys that are tried once.
func (c Cipher) Erase() {
	if c.own != nil {
		*c.own = gcmKey{}
	}
}

// newStdCipher returns a Cipher that uses crypto/cipher on every platform.
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

// Seal encrypts plaintext, authenticates it and ad, appends the ciphertext and tag
// (len(plaintext)+[TagSize] bytes) to dst, and returns the extended slice. It allocates nothing if
// dst has enough capacity and nonce is not a variable on the caller's stack.
//
// Seal works in place if plaintext is exactly dst[len(dst):len(dst)+n]. It panics if the output
// overlaps plaintext in any other way, or ad.
//
// A nonce must be used only once with a key; [Counter] ensures that. For discv5, ad is the masking
// IV and the unmasked header.
func (c Cipher) Seal(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) []byte {
	if c.own == nil {
		return c.aead.Seal(dst, nonce[:], plaintext, ad)
	}
	n := len(dst)
	dst = extend(dst, len(plaintext)+TagSize)
	c.own.seal(dst[n:], nonce, plaintext, ad)
	return dst
}

// extend returns b with n more bytes of unspecified content.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}

// Open authenticates ciphertext (with its tag) and ad, appends the plaintext
// (len(ciphertext)-[TagSize] bytes) to dst, and returns the extended slice. It allocates nothing if
// dst has enough capacity and nonce is not a variable on the caller's stack.
//
// Open works in place with dst = ciphertext[:0]. It panics if the output overlaps ciphertext in any
// other way, or ad.
//
// The only error is [ErrAuth]. The output bytes are then unspecified: a message that was opened in
// place may be destroyed, so you cannot try a second key. Copy the ciphertext first if you have an
// old and a new session key. Open leaves a ciphertext that is shorter than a tag unchanged.
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
		// The error of crypto/cipher says no more than ErrAuth, and callers compare errors.
		return nil, ErrAuth
	}
	return out, nil
}
