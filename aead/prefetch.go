package aead

import (
	"crypto/fips140"
	"reflect"
	"unsafe"
)

// This file and overlap.go are the only ones of the package that do anything unsafe.

// cacheLine is the distance in bytes between two reads of Prefetch. Where lines are longer, the
// same line is read more than once, which is harmless.
const cacheLine = 64

// cipherSize is the size in bytes of the object behind a Cipher, or 0 where Prefetch cannot tell where
// that is: crypto/cipher does not return a pointer, or an interface does not hold it in its second
// word. It is set once, when the program starts.
var cipherSize = func() (size uintptr) {
	// Nothing is encrypted here, so a program under GODEBUG=fips140=only may import this package.
	fips140.WithoutEnforcement(func() {
		c := newStdCipher(new([KeySize]byte))
		v := reflect.ValueOf(c.aead)
		if v.Kind() == reflect.Pointer && c.memory() == v.UnsafePointer() {
			size = v.Type().Elem().Size()
		}
	})
	return size
}()

// memory is the second word of the interface: the address of the object behind c. Reflection finds
// it too, but takes several times as long as what Prefetch is for.
func (c *Cipher) memory() unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&c.aead))[1] }

// prefetchedHead is how much of the object's start Prefetch reads: the round keys of AES-128. Behind them
// lie those for decryption, which GCM never uses. The end of the object is the power of the hash
// key that messages shorter than 128 bytes are authenticated with; the other powers come into play
// only where there is enough data to hide their way from memory.
const prefetchedHead = 192

// Prefetch reads one byte of each cache line behind c that a short message needs, so that they are on
// their way from memory before Seal or Open wants them. The reads do not depend on each other, nor
// do those of several ciphers: a worker that touches all ciphers of a batch first waits for memory
// about once and not once per message. The result has no meaning and may be ignored.
//
// Prefetch only reads memory that is never written after NewCipher, so it is safe for concurrent
// use. Prefetch of the zero Cipher does nothing.
//
// The pointer stays inside the object that it points to. If crypto/cipher changes its
// representation, Prefetch reads other lines, or none; Seal and Open do not depend on it.
//
// It must not be inlined: the compiler would drop reads whose result is ignored.
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
