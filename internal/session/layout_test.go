package session

import (
	"testing"
	"unsafe"
)

// TestLayout: a lookup and an Open touch as few cache lines as possible.
func TestLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("probed for pointers of 8 bytes: this platform's are shorter")
	}
	if n := unsafe.Sizeof(slot{}); n != 128 {
		t.Errorf("a slot takes %d bytes, want two cache lines", n)
	}
	if n := unsafe.Sizeof(Keys{}); n != 128 {
		t.Errorf("Keys take %d bytes, want two cache lines", n)
	}
	if at := unsafe.Offsetof(Keys{}.recordSeq); at != 64 {
		t.Errorf("what Open and Seal use ends at byte %d of Keys, beyond the first cache line", at)
	}
	if end := unsafe.Offsetof(slot{}.current) + unsafe.Sizeof(slot{}.current); end > 64 {
		t.Errorf("current keys end at byte %d of a slot, beyond its first cache line", end)
	}
}
