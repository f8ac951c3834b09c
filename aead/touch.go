package aead

import (
	"reflect"
	"unsafe"
)

// This file is the only one of the package that uses unsafe.

// cacheLine is the distance in bytes between two reads of Touch. Where lines are longer, the
// same line is read more than once, which is harmless.
const cacheLine = 64

// cipherSize is the size in bytes of the object behind a Cipher, or 0 where crypto/cipher does
// not return a pointer. It is set once, when the program starts.
var cipherSize = func() uintptr {
	t := reflect.TypeOf(NewCipher(new([KeySize]byte)).aead)
	if t.Kind() != reflect.Pointer {
		return 0
	}
	return t.Elem().Size()
}()

// Touch reads one byte of every cache line behind c, so that they are on their way from memory
// before Seal or Open needs them. The reads do not depend on each other, nor do those of several
// ciphers: a worker that touches all ciphers of a batch first waits for memory about once and
// not once per message. The result has no meaning and may be ignored.
//
// Touch only reads memory that is never written after NewCipher, so it is safe for concurrent
// use. Touch of the zero Cipher does nothing.
//
// The pointer comes from reflect and stays inside the object that it points to, both of which
// the rules of package unsafe allow. If crypto/cipher changes its representation, Touch reads
// fewer or no lines; Seal and Open do not depend on it.
//
// It must not be inlined: the compiler would drop reads whose result is ignored.
//
//go:noinline
func (c Cipher) Touch() byte {
	if c.aead == nil || cipherSize == 0 {
		return 0
	}
	p := reflect.ValueOf(c.aead).UnsafePointer()
	var sum byte
	for i := uintptr(0); i < cipherSize; i += cacheLine {
		sum |= *(*byte)(unsafe.Add(p, i))
	}
	return sum
}
