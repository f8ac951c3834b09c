package aead

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// TestErasePair: the keys of a session are erased once neither cipher is reachable, and not before.
func TestErasePair(t *testing.T) {
	if !ownGCM {
		t.Skip("probed for AES and carry-less multiplication on amd64: crypto/cipher keeps the keys here")
	}
	erased := make(chan bool, 1)
	mark := [KeySize]byte{0xe7, 1, 2, 3}
	defer pairErased.Store(nil)
	read, write := NewCiphers(&mark, &mark)
	at := uintptr(unsafe.Pointer(read.own))
	// Other tests have pairs too, so the address identifies this one.
	hook := func(k *[2]gcmKey) {
		if uintptr(unsafe.Pointer(k)) == at {
			erased <- *k == [2]gcmKey{}
		}
	}
	pairErased.Store(&hook)
	runtime.GC()
	runtime.GC()
	select {
	case <-erased:
		t.Fatal("erased while one of two ciphers is in use")
	case <-time.After(20 * time.Millisecond):
	}
	sealed := write.Seal(nil, new([NonceSize]byte), []byte("text"), nil)
	if _, err := newStdCipher(&mark).Open(nil, new([NonceSize]byte), sealed, nil); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		runtime.GC()
		select {
		case clean := <-erased:
			if !clean {
				t.Error("something of the keys is left")
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("never erased")
}

func TestErase(t *testing.T) {
	c := NewCipher(&[KeySize]byte{1})
	c.Erase()
	if c.own != nil && *c.own != (gcmKey{}) {
		t.Error("something of the key is left")
	}
}
