package aead

import (
	"crypto/fips140"
	"reflect"
	"unsafe"
)

// Only this file and overlap.go use package unsafe.

// cacheLine is the distance in bytes between two reads of Prefetch. On processors with longer
// lines, Prefetch reads a line more than once, which is harmless.
const cacheLine = 64

// cipherSize is the size in bytes of the object behind a Cipher. It is 0 if Prefetch cannot locate
// the object: crypto/cipher does not return a pointer, or an interface does not hold it in its
// second word. It is set when the program starts.
var cipherSize = func() (size uintptr) {
	// This encrypts nothing, so programs under GODEBUG=fips140=only may import this package.
	fips140.WithoutEnforcement(func() {
		c := newStdCipher(new([KeySize]byte))
		v := reflect.ValueOf(c.aead)
		if v.Kind() == reflect.Pointer && c.memory() == v.UnsafePointer() {
			size = v.Type().Elem().Size()
		}
	})
	return size
}()

// memory returns the second word of the interface: the address of the object behind c. Reflection
// finds it too, but takes several times as long as Prefetch saves.
func (c *Cipher) memory() unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&c.aead))[1] }

// prefetchedHead is the size of the object's start that Prefetch reads: the round keys of AES-128.
// The keys for decryption follow, which GCM never uses. The end of the object is the power of the
// hash key that authenticates messages shorter than 128 bytes. Longer messages hide the cache
// misses for the other powers.
const prefetchedHead = 192

// Prefetch reads one byte of each cache line behind c that a short message needs, so that they are
// cached when Seal or Open needs them. The reads do not depend on each other, nor do those of
// several ciphers: a worker that calls Prefetch for a batch of ciphers waits for memory about once,
// and not once per message. The result has no meaning.
//
// Prefetch reads only memory that does not change after NewCipher, so it is safe for concurrent
// use. On the zero Cipher it does nothing.
//
// The pointer stays inside the object. If crypto/cipher changes its representation, Prefetch reads
// other lines, or none; Seal and Open do not depend on it.
//
// The compiler must not inline Prefetch, or it would drop reads whose result is ignored.
//
//go:noinline
func (c Cipher) Prefetch() byte {
	if k := c.own; k != nil {
		return k.rk[0] | k.rk[cacheLine] | k.rk[2*cacheLine] | k.powers[1][0] | k.powers[5][0]
	}
	p := c.memory()
	if p == nil || cipherSize == 0 {
		return 0
	}
	sum := *(*byte)(unsafe.Add(p, cipherSize-1))
	for i := uintptr(0); i < min(prefetchedHead, cipherSize); i += cacheLine {
		sum |= *(*byte)(unsafe.Add(p, i))
	}
	return sum
}
